"""YAML with line numbers: plain data, and the line of each key and item for error messages. Plain words are
those of YAML 1.2 (`neurocaas.protocol.yaml12`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from blueprints.finding import BlueprintFinding, Path, finding
from neurocaas.protocol import yaml12
from neurocaas.protocol.problems import shown

MOST_VALUES, MOST_LEVELS = 20_000, 50
"""Of a document. Aliases make a short file mean any number of values; nobody writes so many by hand."""

_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Loader = yaml12.add_schema(type("_Loader", (_Fast,), {}))


@dataclass(frozen=True)
class YamlDocument:
    """A parsed file. `lines` has the 1-based line of every path; `problems` what kept it from being
    parsed.
    """

    source: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: tuple[BlueprintFinding, ...] = ()

    def finding(self, path: Path, rule: str, got: str, allowed: str, do: str) -> BlueprintFinding:
        """A mistake at `path`, with the line of the nearest enclosing value that has one."""
        return finding(self.source, self.line(path), path, rule, got, allowed, do)

    def line(self, path: Path) -> int | None:
        known = tuple(path)
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known)


def parse(text: str, source: str) -> YamlDocument:
    """Reads one YAML document. Mistakes of syntax and keys given twice become problems, never exceptions."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        return YamlDocument(source, problems=(_syntax(text, source, error),))
    except RecursionError:
        return YamlDocument(source, problems=(_too_deep(source, None, ()),))
    if node is None:
        do = "Begin it with schema_version: 1"
        return YamlDocument(
            source,
            problems=(
                finding(source, None, (), "yaml.empty", "a file without values", "a YAML mapping", do),
            ),
        )
    lines: dict[Path, int] = {}
    problems: list[BlueprintFinding] = []
    _walk(node, (), source, lines, problems, frozenset())
    if problems:
        return YamlDocument(source, lines=lines, problems=tuple(problems))
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError) as error:
        what, line, _ = _place(error)
        problem = finding(source, line, (), "yaml.value", what, "plain YAML values", "Remove the tag")
        return YamlDocument(source, lines=lines, problems=(problem,))
    return YamlDocument(source, data, lines)


def _place(error: yaml.YAMLError | ValueError) -> tuple[str, int | None, int]:
    """What the parser says, in which line (from 1) and column (from 0)."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return what, mark.line + 1 if mark else None, mark.column if mark else 0


def _syntax(text: str, source: str, error: yaml.YAMLError) -> BlueprintFinding:
    """The slips that people make most are told in their words, all others in the parser's."""
    what, line, column = _place(error)
    allowed, do = "a YAML document", "Correct the syntax here"
    lines = text.splitlines()
    at = lines[line - 1][column : column + 1] if line and line <= len(lines) else ""
    if "mapping values are not allowed" in what:
        what, do = (
            "a ':' where no key can be",
            "Put a text that has ': ' in it in quotes, and indent keys of one level alike",
        )
    elif "cannot start any token" in what:
        do = "Indent with spaces" if at == "\t" else "Put the text in quotes"
        what = "a tab" if at == "\t" else f"a text that begins with {shown(at)}"
    elif "quoted scalar" in str(getattr(error, "context", "")):
        start = getattr(error, "context_mark", None)
        line = start.line + 1 if start else line
        what, do = "a text without its closing quote", "Close the quote"
    elif "another document" in what:
        what, allowed, do = "a second document, after '---'", "one YAML document", "Remove one of the two"
    # the parser may say that it is behind the last one
    line = min(line, text.count("\n") + 1) if line else line
    return finding(source, line, (), "yaml.syntax", what, allowed, do)


def _too_deep(source: str, line: int | None, path: Path) -> BlueprintFinding:
    allowed = f"up to {MOST_LEVELS} levels of values in values"
    return finding(source, line, path[:1], "yaml.size", "more levels", allowed, "Make it flatter")


def _too_many(source: str, line: int) -> BlueprintFinding:
    allowed, do = f"up to {MOST_VALUES} values, aliases written out", "Remove what is not needed"
    return finding(source, line, (), "yaml.size", f"more than {MOST_VALUES} values", allowed, do)


def _walk(
    node: yaml.Node,
    path: Path,
    source: str,
    lines: dict[Path, int],
    problems: list[BlueprintFinding],
    above: frozenset[int],
) -> None:
    """Notes the line of every path, and keys that are given twice or are not text."""
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > MOST_LEVELS or len(lines) > MOST_VALUES:
        if not any(problem.rule == "yaml.size" for problem in problems):
            problems.append(
                _too_deep(source, lines[path], path)
                if len(path) > MOST_LEVELS
                else _too_many(source, lines[path])
            )
        return
    if id(node) in above:
        problems.append(
            finding(
                source,
                lines[path],
                path,
                "yaml.alias",
                "an alias to itself",
                "plain values",
                "Remove the alias",
            )
        )
        return
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                plain = isinstance(key, yaml.ScalarNode)
                got = f"the key {shown(key.value)}" if plain else "a list or a mapping as a key"
                do = (
                    "Write a text"
                    if not plain
                    else "Write the values out"
                    if key.value == "<<"
                    else "Put it in quotes"
                )
                problems.append(finding(source, line, path, "yaml.key", got, "keys that are text", do))
                continue
            inner = (*path, key.value)
            if inner in lines:
                got = f"given twice, first in line {lines[inner]}"
                problems.append(
                    finding(
                        source,
                        line,
                        inner,
                        "yaml.duplicate-key",
                        got,
                        "each key once",
                        "Remove one of the two",
                    )
                )
                continue
            lines[inner] = line
            _walk(value, inner, source, lines, problems, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), source, lines, problems, above)
