"""Layers of settings: default < blueprint < stage section < stack config. Each value remembers where it was
written. A number without a fraction is whole, however it is written: `duration_minutes: 3e1` is 30."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blueprints.document import YamlDocument
from blueprints.finding import BlueprintFinding, Path, finding
from neurocaas.protocol.schema import as_whole

REPLACED = frozenset({"parameters"})
"""Objects that a stronger layer replaces as a whole: merging two JSON Schemas key by key means nothing."""


@dataclass
class Layers:
    """Merged settings with the origin of each value."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, tuple[str, int | None]] = field(default_factory=dict)

    def add(self, document: YamlDocument, prefix: Path = (), *, skip: frozenset[str] = frozenset()) -> None:
        """Puts a layer on top: the mapping at `prefix` of the document, but for the keys to skip."""
        layer: Any = document.data
        for part in prefix:
            layer = layer[part]
        kept = {key: value for key, value in layer.items() if key not in skip}
        self._merge(self.data, kept, (), document, prefix)

    def finding(self, path: Path, rule: str, got: str, allowed: str, do: str) -> BlueprintFinding:
        """A mistake in a value, at the file and line where it was written; of a default, at its path
        alone.
        """
        known = tuple(path)
        while known and known not in self.origins:
            known = known[:-1]
        source, line = self.origins.get(known, ("", None))
        return finding(source, line, path, rule, got, allowed, do)

    def _merge(
        self, into: dict[str, Any], layer: Mapping[str, Any], path: Path, document: YamlDocument, prefix: Path
    ) -> None:
        for key, value in layer.items():
            here = (*path, key)
            if isinstance(value, Mapping) and key not in REPLACED:
                below = into.get(key)
                into[key] = dict(below) if isinstance(below, Mapping) else {}
                self._merge(into[key], value, here, document, prefix)
            else:
                whole = as_whole(value) if isinstance(value, float) else None
                into[key] = value if whole is None else whole
                self.origins = {
                    known: origin for known, origin in self.origins.items() if known[: len(here)] != here
                }
                self._note_below(here, value, document, prefix)
            self._note(here, document, prefix)

    def _note_below(self, path: Path, value: Any, document: YamlDocument, prefix: Path) -> None:
        inner: list[tuple[str | int, Any]] = []
        if isinstance(value, Mapping):
            inner = list(value.items())
        elif isinstance(value, list):
            inner = list(enumerate(value))
        for key, item in inner:
            self._note((*path, key), document, prefix)
            self._note_below((*path, key), item, document, prefix)

    def _note(self, path: Path, document: YamlDocument, prefix: Path) -> None:
        line = document.line((*prefix, *path))
        if line is not None:
            self.origins[path] = (document.source, line)
        elif document.source:
            self.origins[path] = (document.source, None)
