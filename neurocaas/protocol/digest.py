"""The digest: once a day, one message about all jobs of a group that have ended, for the groups that want it.

The table of the service has an item for each group and day (UTC) on which jobs of it have ended
(`pk = "digest"`, `sk = "{day}/{group}"`): `jobs` SS has a line for each (a set: who writes a line twice has
written it once), `more` N counts those for which there was no room. The sweep tells the days that are over,
and deletes their items: an item that is there is one that nobody has told. A line is filed under the day on
which it is written, so nothing is added to a day that was told.

Which groups want it is a document of the artifact bucket, which the deploy of `utils` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from neurocaas.protocol.certificate import CertificateFacts, end_line
from neurocaas.protocol.documents import DocumentError, loads
from neurocaas.protocol.notice import DIGEST, about, subject_line
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.units import money

PREFIX = "notices/"
"""Of what the artifact bucket has for the sweep."""

KEY = f"{PREFIX}digests.json"
"""Of the document in the artifact bucket: {"schema_version": 1, "groups": [name, …]}."""

DIGESTS = "digest"
"""Partition key of the items."""

MOST = 500
"""Jobs of a day that have a line of their own: about 60 kB of an item, which has room for 400 (Amazon
DynamoDB developer guide, "Quotas"), and of a message, which has room for 256."""

AFTER = timedelta(minutes=30)
"""How long after midnight (UTC) a day is over: the clocks of who writes may differ by some minutes."""

_SHOWN = 200
"""Longest line, in characters."""


@dataclass(frozen=True)
class Digest:
    """What has ended in a group on a day (`2026-01-31`): lines (`line_of`), and how many more."""

    group: str
    day: str
    lines: tuple[str, ...]
    more: int = 0


def groups_json(groups: Iterable[str]) -> str:
    """The document of those who want it."""
    return json.dumps({"schema_version": 1, "groups": sorted(groups)}) + "\n"


def read_groups(text: bytes | None) -> frozenset[str]:
    """Those who want it; nobody without a document that can be read."""
    try:
        found = loads(text, "the groups that want a digest") if text is not None else {}
    except DocumentError:
        return frozenset()
    groups = found.get("groups") if isinstance(found, dict) else None
    return (
        frozenset(one for one in groups if isinstance(one, str)) if isinstance(groups, list) else frozenset()
    )


def line_of(facts: CertificateFacts) -> str:
    """The line of a job that has ended, the same however often its end is written."""
    outcome = end_line(facts.succeeded, len(facts.datasets)).strip()
    return json.dumps(
        [
            facts.job_id,
            facts.analysis,
            outcome,
            facts.by,
            round(facts.cost, 6),
        ]
    )


def day_of(now: datetime) -> str:
    """The day under which something is filed now."""
    return f"{now.astimezone(timezone.utc):%Y-%m-%d}"


def over_before(now: datetime) -> str:
    """The first day that is not over: all before it are."""
    return day_of(now - AFTER)


def key_of(group: str, day: str) -> dict[str, dict[str, str]]:
    """The primary key of an item, as DynamoDB takes it. A day has no '/', so its end is known."""
    return {"pk": {"S": DIGESTS}, "sk": {"S": f"{day}/{group}"}}


def note(client: Any, table: str, group: str, day: str, line: str) -> None:
    """File a line with a DynamoDB client. Beyond MOST it is only counted (and once more when its writer was
    killed and another writes it: the count is a lower bound of what was told, never a bill)."""
    try:
        client.update_item(
            TableName=table,
            Key=key_of(group, day),
            UpdateExpression="ADD #jobs :line",
            ConditionExpression="attribute_not_exists(#jobs) OR size(#jobs) < :most",
            ExpressionAttributeNames={"#jobs": "jobs"},
            ExpressionAttributeValues={":line": {"SS": [line]}, ":most": {"N": str(MOST)}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        client.update_item(
            TableName=table,
            Key=key_of(group, day),
            UpdateExpression="ADD #more :one",
            ExpressionAttributeNames={"#more": "more"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )


def untold(client: Any, table: str, before: str, most: int) -> list[Digest]:
    """Up to `most` items of days before `before`, the oldest first."""
    answer = client.query(
        TableName=table,
        KeyConditionExpression="pk = :digests AND sk < :before",
        ExpressionAttributeValues={":digests": {"S": DIGESTS}, ":before": {"S": before}},
        Limit=most,
        ConsistentRead=True,
    )
    return [_read(item) for item in answer["Items"]]


def _read(item: Mapping[str, Any]) -> Digest:
    day, _, group = item["sk"]["S"].partition("/")
    lines = tuple(sorted(item.get("jobs", {}).get("SS", ())))
    return Digest(group, day, lines, int(item.get("more", {}).get("N", 0)))


def take(client: Any, table: str, digest: Digest, now: float, stale: float) -> bool:
    """Begin to tell it; False when another has begun after `stale` (epoch seconds), or has told it."""
    try:
        client.update_item(
            TableName=table,
            Key=key_of(digest.group, digest.day),
            UpdateExpression="SET #telling = :now",
            ConditionExpression=(
                "attribute_exists(pk) AND (attribute_not_exists(#telling) OR #telling < :stale)"
            ),
            ExpressionAttributeNames={"#telling": "telling"},
            ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":stale": {"N": f"{stale:.3f}"}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def notice_of(digest: Digest) -> tuple[str, str, dict[str, str]]:
    """Subject, text and attributes of the message."""
    jobs = [job for job in map(_job, digest.lines) if job is not None]
    failed = sum(not outcome.startswith("SUCCESS") for _, _, outcome, _, _ in jobs)
    total = len(jobs) + digest.more
    count = f"{total} job{'' if total == 1 else 's'}"
    subject = f"NeuroCAAS: {count} of {digest.group} ended on {digest.day}, {failed} failed"
    cost = money(sum(job[4] for job in jobs))
    text = [
        f"{count} of group {digest.group} ended on {digest.day} (UTC). Failed: {failed}. Cost: {cost}.",
        *([f"Failures and cost are those of the {len(jobs)} below."] if digest.more else []),
        "",
        *(_shown(job) for job in sorted(jobs, key=lambda job: (job[2].startswith("SUCCESS"), job))),
        *([f"… and {digest.more} more"] if digest.more else []),
    ]
    return subject_line(subject), "\n".join(text), about(DIGEST, digest.group)


def _job(line: str) -> tuple[str, str, str, str, float] | None:
    try:
        name, analysis, outcome, submitter, cost = json.loads(line)
        return str(name), str(analysis), str(outcome), str(submitter), float(cost)
    except (ValueError, TypeError):
        return None


def _shown(job: Sequence[Any]) -> str:
    name, analysis, outcome, submitter, cost = job
    by = f", by {submitter}" if submitter else ""
    return one_line(f"{outcome}: {analysis}, job {name}{by}, {money(cost)}", _SHOWN)
