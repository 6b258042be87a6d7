"""Where in a JSON or YAML file each value stands, so that what is wrong with it is told with its line.

Places are called as the checks call them (`neurocaas.protocol.schema`): `config`, `config name`,
`config name[0]`, `config name inner`. Nothing here decides what a file means: a file that cannot be read has
no positions.
"""

from __future__ import annotations

import bisect
import json
import re
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from neurocaas.protocol.problems import shown

_BLANK = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[^\s,\]}]+")
_DEEP = 200
"""So deep is looked; the checks refuse what is nested half as deep."""


@dataclass(frozen=True, order=True)
class Position:
    """Line and column, from 1."""

    line: int
    column: int


@dataclass
class Positions:
    """`values` and `names`: where the value of each place begins, and its name. `twice`: the names that a
    mapping has once more, with the place of the mapping. `text`: the file with the last of these alone."""

    values: dict[str, Position] = field(default_factory=dict)
    names: dict[str, Position] = field(default_factory=dict)
    twice: list[tuple[str, str, Position]] = field(default_factory=list)
    text: str = ""

    def of(self, place: str) -> Position | None:
        """Of a problem's field: the name's where nothing is wrong with the value alone (`config 'nmae'`)."""
        if place in self.values:
            return self.values[place]
        outer, _, name = place.rpartition(" ")
        for known, position in self.names.items():
            above, _, last = known.rpartition(" ")
            if above == outer and shown(last) == name:
                return position
        return None


def positions(text: str, name: str) -> Positions:
    """Of a file of this name; without any entry for one that cannot be read."""
    try:
        return _Json(text).found if name.lower().endswith(".json") else _yaml(text)
    except (ValueError, IndexError, RecursionError):
        return Positions()


class _Json:
    """Goes through the text once, as the decoder of the standard library does."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text.removeprefix("\ufeff"), 0
        self._starts = [0, *(one.end() for one in re.finditer("\n", self._text))]
        self.found = Positions()
        self._value("config", 0)
        self.found.text = json.dumps(json.loads(self._text))

    def _where(self, at: int) -> Position:
        line = bisect.bisect_right(self._starts, at)
        return Position(line, at - self._starts[line - 1] + 1)

    def _peek(self) -> str:
        self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it fits always
        return self._text[self._at]

    def _string(self) -> str:
        if self._peek() != '"':
            raise ValueError(self._at)
        value, self._at = scanstring(self._text, self._at + 1)
        return str(value)

    def _value(self, place: str, depth: int) -> None:
        if depth > _DEEP:
            raise ValueError(place)
        first = self._peek()
        self.found.values[place] = self._where(self._at)
        if first == '"':
            self._string()
        elif first in "{[":
            self._at += 1
            self._inner(place, depth, "}" if first == "{" else "]")
        else:
            word = _WORD.match(self._text, self._at)
            if word is None:
                raise ValueError(self._at)
            self._at = word.end()

    def _inner(self, place: str, depth: int, end: str) -> None:
        count, seen = 0, set[str]()
        while self._peek() != end:
            if count and self._text[self._at] == ",":
                self._at += 1
                self._peek()
            if end == "]":
                inner = f"{place}[{count}]"
            else:
                where = self._where(self._at)
                name = self._string()
                inner = f"{place} {name}"
                if name in seen:
                    self.found.twice.append((place, name, where))
                seen.add(name)
                self.found.names[inner] = where
                if self._peek() != ":":
                    raise ValueError(self._at)
                self._at += 1
            self._value(inner, depth + 1)
            count += 1
        self._at += 1


def _yaml(text: str) -> Positions:
    import yaml

    found = Positions()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _walk(root, "config", found, 0, set())
            found.text = str(yaml.serialize(root, allow_unicode=True))
    except yaml.YAMLError:
        # JSON that is indented with tabs is YAML 1.2, which PyYAML does not take
        return _Json(text).found
    return found


def _walk(node: Any, place: str, found: Positions, depth: int, seen: set[int]) -> None:
    """Each node once: what aliases unfold to may be without end."""
    import yaml

    found.values.setdefault(place, _mark(node))
    if depth > _DEEP or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            _walk(child, f"{place}[{number}]", found, depth + 1, seen)
    elif isinstance(node, yaml.MappingNode):
        last: dict[str, int] = {}
        for number, (name, value) in enumerate(node.value):
            word = str(name.value) if isinstance(name, yaml.ScalarNode) else ""
            inner = f"{place} {word}"
            if word in last and word != "<<":
                found.twice.append((place, word, _mark(name)))
            last[word] = number
            found.names[inner] = _mark(name)
            found.values[inner] = _mark(value)
            _walk(value, inner, found, depth + 1, seen)
        merged = [pair for pair in node.value if getattr(pair[0], "value", None) == "<<"]
        node.value = merged + [
            node.value[number] for number in sorted(last.values()) if node.value[number] not in merged
        ]


def _mark(node: Any) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
