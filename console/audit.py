"""`invoke audit`: who has read or written what, from the records of the trail that `auditData` asks for.

CloudTrail writes files of records into the log bucket, some minutes after the calls. They say the identity
that AWS has seen; whose it is, the rosters of the groups say (`neurocaas.protocol.members`). Only the files
of the days that are asked for are read, `AT_ONCE` at a time.
"""

from __future__ import annotations

import gzip
import io
import json as document
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from console.names import TaskOfNames
from neurocaas.protocol import members
from neurocaas.protocol.documents import DocumentError, moment
from neurocaas.protocol.keys import JOBS, JobKeys
from neurocaas.protocol.printable import printable

FOLDER = "cloudtrail"
"""Of the trail in the log bucket, as `components.audit` has it."""
AT_ONCE = 8
FILE_BYTES = 256 * 2**20
"""So much of a file is read, unpacked; CloudTrail's are far smaller."""
LATE = timedelta(minutes=15)
"""A file may come so long after what it tells of (CloudTrail user guide, "How CloudTrail works")."""
MOST = 1000


@dataclass(frozen=True)
class Access:
    """One call on one object. `who`: the person by the name in groups.yaml (`person`), else the role and its
    session, or the user; `principal`: as AWS names them. `bytes`: so many were sent or received, None where
    the record does not say. `error`: AWS's code for a call that was refused, else ""."""

    time: str
    who: str
    person: bool
    principal: str
    call: str
    bucket: str
    key: str
    source: str
    bytes: int | None
    error: str


@dataclass(frozen=True)
class AuditQuestion:
    """Which objects: keys, and what begins so (`below`), each of one bucket ("" for any)."""

    keys: frozenset[tuple[str, str]] = frozenset()
    below: tuple[tuple[str, str], ...] = ()

    def has(self, bucket: str, key: str) -> bool:
        if ("", key) in self.keys or (bucket, key) in self.keys:
            return True
        return any(one in ("", bucket) and key.startswith(prefix) for one, prefix in self.below)


def wanted_of(names: Sequence[str], job: str, group: str) -> AuditQuestion:
    """What the flags mean. Raises UserError for none of them, and for those that do not go together."""
    from console.errors import UserError

    said = (("KEY", names), ("--job", job), ("--group", group))
    if bool(names) == bool(job or group) or (job and not group):
        raise UserError(
            " and ".join(flag for flag, value in said if value) or "nothing to ask about",
            "a key (or a prefix that ends in '/'), or --group, or --job with --group",
            "say what: invoke audit lab1/results/job_2026-11-02/, invoke audit --group lab1 --job 2026-11-02",
        )
    if job:
        keys = JobKeys.of(group, job)
        sent = frozenset(("", f"{group}/submissions/{job}_{what}.json") for what in ("submit", "cancel"))
        return AuditQuestion(sent, (("", keys.prefix), ("", keys.records.prefix)))
    if group:
        folders = (f"{group}/", f"{JOBS}/{group}/", f"logs/{group}/")
        return AuditQuestion(below=tuple(("", prefix) for prefix in folders))
    pairs = [_place(name) for name in names]
    whole = tuple(pair for pair in pairs if pair[1].endswith("/") or not pair[1])
    return AuditQuestion(frozenset(pairs) - {*whole}, whole)


def _place(name: str) -> tuple[str, str]:
    """Bucket ("" for any) and key."""
    if not name.startswith("s3://"):
        return "", name
    bucket, _, key = name.removeprefix("s3://").partition("/")
    return bucket, key


def accesses(
    s3: Any,
    bucket: str,
    place: tuple[str, str],
    wanted: AuditQuestion,
    since: datetime,
    until: datetime,
    name_of: Callable[[str, str], str],
) -> list[Access]:
    """The calls on the objects that are `wanted`, the latest last. `bucket`: of the logs; `place`: account
    and region; `name_of`: the person of a principal in a group, "" for nobody."""
    files = list(_files(s3, bucket, place, since, until))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [
            one
            for records in pool.map(lambda key: list(_matching(s3, bucket, key, wanted)), files)
            for one in records
        ]
    begin, end = (f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in (since, until))
    found = [one for one in found if begin <= str(one.get("eventTime", "")) <= end]
    return sorted((_access(one, name_of) for one in found), key=lambda one: (one.time, one.key))


def recorded(s3: Any, bucket: str) -> bool:
    """Whether a trail has ever written there."""
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=f"{FOLDER}/", MaxKeys=1).get("KeyCount"))


def _files(s3: Any, bucket: str, place: tuple[str, str], since: datetime, until: datetime) -> Iterator[str]:
    """The files of records of those days (CloudTrail user guide, "Finding your CloudTrail log files")."""
    account, region = place
    day, last = since.date(), (until + LATE).date()
    pages = s3.get_paginator("list_objects_v2")
    while day <= last:
        prefix = f"{FOLDER}/AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}/"
        for page in pages.paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                if one["Key"].endswith(".json.gz") and one["LastModified"] >= since:
                    yield str(one["Key"])
        day += timedelta(days=1)


def _matching(s3: Any, bucket: str, key: str, wanted: AuditQuestion) -> Iterator[Mapping[str, Any]]:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        with gzip.open(io.BytesIO(body)) as unpacked:
            records = document.loads(unpacked.read(FILE_BYTES))["Records"]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        sys.stderr.write(f"not read: s3://{bucket}/{printable(key)} is no file of records\n")
        return
    for one in records:
        asked = one.get("requestParameters") or {}
        if wanted.has(str(asked.get("bucketName", "")), str(asked.get("key", ""))):
            yield one


def _access(record: Mapping[str, Any], name_of: Callable[[str, str], str]) -> Access:
    who, asked = record.get("userIdentity") or {}, record["requestParameters"]
    principal, key = str(who.get("principalId", "")), str(asked.get("key", ""))
    parts = key.split("/")
    group = parts[1] if parts[0] in (JOBS, "logs") and len(parts) > 1 else parts[0]
    arn, person = str(who.get("arn", "")), name_of(group, principal)
    sizes = record.get("additionalEventData") or {}
    moved = [sizes.get(f"bytesTransferred{way}") for way in ("In", "Out")]
    count = sum(int(one) for one in moved if isinstance(one, (int, float)))
    return Access(
        time=str(record.get("eventTime", "")),
        who=person or _otherwise(who, arn),
        person=bool(person),
        principal=principal,
        call=str(record.get("eventName", "")),
        bucket=str(asked.get("bucketName", "")),
        key=key,
        source=str(record.get("sourceIPAddress", "")),
        bytes=count if sizes else None,
        error=str(record.get("errorCode") or ""),
    )


def _otherwise(who: Mapping[str, Any], arn: str) -> str:
    """Whoever is no person of a group: `ROLE/SESSION` (machines, the service, administrators), a user, an AWS
    service."""
    if ":assumed-role/" in arn:
        return arn.partition(":assumed-role/")[2]
    service = str(who.get("invokedBy") or "")
    return service or str(who.get("userName") or "") or arn.rpartition(":")[2] or "nobody (no credentials)"


def people_of(ssm: Any) -> Callable[[str, str], str]:
    """The person of a principal in a group, by its roster, each of which is read once."""
    known = dict[str, members.Roster]()

    def name(group: str, principal: str) -> str:
        if group not in known:
            known[group] = members.read(ssm, group)
        return known[group].submitter(principal)

    return name


def lines(found: Iterable[Access]) -> list[str]:
    """The calls as people read them."""
    from neurocaas.layout import table
    from neurocaas.protocol.units import size

    rows = [
        (
            *(one.time, one.who, one.call, one.key),
            *("" if one.bytes is None else size(one.bytes), one.source, one.error),
        )
        for one in found
    ]
    return table(("time (UTC)", "who", "call", "key", "bytes", "from", "refused"), rows, right=("bytes",))


@task(
    klass=TaskOfNames,
    positional=["names"],
    help={
        "names": "Keys of an analysis's bucket, prefixes that end in '/', or s3://BUCKET/KEY.",
        "job": "A job's timestamp, with --group: its results, records and submission.",
        "group": "All that is the group's.",
        "since": "So far back: 30m, 12h, 7d; or a date. The records are kept for 90 days.",
        "people": "Only what people have done, by their names: no machines, and not the service.",
        "writes": "Only what was written or deleted.",
        "limit": "So many, the latest; 0: all.",
        "json": "One JSON document.",
    },
)
def audit(
    c: Context,
    names: list[str],
    job: str = "",
    group: str = "",
    since: str = "7d",
    people: bool = False,
    writes: bool = False,
    limit: int = MOST,
    json: bool = False,
) -> None:
    """Tell who has read or written an object, a job or what is a group's.

    From the records of CloudTrail, which has them when `auditData` of utils is true; they come some minutes
    late.
    """
    from account.clients import client
    from console.commands import engine_of_deployed
    from console.errors import UserError

    wanted = wanted_of(names, job, group)
    begin = _since(since)
    engine, name = engine_of_deployed("utils")
    found = engine.outputs(name)
    s3, logs = client("s3"), str(found["log_bucket"])
    if not recorded(s3, logs):
        raise UserError(
            f"no records in s3://{logs}/{FOLDER}/",
            "a service whose trail records who reads and writes",
            "pulumi config set auditData true --stack utils, then invoke deploy utils: from then on it is "
            "recorded (AWS charges by the call)",
        )
    place = (str(found["account"]), str(found["region"]))
    who = people_of(client("ssm"))
    every = accesses(s3, logs, place, wanted, begin, datetime.now(UTC), who)
    if writes:
        every = [one for one in every if not one.call.startswith(("Get", "Head", "List"))]
    if people:
        every = [one for one in every if one.person]
    shown = every[-limit:] if limit > 0 else every
    if json:
        calls = {"schema_version": 1, "calls": [asdict(one) for one in shown]}
        sys.stdout.write(document.dumps(calls, indent=2) + "\n")
        return
    sys.stdout.write("".join(f"{line}\n" for line in lines(shown)))
    if not shown:
        sys.stderr.write(f"nothing is recorded of it since {begin:%Y-%m-%d %H:%M} UTC\n")
    elif len(every) > len(shown):
        sys.stderr.write(f"{len(shown)} of {len(every)} calls; --limit 0 shows all\n")


def _since(text: str) -> datetime:
    from console.errors import UserError
    from neurocaas.protocol.problems import InvalidInput
    from neurocaas.protocol.units import seconds_of

    try:
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text))
    except (InvalidInput, ValueError):
        pass
    try:
        return moment(text if "T" in text else f"{text}T00:00:00Z")
    except DocumentError:
        raise UserError(
            f"--since {text}", "30m, 12h, 7d, or a date like 2026-11-01", "write it like one of these"
        ) from None


collection = Collection(audit)
