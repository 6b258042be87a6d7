"""YAML with line numbers: plain data, and the line of each key and item for error messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from runtime.protocol.problems import Problem, shown

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and list indices from the top."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """A parsed file. `lines` has the 1-based line of every path; `problems` what kept it from being parsed."""

    source: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, path: Path) -> str:
        """`file:line: dotted.path`, with the line of the nearest enclosing value that has one."""
        return place(self.source, self.line(path), path)

    def line(self, path: Path) -> int | None:
        known = tuple(path)
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known)


def place(source: str, line: int | None, path: Path) -> str:
    start = f"{source}:{line}" if line else source
    return f"{start}: {dotted(path)}" if path else start


def dotted(path: Path) -> str:
    """`groups[1]`, `image.amis`: a path as people write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, source: str) -> Document:
    """Reads one YAML document. Mistakes of syntax and keys given twice become problems, never exceptions."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        where = place(source, mark.line + 1 if mark else None, ())
        return Document(source, problems=(Problem(where, what, "a YAML document", "Correct the syntax at this line"),))
    if node is None:
        return Document(source, problems=(Problem(source, "an empty file", "a YAML mapping", "Copy one of the other blueprints"),))
    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    _walk(node, (), source, lines, problems, frozenset())
    if problems:
        return Document(source, lines=lines, problems=tuple(problems))
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = place(source, mark.line + 1 if mark else None, ())
        problem = Problem(where, getattr(error, "problem", None) or str(error), "plain YAML values", "Remove the tag")
        return Document(source, lines=lines, problems=(problem,))
    return Document(source, data, lines)


def _walk(node: yaml.Node, path: Path, source: str, lines: dict[Path, int], problems: list[Problem], above: frozenset[int]) -> None:
    """Notes the line of every path, and keys that are given twice or are not text."""
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in above:
        problems.append(Problem(place(source, lines[path], path), "an alias to itself", "plain values", "Remove the alias"))
        return
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                got = key.value if isinstance(key, yaml.ScalarNode) else "a composite key"
                problems.append(Problem(place(source, line, path), f"the key {shown(got)}", "keys that are text", "Put it in quotes"))
                continue
            inner = (*path, key.value)
            if inner in lines:
                got = f"given twice, first in line {lines[inner]}"
                problems.append(Problem(place(source, line, inner), got, "each key once", "Remove one of the two"))
                continue
            lines[inner] = line
            _walk(value, inner, source, lines, problems, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), source, lines, problems, above)
