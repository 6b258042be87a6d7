"""`{{ … }}` references: finding and resolving them, and what is wrong with one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

_KEYS = """
executionId accountId region osPlatform osName osVersion date dateTime uuid hostname phase step
"""
CONTEXT = frozenset(_KEYS.split())
"""Keys of `{{ context:… }}` (user guide, "Use context variables")."""

_BRACES = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_CHAIN = re.compile(r"^([^.\s]+)\.([^.\s]+)\.(inputs|outputs)(?:\[(\d+)\])?\.([A-Za-z0-9_-]+)$")
_LOOP = re.compile(r"^([A-Za-z0-9_-]+)\.(index|value)$")
_VALUE = re.compile(r"^[A-Za-z0-9_-]+$")
_CONTEXT = re.compile(r"^context:([A-Za-z]+)$")
_ENVIRONMENT = re.compile(r"^env:(.+)$")
_METADATA = re.compile(r"^aws:imds:(\S+)$")
# the guide: credentials cannot be read so
_CREDENTIALS = re.compile(r"^aws:imds:/?(iam|identity-credentials)(/|$)")
_SSM = re.compile(r"^aws:ssm:(?:resolve\(\s*['\"]?([^'\"()]+?)['\"]?\s*\)|(\S+))$")


@dataclass(frozen=True)
class Reference:
    """One reference. `kind`: value, chain, loop, ssm, env, imds, context or unknown. `step` is the loop's
    name for a loop, `variable` the name of the parameter (or of what holds its name: `resolve`),
    environment variable, metadata path or context key. `start` is where it begins in its text.
    """

    text: str
    kind: str
    phase: str = ""
    step: str = ""
    direction: str = ""
    index: int | None = None
    variable: str = ""
    start: int = field(default=0, compare=False)


def parse(text: str, start: int = 0) -> Reference:
    """Classify the text between the braces."""
    if match := _CHAIN.match(text):
        index = int(match[4]) if match[4] else None
        return Reference(text, "chain", match[1], match[2], match[3], index, match[5], start)
    if match := _SSM.match(text):
        way = "resolve" if match[1] else ""
        return Reference(text, "ssm", direction=way, variable=match[1] or match[2], start=start)
    for kind, pattern in (("env", _ENVIRONMENT), ("imds", _METADATA), ("context", _CONTEXT)):
        if (match := pattern.match(text)) and not _CREDENTIALS.match(text):
            return Reference(text, kind, variable=match[1], start=start)
    if match := _LOOP.match(text):
        return Reference(text, "loop", step=match[1], variable=match[2], start=start)
    return Reference(text, "value" if _VALUE.match(text) else "unknown", start=start)


def find(text: str) -> Iterator[Reference]:
    """All references in a text."""
    for match in _BRACES.finditer(text):
        yield parse(match[1], match.start())


@dataclass(frozen=True)
class Scope:
    """What can be referred to where a reference stands: names of parameters and constants, steps that have
    run, names of the step's loop.
    """

    phase: str
    values: Collection[str]
    done: Collection[tuple[str, str]]
    loop: Collection[str]


def wrong(reference: Reference, scope: Scope) -> tuple[str, str] | None:
    """What is wrong with a reference, and what to do; None when it can be resolved."""
    match reference.kind:
        case "value" if reference.text not in scope.values:
            known = ", ".join(sorted(scope.values))
            known = f"Known: {known}" if known else "No parameter or constant is declared"
            return "nothing has this name", f"Declare it, or correct it. {known}"
        case "context" if reference.variable not in CONTEXT:
            return "there is no such key", f"Known: {', '.join(sorted(CONTEXT))}"
        case "chain" if (reference.phase, reference.step) not in scope.done:
            fix = "Correct phase or step, or move the step before this one"
            return "no earlier step of this document has this phase and name", fix
        case "chain" if scope.phase == "test" and reference.phase != "test":
            return "the test phase runs on another machine", "Ask the machine again in the test phase"
        case "loop" if reference.step not in scope.loop:
            return "the step has no such loop", "Add `loop:`, or correct its name"
        case "unknown":
            return _unknown(reference.text)
    return None


def _unknown(text: str) -> tuple[str, str]:
    if _CREDENTIALS.match(text):
        fix = "Use S3Download, or the AWS CLI in a script: they take them themselves"
        return "credentials of the machine are not given so", fix
    if text.startswith("imagebuilder:"):
        got = "known in names and tags of distribution configurations only"
        return got, "Use `$(date)` in the script"
    fix = "Write Name, phase.step.outputs.x, loop.value, aws:ssm:NAME, aws:imds:PATH, env:NAME or context:KEY"
    return "no reference has this form", fix


def strings(value: Any) -> Iterator[str]:
    """All texts inside nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of `value` with all texts inside nested lists and mappings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return value


def resolve(value: Any, look_up: Callable[[Reference], str]) -> Any:
    """A copy of `value` with all references replaced by what `look_up` gives for them."""
    return mapped(value, lambda text: _BRACES.sub(lambda match: look_up(parse(match[1])), text))
