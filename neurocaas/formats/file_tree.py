"""A dataset that is chosen out of a larger folder: its files by the names that they keep below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FileTree:
    """`name` is the dataset's; `files` are by their paths below it, with '/'. `shared`: those of them that
    other datasets of the same choice have as well."""

    name: str
    files: Mapping[str, Path]
    shared: frozenset[str] = field(default_factory=frozenset)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files.values())
