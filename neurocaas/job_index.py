"""The index of a group's jobs, as people's commands read it (`neurocaas.protocol.job_index`).

One listing says which segments there are and when each was last written; then those are read that may have
what is asked for, the latest first, sixteen at once: ten thousand jobs are 25 reads. The index of a service
that was upgraded says so once the jobs of before are in it (`complete`); until then, and of a service that
keeps none, they are looked up one by one as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.protocol.job_index import (
    LINES_MAX_BYTES,
    SEGMENT,
    IndexEntry,
    complete_key,
    index_prefix,
    read_lines,
)

_SEGMENT = re.compile(r"([0-9]{8})\.jsonl")


@dataclass(frozen=True)
class Segment:
    """`modified`: when it was last written; no job in it was taken later."""

    number: int
    key: str
    modified: datetime


@dataclass(frozen=True)
class JobIndex:
    """`segments` from the latest to the first."""

    objects: Bucket
    segments: tuple[Segment, ...]
    complete: bool

    def latest(self, since: datetime | None = None) -> Iterator[list[IndexEntry]]:
        """The jobs that were taken `since` then, and some others, segment by segment, the latest first. Not
        many more are read than are taken."""
        wanted = [one for one in self.segments if since is None or one.modified >= since]
        start, size = 0, 2
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while start < len(wanted):
                yield from pool.map(self._read, wanted[start : start + size])
                start, size = start + size, AT_ONCE

    def entries(self, since: datetime | None = None) -> list[IndexEntry]:
        """The same, all at once."""
        return [entry for some in self.latest(since) for entry in some]

    def about(self, last: int) -> int:
        """How many jobs it has, when the last segment has so many: a few less, where somebody was killed
        between two steps."""
        return self.segments[0].number * SEGMENT + last if self.segments else 0

    def _read(self, segment: Segment) -> list[IndexEntry]:
        return list(read_lines(self.objects.get(segment.key, LINES_MAX_BYTES) or b""))


def index_of(objects: Bucket, group: str) -> JobIndex:
    """What there is of a group's index. One request."""
    prefix, complete, found = index_prefix(group), False, list[Segment]()
    for entry in objects.list(prefix):
        key = str(entry["Key"])
        complete = complete or key == complete_key(group)
        if name := _SEGMENT.fullmatch(key.removeprefix(prefix)):
            found.append(Segment(int(name[1]), key, entry["LastModified"]))
    return JobIndex(objects, tuple(reversed(found)), complete)
