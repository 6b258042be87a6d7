"""`{{ references }}` of component documents: does what they name exist, and is it known when they are
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode

from image_builder.lint import actions
from image_builder.lint.findings import Finding

_BRACES = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_CHAIN = re.compile(r"([^.\s]+)\.([^.\s]+)\.(?:inputs|outputs)(?:\[\d+\])?\.[A-Za-z0-9_-]+")
_LOOP = re.compile(r"([A-Za-z0-9_-]+)\.(?:index|value)")
_ELSEWHERE = re.compile(r"aws:ssm:(resolve\(\s*['\"]?[^'\"()]+?['\"]?\s*\)|\S+)|aws:imds:\S+|env:.+")
_CREDENTIALS = re.compile(r"aws:imds:/?(iam|identity-credentials)(/|$)")
_CONTEXT = re.compile(r"context:(\w+)")


@dataclass(frozen=True)
class Step:
    """One step, with the nodes in which references can stand."""

    phase: str
    name: str
    inputs: Node | None
    loop: Node | None
    condition: Node | None
    node: Node


def lint_references(file: str, steps: Sequence[Step], values: set[str]) -> Iterator[Finding]:
    """Findings about the references of all steps; `values` are the names of parameters and constants."""
    done: set[tuple[str, str]] = set()
    for step in steps:
        loop = _loop_names(step.loop)
        for node in (step.inputs, step.loop, step.condition):
            for scalar in _scalars(node):
                for match in _BRACES.finditer(scalar.value):
                    wrong = _wrong(match[1], step, values, done, loop)
                    if wrong:
                        line = (
                            scalar.start_mark.line
                            + 1
                            + scalar.value.count("\n", 0, match.start())
                            + (scalar.style in ("|", ">"))
                        )
                        yield Finding(file, line, "reference", f"`{match[0]}`: {wrong[0]}", wrong[1])
        done.add((step.phase, step.name))


def _wrong(
    text: str, step: Step, values: set[str], done: set[tuple[str, str]], loop: set[str]
) -> tuple[str, str] | None:
    """What is wrong with a reference, and what to do."""
    if _CREDENTIALS.match(text):
        return (
            "credentials of the machine are not given so",
            "Use S3Download, or the AWS CLI in a script: they take them themselves",
        )
    context = _CONTEXT.fullmatch(text)
    if text in values or _ELSEWHERE.fullmatch(text) or (context and context[1] in actions.CONTEXT):
        return None
    if context:
        return "there is no such key", f"Known: {', '.join(sorted(actions.CONTEXT))}"
    chain, in_loop = _CHAIN.fullmatch(text), _LOOP.fullmatch(text)
    if chain:
        if (chain[1], chain[2]) not in done:
            return (
                "no earlier step of this document has this phase and name",
                "Correct phase or step, or move the step before this one",
            )
        if step.phase == "test" and chain[1] != "test":
            return "the test phase runs on another machine", "Ask the machine again in the test phase"
        return None
    if in_loop:
        return (
            None if in_loop[1] in loop else ("the step has no such loop", "Add `loop:`, or correct its name")
        )
    if text.startswith("imagebuilder:"):
        return "known in names and tags of distribution configurations only", "Use `$(date)` in the script"
    known = f"Known: {', '.join(sorted(values))}" if values else "No parameter or constant is declared"
    return "nothing has this name", f"Declare it, or correct it. {known}"


def _loop_names(node: Node | None) -> set[str]:
    if not isinstance(node, MappingNode):
        return set()
    return {"loop"} | {value.value for key, value in node.value if key.value == "name"}


def _scalars(node: Node | None) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif node is not None:
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                yield from _scalars(part)
