"""Jobs of before there was an index come into it (`neurocaas.protocol.job_index`): a sweep looks through a
group's records, JOBS_AT_ONCE of them, where the last one stopped. Once all are in it, `complete.json` is
written, and nothing is looked through any more.

What is in the index already is left alone. Of a job that is open, its own manager and monitor say more soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from neurocaas.protocol.certificate import STARTED_METADATA
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import DocumentError, dumps, iso, loads, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.job_index import (
    LINES_MAX_BYTES,
    REJECTED,
    IndexEntry,
    brief,
    complete_key,
    entry_of,
    index_prefix,
    read_lines,
)
from neurocaas.protocol.keys import CANCEL_SUFFIX, JOBS, JobId, RecordKeys
from neurocaas.protocol.status import FAILED, SUCCESS
from runtime.monitor.port import MonitorCloud

JOBS_AT_ONCE = 200
"""Records that one sweep looks at: some 20 seconds."""

_SECONDS = timedelta(seconds=40)
_CANCEL = f"_{CANCEL_SUFFIX.removesuffix('.json')}"
_done = set[tuple[str, str]]()
"""Groups whose index is complete, as far as this process knows."""


def complete_indexes(
    cloud: MonitorCloud, clock: Callable[[], datetime], log: Callable[[str, JobId | None], None]
) -> list[str]:
    """Go on with what is to do; faults in words."""
    faults, left, until = list[str](), JOBS_AT_ONCE, clock() + _SECONDS
    for analysis in cloud.analyses():
        for group in analysis.groups:
            where = (analysis.bucket, group)
            if where in _done or left <= 0 or clock() > until:
                continue
            try:
                looked, complete = _go_on(cloud.acting_for(*where), *where, left)
            except Exception as error:  # noqa: BLE001 (one group's records must not keep the others out)
                faults.append(f"the index of {group} in {analysis.bucket}: {type(error).__name__}: {error}")
                continue
            left -= looked
            if complete:
                _done.add(where)
            if looked:
                log(f"index of {group} in {analysis.bucket}: looked at {looked} earlier jobs", None)
    return faults


def _go_on(cloud: MonitorCloud, bucket: str, group: str, most: int) -> tuple[int, bool]:
    """How many records were looked at, and whether these were the last."""
    if cloud.get(bucket, complete_key(group)) is not None:
        return 0, True
    stopped, known = cloud.get(bucket, _stopped_key(group)), _known(cloud, bucket, group)
    after = ""
    with suppress(DocumentError):
        after = str(loads(stopped.body, "earlier.json").get("after", "")) if stopped else ""
    looked = 0
    for folder in _folders(cloud, bucket, group, after):
        if looked == most:
            cloud.put(bucket, _stopped_key(group), dumps({"schema_version": 1, "after": after}))
            return looked, False
        after, looked = folder, looked + 1
        entry = entry_of_records(cloud, bucket, group, folder)
        if entry is not None and entry.identity not in known:
            cloud.index(bucket, group, entry)
    cloud.put(bucket, complete_key(group), dumps({"schema_version": 1}))
    return looked, True


def _stopped_key(group: str) -> str:
    return f"{index_prefix(group)}earlier.json"


def _known(cloud: MonitorCloud, bucket: str, group: str) -> set[str]:
    found = set[str]()
    for key in cloud.keys(bucket, index_prefix(group)):
        content = cloud.get(bucket, key, LINES_MAX_BYTES) if key.endswith(".jsonl") else None
        found |= {entry.identity for entry in read_lines(content.body)} if content else set()
    return found


def _folders(cloud: MonitorCloud, bucket: str, group: str, after: str) -> Iterator[str]:
    """The folders of jobs and refused submissions behind one, in the order of their names."""
    prefix = f"{JOBS}/{group}/"
    start = f"{prefix}{after}0" if after else f"{prefix}job_"  # "0" is the character behind "/"
    while page := cloud.submissions(bucket, prefix, start, 1):
        folder = page[0].key.removeprefix(prefix).partition("/")[0]
        if folder.startswith(("job_", "rejected_")) and not folder.endswith(_CANCEL):
            yield folder
        start = f"{prefix}{folder}0"


def entry_of_records(cloud: MonitorCloud, bucket: str, group: str, folder: str) -> IndexEntry | None:
    """What the records of a job say; None when they say too little."""
    keys = RecordKeys(f"{JOBS}/{group}/{folder}/")
    certificate, end = cloud.get(bucket, keys.certificate_json), cloud.get(bucket, keys.end)
    facts: dict[str, Any] = {}
    with suppress(DocumentError):
        facts = dict(loads(certificate.body, "certificate.json")) if certificate else {}
    content, job = cloud.get(bucket, f"{keys.prefix}job.json"), None
    with suppress(DocumentError):
        job = Job.from_json(content.body) if content else None
    line = end.body.decode("utf-8", "replace").strip() if end else ""
    why = " ".join(line.split()[2:])
    if job is not None and not line:
        return entry_of(job)
    try:
        ended = iso(moment(str(facts["finished"])))
        datasets = [one for one in facts.get("datasets", ()) if isinstance(one, dict)]
        seconds = sum(float(one.get("seconds") or 0.0) for one in datasets)
        cost = micro_dollars(max(0.0, float(facts.get("cost_usd") or 0.0)))
        if job is not None:
            good, total = sum(one.get("status") == SUCCESS for one in datasets), len(job.datasets)
            state = SUCCESS if good == total else FAILED
            return entry_of(
                job,
                state=state,
                done=total,
                failed=total - good,
                ended=ended,
                cost=cost,
                seconds=seconds,
                why=why,
            )
        return IndexEntry(
            folder,
            _created(cloud, bucket, keys) or ended,
            FAILED if cost else REJECTED,
            str(facts.get("analysis", "")),
            str(facts.get("submitter") or ""),
            str(facts.get("submission_key", "")),
            ended,
            cost=cost,
            seconds=seconds,
            why=brief(why),
        )
    except (DocumentError, LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _created(cloud: MonitorCloud, bucket: str, keys: RecordKeys) -> str:
    """When a submission that became no job was taken; "" where nobody knows."""
    content = cloud.get(bucket, keys.certificate)
    with suppress(DocumentError):
        return iso(moment(content.metadata.get(STARTED_METADATA, ""))) if content else ""
    return ""
