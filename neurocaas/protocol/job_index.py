"""The index of a group's jobs: `jobs/{group}/index/{number}.jsonl` in the analysis's bucket, a line for each
job and each refused submission, for ever. A list of ten thousand jobs, or what they have cost, takes one
listing and some thirty reads, and no look at the jobs' own documents.

The service's table decides, and the documents follow it, as those of budgets do (`protocol.spending`). Each
job has a place in a *segment* of SEGMENT jobs, given once, in the order in which they came. So neither a
write nor a read grows with the number of jobs: who notes a job reads one segment in the table and writes one
document of some 150 kB at most. Whoever has written the document reads the table once more: when that has
changed meanwhile, it is written again.

A job is noted *before* the step that makes the manager, or the monitor, leave it alone (its launch or its
end in the table). When the one that notes it is killed in between, the next one does it again.

Items of the table (`neurocaas.protocol.ledger`):

- `pk = "index"`, `sk = "{bucket}/{group}"`: `count` N, how many places were given. Gaps do no harm.
- `pk = "indexed"`, `sk = "{bucket}/{group}/{identity}"`: `segment` N, where a job is.
- `pk = "index/{bucket}/{group}/{segment}"`, `sk = {identity}`: `line` S, the job's line; `rank` N, how far
  the job was (`IndexEntry.rank`): what comes late does not take the place of what is newer.

A job whose records were deleted, and whose timestamp another submission has taken, stays: what it cost was
spent. The two have the same name and different `created`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

from neurocaas.protocol.documents import DocumentError, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.objects import put
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.status import FAILED, SUCCESS

SEGMENT = 400
"""So many jobs share a document. A line has some 350 bytes, 1,200 at most: a segment is read in one page of a
Query (1 MB; DynamoDB API reference, "Query")."""

LINES_MAX_BYTES = 4 * 1024 * 1024
"""More than the document of a segment has."""

WHY_MAX = 160
"""Characters of why a job failed: the whole reason is in its certificate."""

COUNTS, PLACES, LINES = "index", "indexed", "index"
SUBMITTED, RUNNING, REJECTED = "SUBMITTED", "RUNNING", "REJECTED"
STATES = (SUBMITTED, RUNNING, SUCCESS, FAILED, REJECTED)
_TRIES = 5
_TEXT_MAX = 200
_LAST = 1_000_000_000


def index_prefix(group: str) -> str:
    return f"{JOBS}/{group}/index/"


def segment_key(group: str, segment: int) -> str:
    """Sorts as the segments do."""
    return f"{index_prefix(group)}{segment:08d}.jsonl"


def complete_key(group: str) -> str:
    """Is there once the jobs of before there was an index are in it too."""
    return f"{index_prefix(group)}complete.json"


@dataclass(frozen=True)
class IndexEntry:
    """What the index says of one job, or of a submission that became none.

    `folder` is `job_{timestamp}` or `rejected_{id}`; `created` when a manager took it, `ended` "" while it is
    open (ISO 8601). `state` is one of STATES; SUBMITTED while it waits before anything is
    planned. `done` of its `datasets` are final, `failed` of those without
    success. `cost` and `reserved` in micro-dollars: what it has cost, known when it has ended, and what may
    still be spent while it is open. `seconds`: the life of its machines together. `submitter` as in
    `job.json`, "" where nobody can say; `submission` its file's key. `config`: SHA-256 of the
    configuration's file. `work`: SHA-256 of all that decides what a job computes; "" of what is older than
    that field. `why` says in one line why it failed or was refused."""

    folder: str
    created: str
    state: str
    analysis: str = ""
    submitter: str = ""
    submission: str = ""
    ended: str = ""
    datasets: int = 0
    done: int = 0
    failed: int = 0
    cost: int = 0
    reserved: int = 0
    seconds: float = 0.0
    config: str = ""
    work: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """The job's timestamp, or the id of the submission that was refused."""
        return self.folder.partition("_")[2]

    @property
    def job(self) -> bool:
        """Whether it has a timestamp of its own: it was a job, or would have been one."""
        return self.folder.startswith("job_")

    @property
    def open(self) -> bool:
        return not self.ended

    @property
    def identity(self) -> str:
        """Which it is among those of its group."""
        return f"{self.folder}/{self.created}" if self.job else self.folder

    @property
    def rank(self) -> int:
        """How far it has come."""
        if self.state == SUBMITTED:
            return -1
        return _LAST if self.ended else self.done

    def line(self) -> str:
        """Its line, without the end. What is empty is left out."""
        facts = {name: value for name, value in asdict(self).items() if value not in ("", 0)}
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_line(cls, text: str | bytes) -> IndexEntry | None:
        """None for a line that cannot be read."""
        try:
            data = json.loads(text)
            found = cls(**{name: _value(data[name], kind) for name, kind in _KINDS.items() if name in data})
            moment(found.created)
            if found.ended:
                moment(found.ended)
        except (DocumentError, ValueError, TypeError, RecursionError):
            return None
        return found if found.state in STATES and found.folder.startswith(("job_", "rejected_")) else None


_KINDS: Mapping[str, type] = {
    one.name: {"str": str, "int": int, "float": float}[str(one.type)] for one in fields(IndexEntry)
}


def _value(value: Any, kind: type) -> Any:
    if kind is str and isinstance(value, str):
        return value
    if kind is not str and isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return kind(value)
    raise ValueError(f"{value!r} is no {kind.__name__}")


def entry_of(
    job: Job,
    *,
    state: str = RUNNING,
    done: int = 0,
    failed: int = 0,
    ended: str = "",
    cost: int = 0,
    reserved: int = 0,
    seconds: float = 0.0,
    why: str = "",
) -> IndexEntry:
    """What the index says of a job that was planned."""
    return IndexEntry(
        job.keys.folder,
        job.created,
        state,
        job.analysis,
        job.submitter,
        job.submission_key,
        ended,
        len(job.datasets),
        done,
        failed,
        cost,
        reserved,
        round(seconds, 3),
        job.config_source.sha256 if job.config_source else "",
        job.work,
        why=brief(why),
    )


def brief(text: str) -> str:
    """A reason as the index has it."""
    return one_line(text, WHY_MAX)


def worth_telling(done: int, total: int) -> bool:
    """Whether the index is told that so many of a job's datasets are final: of many, at each twentieth."""
    return total <= 20 or done * 20 // total != (done - 1) * 20 // total


def read_lines(text: bytes) -> Iterator[IndexEntry]:
    """The entries of a segment's document; what cannot be read is passed over."""
    for line in text.split(b"\n"):
        if line:
            found = IndexEntry.from_line(line)
            if found is not None:
                yield found


def note_job(s3: Any, dynamodb: Any, table: str, bucket: str, group: str, entry: IndexEntry) -> None:
    """Put a job into the index, or what is new of it. `s3` and `dynamodb` are botocore clients, `s3` one
    that may write for the group. What S3 refuses is no reason for a job to stop: people are told less then.
    """
    segment = _place(dynamodb, table, bucket, group, entry)
    if not _keep(dynamodb, table, bucket, group, segment, entry):
        return
    told = None
    with suppress(s3.exceptions.ClientError):
        for _ in range(_TRIES):
            now = "".join(f"{line}\n" for line in _lines(dynamodb, table, bucket, group, segment))
            if now == told:
                return
            put(s3, bucket, segment_key(group, segment), now)
            told = now


def _place(dynamodb: Any, table: str, bucket: str, group: str, entry: IndexEntry) -> int:
    """The segment in which a job is, or gets its place now."""
    key = {"pk": {"S": PLACES}, "sk": {"S": f"{bucket}/{group}/{entry.identity}"}}
    item = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    if item is None:
        count = dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": COUNTS}, "sk": {"S": f"{bucket}/{group}"}},
            UpdateExpression="ADD #count :one",
            ExpressionAttributeNames={"#count": "count"},
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )["Attributes"]["count"]["N"]
        item = dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET #segment = if_not_exists(#segment, :segment)",
            ExpressionAttributeNames={"#segment": "segment"},
            ExpressionAttributeValues={":segment": {"N": str((int(count) - 1) // SEGMENT)}},
            ReturnValues="ALL_NEW",
        )["Attributes"]
    return int(item["segment"]["N"])


def _keep(dynamodb: Any, table: str, bucket: str, group: str, segment: int, entry: IndexEntry) -> bool:
    """Write a job's line into the table; False when a newer one is there."""
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"pk": {"S": _segment(bucket, group, segment)}, "sk": {"S": entry.identity}},
            ConditionExpression="attribute_not_exists(pk) OR #rank <= :rank",
            UpdateExpression="SET #line = :line, #rank = :rank",
            ExpressionAttributeNames={"#line": "line", "#rank": "rank"},
            ExpressionAttributeValues={":line": {"S": entry.line()}, ":rank": {"N": str(entry.rank)}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _lines(dynamodb: Any, table: str, bucket: str, group: str, segment: int) -> Iterable[str]:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#pk = :pk",
        ExpressionAttributeNames={"#pk": "pk"},
        ExpressionAttributeValues={":pk": {"S": _segment(bucket, group, segment)}},
        ConsistentRead=True,
    )
    return [item["line"]["S"] for page in pages for item in page["Items"]]


def _segment(bucket: str, group: str, segment: int) -> str:
    return f"{LINES}/{bucket}/{group}/{segment}"
