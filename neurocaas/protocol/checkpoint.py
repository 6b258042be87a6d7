"""The checkpoints of a dataset in the bucket: two sets of files in turn, and of each what is in it.

`logs/{dataset}/checkpoint/{1|2}/…` are the files of a script's checkpoint folder as they were at one moment,
`checkpoint/{1|2}.json` says which, with sizes and digests. The set that is written next is declared
incomplete first and complete last, so a machine may die at any moment: one complete set stays, and only
complete ones count. Machines write it, and the next machine reads it; the service only looks whether there is
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from neurocaas.protocol.documents import DocumentError, dumps, iso, loads, moment
from neurocaas.protocol.typed_json import data_of, read, stored

SETS = ("1", "2")
FILES_MAX = 10_000
"""Files of a checkpoint. More belong into an archive, which is written and read many times faster."""

MANIFEST_MAX_BYTES = 4 << 20
"""More than FILES_MAX files need."""

_WHAT = "a checkpoint"


@dataclass(frozen=True)
class SavedFile:
    """`path` below the checkpoint folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CheckpointManifest:
    """`number` counts the checkpoints of a dataset from 1, `attempt` its machines; `time` (ISO 8601) is when
    the files were so. Of one that is not `complete` the files are those of before, or partly new."""

    number: int
    complete: bool = False
    time: str = ""
    attempt: int = 1
    files: tuple[SavedFile, ...] = field(default=(), metadata=stored(added=True))

    @property
    def size(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> CheckpointManifest:
        """Raises DocumentError, also for a complete one without a time."""
        found = read(cls, loads(text, _WHAT), _WHAT)
        if found.complete:
            iso(moment(found.time))
        if found.number < 1 or len(found.files) > FILES_MAX:
            raise DocumentError(f"{_WHAT}: not one that a machine can have saved")
        return found


def read_manifest(text: str | bytes | None) -> CheckpointManifest | None:
    """None for one that is not there, or cannot be read."""
    with suppress(DocumentError):
        return None if text is None else CheckpointManifest.from_json(text)
    return None


def complete_ones(found: Iterable[CheckpointManifest | None]) -> list[CheckpointManifest]:
    """The complete ones, the newest first."""
    return sorted((one for one in found if one and one.complete), key=lambda one: one.number, reverse=True)
