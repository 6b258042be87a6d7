"""A document's text as values that know their lines. Every scalar stays a text: `0644` and `1.10` are what
they are written as.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

_MOST_VALUES = 100_000
_DEEPEST = 100


@dataclass(frozen=True, order=True)
class Mistake:
    """What is wrong in which line (from 1), by which rule, and what to do."""

    line: int
    rule: str
    got: str
    fix: str

    def text(self, name: str) -> str:
        """`name:line: [rule] got. fix.`"""
        return f"{name}:{self.line}: [{self.rule}] {self.got}. {self.fix}."


_TOO_DEEP = Mistake(1, "yaml", "lists or mappings nested without measure", "Make it flatter")


class Unreadable(Exception):
    """The text is no YAML, or unfolds without end; nothing else can be said about it."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.got)
        self.mistake = mistake


class Text(str):
    """A scalar. `line` is where it begins, `first` and `last` where its content does and ends (a block begins
    a line before its content); `bare`: it has no quotes and is no block.
    """

    line: int
    first: int
    last: int
    bare: bool


class Items(list[Any]):
    """A list, with the line where it begins."""

    line: int


class Fields(dict[str, Any]):
    """A mapping, with the line where it begins, and those of its keys."""

    line: int
    key_lines: dict[str, int]


def line_of(value: object) -> int:
    """Where a value begins; 1 for one that was not read from a text."""
    return int(getattr(value, "line", 1))


def fields_of(value: object) -> dict[str, Any]:
    """A mapping as it is, nothing for every other value."""
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """A text as it is, "" for every other value."""
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Reading:
    """What a text holds: Text, Items, Fields, or None for an empty one; and the `mistakes` in its keys."""

    root: Any
    mistakes: tuple[Mistake, ...]


def read(text: str) -> Reading:
    """Read a YAML text, whatever it means. Raises Unreadable."""
    try:
        return _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        fix = "Correct the indentation or the quotes"
        raise Unreadable(Mistake(mark.line + 1 if mark else 1, "yaml", what, fix)) from error
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error


def _read(text: str) -> Reading:
    root = yaml.compose(text, Loader=yaml.BaseLoader)
    if root is None:
        return Reading(None, ())
    if (endless := _unfolds_too_far(root)) is not None:
        line = endless.start_mark.line + 1
        raise Unreadable(Mistake(line, "yaml", "aliases that unfold without end", "Write the values out"))
    if _depth(root) > _DEEPEST:
        raise Unreadable(_TOO_DEEP)
    values = _Values()
    return Reading(values.of(root), tuple(values.mistakes))


def _depth(root: Node) -> int:
    """How many lists and mappings lie in each other, counted no further than what is allowed."""
    depth, level = 0, [root]
    while depth <= _DEEPEST and (level := [node for node in level if not isinstance(node, ScalarNode)]):
        depth += 1
        children = [child for node in level for child in node.value]
        level = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
    return depth


class _Values:
    """Turns nodes into values; what an alias repeats is one value."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._known: dict[int, Any] = {}

    def of(self, node: Node) -> Any:
        if id(node) not in self._known:
            value = self._new(node)
            value.line = node.start_mark.line + 1
            self._known[id(node)] = value
        return self._known[id(node)]

    def _new(self, node: Node) -> Text | Items | Fields:
        if isinstance(node, ScalarNode):
            text = Text(node.value)
            text.first = node.start_mark.line + (2 if node.style in ("|", ">") else 1)
            text.last, text.bare = node.end_mark.line + 1, node.style is None
            return text
        if not isinstance(node, MappingNode):
            return Items(self.of(child) for child in node.value)
        fields = Fields()
        fields.key_lines = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.mistakes.append(Mistake(line, "yaml", "a key that is no word", "Write `name:`"))
                continue
            if key.value in fields:
                self.mistakes.append(Mistake(line, "yaml", f"the key `{key.value}` twice", "Keep one"))
            fields[key.value] = self.of(child)
            fields.key_lines[key.value] = line
        return fields


def _unfolds_too_far(root: Node) -> Node | None:
    """A node that contains itself, or the root when its aliases stand for very many values; None when all is
    well.
    """
    sizes: dict[int, int] = {}
    above: set[int] = set()
    circle: list[Node] = []

    def size(node: Node) -> int:
        if id(node) in above:
            circle.append(node)
            return 1
        if id(node) not in sizes:
            above.add(id(node))
            children = [] if isinstance(node, ScalarNode) else node.value
            sizes[id(node)] = 1 + sum(
                size(part) for child in children for part in (child if isinstance(child, tuple) else (child,))
            )
            above.discard(id(node))
        return sizes[id(node)]

    if size(root) <= _MOST_VALUES:
        return circle[0] if circle else None
    return root
