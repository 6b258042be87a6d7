"""Everything that can be wrong with a component document, told at once, before anything has run."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from awstoe import conditions, loops, references
from awstoe.actions import ACTIONS, LISTS, WINDOWS
from awstoe.document import DEFAULT_TIMEOUT, Document, InvalidDocument, Phase, Step
from awstoe.reading import Fields, Mistake, Reading, Unreadable, fields_of, line_of, read, text_of

TOLERATED = frozenset({"unknown-input"})
"""Rules whose mistakes do not keep a document from running."""

_STANDARD = ("build", "validate", "test")
_DOCUMENT = frozenset({"name", "description", "schemaVersion", "parameters", "constants", "phases"})
_PHASE = frozenset({"name", "steps"})
_STEP = frozenset(
    ["name", "action", "timeoutSeconds", "onFailure", "maxAttempts", "if", "loop", "disableLogging", "inputs"]
)
_NAME = re.compile(r"[A-Za-z0-9_-]{3,128}")
_NUMBERS = {
    "timeoutSeconds": (re.compile(r"-1|[1-9]\d{0,8}"), "-1 (no limit) or a number of seconds from 1"),
    "maxAttempts": (re.compile(r"[1-9]\d{0,8}"), "a whole number from 1"),
}


def load(text: str, parameters: Mapping[str, str] | None = None, *, name: str = "document") -> Document:
    """Read and check a document that is to run with these values of its parameters. `name` is what it is
    called when it does not say so itself. Raises InvalidDocument with all problems at once.
    """
    try:
        reading = read(text)
    except Unreadable as error:
        raise InvalidDocument([error.mistake.text(name)]) from error
    document, mistakes = check(reading, parameters or {}, name=name)
    if refused := [mistake for mistake in mistakes if mistake.rule not in TOLERATED]:
        raise InvalidDocument([mistake.text(document.name) for mistake in refused])
    return document


def check(
    reading: Reading, given: Mapping[str, str] | None = None, *, name: str = "document"
) -> tuple[Document, list[Mistake]]:
    """What a text holds, as far as it could be understood, and its mistakes in order of their lines.

    `given` are the values of parameters; None: they are not known yet, so any could still be given.
    """
    checker = _Checker(reading)
    document = checker.document(name, reading.root, given)
    return document, sorted(set(checker.mistakes))


class _Checker:
    def __init__(self, reading: Reading) -> None:
        self.mistakes = list(reading.mistakes)
        self.values: dict[str, str] = {}

    def wrong(self, where: Any, rule: str, got: str, fix: str) -> None:
        self.mistakes.append(Mistake(line_of(where), rule, got, fix))

    def document(self, name: str, root: Any, given: Mapping[str, str] | None) -> Document:
        if not isinstance(root, Fields):
            fix = "Begin with `schemaVersion: 1.0`, then `phases:`"
            self.mistakes.append(Mistake(1, "schema", "no mapping", fix))
            return Document(name, (), {})
        self.keys(root, _DOCUMENT, "a document")
        version = root.get("schemaVersion", root)
        if text_of(version) not in ("1.0", "1"):
            self.wrong(version, "schema", "no schemaVersion 1.0", "Write `schemaVersion: 1.0`")
        for section in ("parameters", "constants"):
            self.section(section, root.get(section), given)
        for undeclared in sorted(set(given or {}) - set(self.values)):
            fix = f"Remove it from the recipe. Declared: {', '.join(sorted(self.values)) or 'none'}"
            self.wrong(root, "schema", f"a value for `{undeclared}`, which is not declared", fix)
        phases = self.phases(root)
        self.referring(phases)
        return Document(text_of(root.get("name")) or name, phases, self.values)

    def keys(self, fields: Fields, allowed: Collection[str], what: str) -> None:
        for key in set(fields) - set(allowed):
            got, fix = f"`{key}`, which {what} does not have", f"Known: {', '.join(sorted(allowed))}"
            self.mistakes.append(Mistake(fields.key_lines[key], "schema", got, fix))

    def section(self, section: str, entries: Any, given: Mapping[str, str] | None) -> None:
        """Parameters or constants."""
        if entries is None or entries == "":
            return
        if not isinstance(entries, list):
            self.wrong(entries, "schema", f"{section} that are no list", "Write `- ` before each name")
            return
        for entry in entries:
            settings = next(iter(entry.values()), None) if isinstance(entry, Fields) else None
            if len(entry) != 1 or not isinstance(settings, dict):
                got = f"an entry of {section} that is no single name"
                self.wrong(entry, "schema", got, "Write `- Name: {type: string, …}`")
                continue
            (name,) = entry
            if not _NAME.fullmatch(name):
                self.wrong(entry, "schema", f"the name `{name}`", "Use 3 to 128 of A-Z a-z 0-9 _ -")
                continue
            if name in self.values:
                got = f"`{name}` twice among parameters and constants"
                self.wrong(entry, "duplicate-name", got, "Rename one")
            self.values[name] = self.value(section, entry, name, settings, given)

    def value(
        self, section: str, entry: Any, name: str, settings: dict[str, Any], given: Mapping[str, str] | None
    ) -> str:
        """The value of a parameter or constant; "" when it has none."""
        if text_of(settings.get("type")) != "string":
            self.wrong(settings, "schema", f"`{name}` without `type: string`", "Write `type: string`")
        key = "value" if section == "constants" else "default"
        value = settings.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong(value, "schema", f"`{key}` of `{name}` that is no text", "Write a text")
        if section == "parameters" and given and name in given:
            return given[name]
        if value is None and section == "constants":
            self.wrong(entry, "schema", f"the constant `{name}` without a value", "Add `value:`")
        elif value is None:
            fix = "Add `default:`, or give it in the recipe"
            self.wrong(entry, "missing-parameter", f"`{name}` without a default", fix)
        return text_of(value)

    def phases(self, root: Fields) -> tuple[Phase, ...]:
        phases: list[Phase] = []
        listed = root.get("phases")
        for raw in listed if isinstance(listed, list) else []:
            if isinstance(raw, Fields):
                self.keys(raw, _PHASE, "a phase")
            name, steps = text_of(fields_of(raw).get("name")), fields_of(raw).get("steps")
            if not name:
                self.wrong(raw, "schema", "a phase without a name", "Add `name: build`")
            elif any(phase.name == name for phase in phases):
                self.wrong(raw, "duplicate-name", f"the phase `{name}` twice", "Rename one, or join them")
            if not isinstance(steps, list) or not steps:
                got = f"the phase `{name}` without steps"
                self.wrong(raw, "zero-steps", got, "Add a step, or remove the phase")
                steps = []
            phases.append(Phase(name, self.steps(name, steps)))
        names = [phase.name for phase in phases]
        if not set(names) & set(_STANDARD):
            got = f"only the phases {', '.join(names)}" if names else "no phases"
            fix = "Have one of build, validate, test: nothing else runs"
            self.wrong(listed if listed is not None else root, "zero-steps", got, fix)
        return tuple(phases)

    def steps(self, phase: str, listed: list[Any]) -> tuple[Step, ...]:
        steps: list[Step] = []
        for raw in listed:
            if not isinstance(raw, Fields):
                self.wrong(raw, "schema", "a step that is no mapping", "Write name, action and inputs")
                continue
            self.keys(raw, _STEP, "a step")
            name = text_of(raw.get("name"))
            if not name:
                self.wrong(raw, "schema", "a step without a name", "Add `name:`")
            elif any(step.name == name for step in steps):
                self.wrong(raw, "duplicate-name", f"the step `{name}` twice in {phase}", "Rename one")
            steps.append(self.step(name, raw))
        return tuple(steps)

    def step(self, name: str, raw: Fields) -> Step:
        action = text_of(raw.get("action"))
        if action in ACTIONS:
            self.inputs(action, raw)
        else:
            why = " (Windows)" if action in WINDOWS else ""
            got = f"the action `{action}`{why}" if action else f"the step `{name}` without an action"
            fix = "Use ExecuteBash, or another action that works on Linux"
            self.wrong(raw.get("action", raw), "unknown-action", got, fix)
        self.control(action, raw)
        timeout = self.number("timeoutSeconds", raw, DEFAULT_TIMEOUT)
        return Step(
            name,
            action,
            raw.get("inputs"),
            None if timeout == -1 or action in ("ExecuteDocument", "Reboot") else timeout,
            text_of(raw.get("onFailure", "Abort")),
            self.number("maxAttempts", raw, 1),
            raw.get("if"),
            raw.get("loop"),
            text_of(raw.get("disableLogging")).lower() == "true",
        )

    def number(self, key: str, raw: Fields, default: int) -> int:
        pattern, allowed = _NUMBERS[key]
        value = raw.get(key, str(default))
        if not pattern.fullmatch(text_of(value)):
            self.wrong(value, "schema", f"{key} `{value}`", f"Write {allowed}")
            return default
        return int(value)

    def control(self, action: str, raw: Fields) -> None:
        """What decides whether and how often a step runs."""
        if "if" in raw:
            self.mistakes += conditions.check_decision(raw["if"])
        if "loop" in raw:
            self.mistakes += loops.check(raw["loop"])
        failure = raw.get("onFailure", "Abort")
        if text_of(failure) not in ("Abort", "Continue", "Ignore"):
            self.wrong(failure, "schema", f"onFailure `{failure}`", "Write Abort, Continue or Ignore")
        for key, only in (("timeoutSeconds", "-1"), ("maxAttempts", "1")):
            if action == "ExecuteDocument" and raw.get(key, only) != only:
                got = f"{key} of ExecuteDocument"
                self.wrong(raw[key], "schema", got, f"Leave it out: it is always {only}")

    def inputs(self, action: str, step: Fields) -> None:
        given, many = step.get("inputs"), ACTIONS[action].many
        if given is not None and many != isinstance(given, list):
            fix = "Write a list: `- ` before the keys" if many else "Write a mapping, without `- `"
            self.wrong(given, "schema", f"inputs of {action} in the wrong shape", fix)
        elif action == "Assert":
            self.mistakes += conditions.check(given if given is not None else step)
        else:
            for item in (given if many else [given]) or [None]:
                self.item(action, step, item)

    def item(self, action: str, step: Fields, item: Any) -> None:
        """One mapping of inputs."""
        if item and not isinstance(item, dict):
            self.wrong(item, "schema", f"inputs of {action} that are no mapping", "Write `name: value`")
            return
        given = fields_of(item)
        for name in ACTIONS[action].required:
            if not given.get(name):
                where = step if item is None else item
                self.wrong(where, "missing-input", f"{action} without `{name}`", f"Add `{name}:`")
        for name, value in given.items():
            if name not in ACTIONS[action].inputs:
                known = f"Known: {', '.join(sorted(ACTIONS[action].inputs))}"
                self.wrong(value, "unknown-input", f"`{name}` of {action}", known)
            else:
                self.shape(name, value)

    def shape(self, name: str, value: Any) -> None:
        """Whether an input has the shape that its action reads."""
        if name == "parameters":
            pairs = [fields_of(entry) for entry in value] if isinstance(value, list) else [{}]
            if not all(isinstance(pair.get(key), str) for pair in pairs for key in ("name", "value")):
                fix = "Write a list of `- {name: …, value: …}`"
                self.wrong(value, "schema", "parameters of another shape", fix)
        elif name not in LISTS:
            if not isinstance(value, str):
                self.wrong(value, "schema", f"`{name}` that is a list or a mapping", "Write a text")
        elif not isinstance(value, list):
            fix = "Write `- ` before each, or `- |` before a script"
            self.wrong(value, "schema", f"{name} that are no list", fix)
        else:
            for item in value:
                if not isinstance(item, str):
                    got = f"one of {name} that YAML reads as a mapping or a list"
                    self.wrong(item, "schema", got, "Write it below `- |`, or in quotes")

    def referring(self, phases: tuple[Phase, ...]) -> None:
        done: set[tuple[str, str]] = set()
        for phase in phases:
            for step in phase.steps:
                scope = references.Scope(phase.name, self.values, done, loops.names(step.loop))
                for text in references.strings([step.inputs, step.loop, step.condition]):
                    for reference in references.find(text):
                        self.reference(text, reference, scope)
                done.add((phase.name, step.name))

    def reference(self, text: Any, reference: references.Reference, scope: references.Scope) -> None:
        if (found := references.wrong(reference, scope)) is not None:
            line = text.first + text.count("\n", 0, reference.start)
            got = f"`{{{{ {reference.text} }}}}`: {found[0]}"
            self.mistakes.append(Mistake(line, "reference", got, found[1]))
