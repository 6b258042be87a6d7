"""Uploads that were begun on this computer: what is kept of each, those that were not ended, and how to give
one up.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from neurocaas.errors import client_error, s3_errors
from neurocaas.places import state_folder


@dataclass
class KeptUpload:
    """What is kept here of one upload: a line of its facts, then a line for each part."""

    path: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    parts: dict[int, tuple[str, str]] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    @classmethod
    def of(cls, path: Path) -> KeptUpload:
        """Nothing where nothing is, or where it cannot be read. The last line may be half a one."""
        kept = cls(path)
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
            first, *lines = path.read_text(encoding="utf-8").splitlines()
            facts = json.loads(first)
            kept.facts = {name: facts[name] for name in _FACTS}
            for line in lines:
                number, etag, sha256 = json.loads(line)
                kept.parts[int(number)] = (str(etag), str(sha256))
        return kept

    @property
    def upload_id(self) -> str:
        return str(self.facts.get("upload_id", ""))

    def begin(self, facts: Mapping[str, Any]) -> None:
        self.facts, self.parts = facts, {}
        self.rewrite()

    def rewrite(self) -> None:
        lines = [json.dumps(self.facts)]
        lines += [json.dumps([number, *part]) for number, part in sorted(self.parts.items())]
        with contextlib.suppress(OSError):  # where nothing can be kept, a later try begins anew
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self.path.with_name(f"{self.path.name}.new")
            fresh.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            fresh.replace(self.path)

    def add(self, number: int, etag: str, sha256: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            self.parts[number] = (etag, sha256)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps([number, etag, sha256]) + "\n")

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


_FACTS = ("bucket", "key", "file", "size", "part", "upload_id", "begun")


def folder() -> Path:
    return state_folder() / "uploads"


@dataclass(frozen=True)
class Unfinished:
    """An upload that was begun on this computer and not ended. `parts`: so many of it are there."""

    bucket: str
    key: str
    file: str
    size: int
    begun: str
    parts: int
    of: int
    kept: Path
    facts: Mapping[str, Any]


def unfinished() -> list[Unfinished]:
    """Uploads of this person on this computer that were begun and neither completed nor aborted, as far as
    is known here."""
    return sorted(_unfinished(), key=lambda one: one.begun)


def _unfinished() -> Iterator[Unfinished]:
    for path in folder().glob("*.jsonl"):
        kept = KeptUpload.of(path)
        if not kept.facts:
            continue
        facts = kept.facts
        size, part = int(facts["size"]), int(facts["part"])
        where = (str(facts["bucket"]), str(facts["key"]), str(facts["file"]))
        parts = len(kept.parts), -(-size // part)
        yield Unfinished(*where, size, str(facts["begun"]), *parts, path, facts)


def give_up(s3: Any, one: Unfinished) -> None:
    """Abort an upload: what was sent of it is deleted, and costs nothing any more."""
    with s3_errors(one.bucket, one.key), contextlib.suppress(client_error()):
        abort(s3, one.facts)
    one.kept.unlink(missing_ok=True)


def abort(s3: Any, facts: Mapping[str, Any]) -> None:
    """End an upload of which nothing is wanted; the bucket's own rule does it after a week else."""
    place = {"Bucket": facts["bucket"], "Key": facts["key"], "UploadId": facts["upload_id"]}
    with contextlib.suppress(client_error()):
        s3.abort_multipart_upload(**place)
