"""What a machine says of its own dataset: from the one place that only this machine can write, bounded,
parsed strictly.

It is evidence about that dataset and nothing else. Nothing in it is taken for a path to read or write, a key
or an order: files that it names outside of what its job may touch are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.certificate import MovedFile
from neurocaas.protocol.documents import DocumentError, loads
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JOBS, EvidenceKeys
from neurocaas.protocol.limits import RECORD_MAX_BYTES, RECORD_MAX_FILES, STATUS_MAX_BYTES
from neurocaas.protocol.names import file_fault
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.typed_json import read, stored
from runtime.monitor.port import MonitorCloud

_SHA256 = re.compile("[0-9a-f]{64}")
_FACTS = 10
"""More than a record says of one file."""

_VERSION_MAX = 1024
"""Longest version id (Amazon S3 user guide, "How S3 Versioning works")."""


def read_status(raw: bytes | None) -> DatasetStatus:
    """The status that a machine has written so far; a missing or unreadable file counts as INITIALIZING."""
    if raw is None:
        return DatasetStatus()
    try:
        return DatasetStatus.from_json(raw)
    except DocumentError:
        return DatasetStatus()


def status_of(cloud: MonitorCloud, job: Job, instance: str) -> DatasetStatus:
    """The last status of a machine of the job, by its own word."""
    content = cloud.get(
        job.bucket, EvidenceKeys(job.launch_template.role_id, instance).status, STATUS_MAX_BYTES
    )
    return read_status(content.body if content else None)


@dataclass(frozen=True)
class _Record:
    inputs: tuple[Any, ...] = field(default=(), metadata=stored(added=True))
    results: tuple[Any, ...] = field(default=(), metadata=stored(added=True))


class Records:
    """What the machines of one job have moved, by their own word. All of it together has a limit: whoever
    writes the end of a job does so for all groups, and must not choke on what one of them says."""

    def __init__(self, cloud: MonitorCloud, job: Job) -> None:
        self._cloud, self._job = cloud, job
        self._bytes, self._files = RECORD_MAX_BYTES, RECORD_MAX_FILES

    def of(self, index: int, instance: str) -> dict[str, tuple[MovedFile, ...]]:
        """The `inputs` and `results` of a dataset's machine; nothing of a record that is too large."""
        job = self._job
        content = self._cloud.get(
            job.bucket, EvidenceKeys(job.launch_template.role_id, instance).files, self._bytes
        )
        raw = content.body if content else b"{}"
        # as many as it could have, before it is taken apart
        files = max(raw.count(b"{") + raw.count(b"["), raw.count(b",") // _FACTS)
        if files > self._files:
            return {}
        self._bytes, self._files = self._bytes - len(raw), self._files - files
        with suppress(DocumentError):
            record = read(_Record, loads(raw, "record"), "record")
            return {
                "inputs": tuple(_moved(record.inputs, _sources(job, index))),
                "results": tuple(_moved(record.results, _targets(job))),
            }
        return {}


def _sources(job: Job, index: int) -> list[tuple[str, str]]:
    """Bucket and prefix of what a machine of the job may have read."""
    own = [(job.bucket, f"{job.group}/"), (job.bucket, f"{JOBS}/{job.group}/")]
    named = (place_of(path, job.bucket) for path in (job.datasets[index].inputpath, job.configpath_of(index)))
    return own + [(bucket, key) for bucket, key in named if bucket != job.bucket]


def _targets(job: Job) -> list[tuple[str, str]]:
    bucket, keys = job.results
    return [(bucket, keys.prefix)]


def _moved(entries: Iterable[object], within: list[tuple[str, str]]) -> Iterable[MovedFile]:
    for entry in entries:
        with suppress(DocumentError):
            file = _file(entry)
            if any(file.bucket == bucket and file.key.startswith(prefix) for bucket, prefix in within):
                yield file


def _file(entry: object) -> MovedFile:
    """Raises DocumentError for what cannot be a file."""
    file = read(MovedFile, entry, "record")
    if (
        file_fault(file.key)
        or file.bytes < 0
        or not _SHA256.fullmatch(file.sha256)
        or len(file.version_id or "") > _VERSION_MAX
    ):
        raise DocumentError("record: not a file that a machine can have moved")
    return file
