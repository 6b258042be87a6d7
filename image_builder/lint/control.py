"""The rules for a step's `if` and `loop`, and for what Assert asserts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from image_builder.lint import actions

Mistake = tuple[Node, str, str]
"""Where, what was got, what to do."""

_NUMBER = re.compile(r"[-+]?\d+")


def fields(node: Node | None) -> dict[str, Node]:
    """The keys of a mapping with their values; nothing for another node."""
    return (
        {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}
        if isinstance(node, MappingNode)
        else {}
    )


def text(node: Node | None) -> str:
    """The text of a scalar, "" for everything else."""
    return str(node.value) if isinstance(node, ScalarNode) else ""


def condition(node: Node, depth: int = 1, beside: frozenset[str] = frozenset()) -> Iterator[Mistake]:
    """Mistakes of a condition; `beside`: further keys that may stand beside its operator."""
    given = fields(node)
    operators = [name for name in given if name in actions.OPERATORS]
    if len(operators) != 1:
        got = (
            f"with {', '.join(operators)}"
            if operators
            else f"without an operator ({', '.join(given) or 'empty'})"
        )
        yield node, f"a condition {got}", f"Write exactly one of {', '.join(sorted(actions.OPERATORS))}"
        return
    name, operand = operators[0], given[operators[0]]
    if depth > actions.CONDITION_DEPTH:
        yield (
            node,
            f"conditions nested more than {actions.CONDITION_DEPTH} deep",
            "Make it flatter, or ask in a script",
        )
        return
    second = actions.BESIDE.get(name, "value")
    if name in actions.BESIDE and second not in given:
        yield node, f"`{name}` without `{second}:`", f"Add `{second}:` beside it"
    for key in sorted(set(given) - {name, second} - beside):
        yield given[key], f"`{key}` beside `{name}`", "Remove it, or put both below `and:`"
    if name in ("and", "or"):
        if not isinstance(operand, SequenceNode) or not operand.value:
            yield (
                operand,
                f"`{name}` without a list of conditions",
                "Write a list: `- ` before each condition",
            )
            return
        for part in operand.value:
            yield from condition(part, depth + 1)
    elif name == "not":
        yield from condition(operand, depth + 1)
    elif not isinstance(operand, ScalarNode) or not isinstance(given.get(second, operand), ScalarNode):
        yield operand, f"`{name}` of a list or a mapping", "Compare texts and numbers"


def decision(node: Node) -> Iterator[Mistake]:
    """Mistakes of a step's `if`: a condition, and what follows from it."""
    yield from condition(node, beside=frozenset({"then", "else"}))
    for key in ("then", "else"):
        answer = fields(node).get(key)
        if answer is not None and text(answer) not in ("Execute", "Skip", "Abort"):
            yield answer, f"{key} `{answer.value}`", "Write Execute, Skip or Abort"


def loop(node: Node) -> Iterator[Mistake]:
    """Mistakes of a step's `loop`."""
    given = fields(node)
    for key in sorted(set(given) - {"name", "for", "forEach"}):
        yield given[key], f"`{key}` in a loop", "Known: name, for, forEach"
    if ("for" in given) == ("forEach" in given):
        yield (
            node,
            "a loop without `for` or `forEach`" if "for" not in given else "a loop with `for` and `forEach`",
            "Write one of them",
        )
    elif "for" in given:
        yield from _counting(given["for"])
    else:
        yield from _listing(given["forEach"])


def _counting(node: Node) -> Iterator[Mistake]:
    given = fields(node)
    for key in ("start", "end", "updateBy"):
        value = given.get(key)
        if value is None:
            yield node, f"`for` without `{key}`", f"Add `{key}:`"
        elif not _NUMBER.fullmatch(text(value)):
            yield value, f"{key} `{value.value}`", "Write a whole number; references are not read here"
        elif key == "updateBy" and int(value.value) == 0:
            yield value, "updateBy `0`, which never ends", "Write another whole number"


def _listing(node: Node) -> Iterator[Mistake]:
    if isinstance(node, SequenceNode):
        if not node.value or not all(isinstance(value, ScalarNode) for value in node.value):
            yield node, "`forEach` of nothing, or of lists and mappings", "Give it values, or remove the step"
        return
    given = fields(node)
    if not isinstance(given.get("list"), ScalarNode):
        yield node, "`forEach` without values", "Write a list, or `list:` and `delimiter:`"
    delimiter = given.get("delimiter")
    if delimiter is not None and text(delimiter) not in actions.DELIMITERS:
        yield delimiter, f"the delimiter `{delimiter.value}`", "Write one of . , ; : \\n \\t space - _"
