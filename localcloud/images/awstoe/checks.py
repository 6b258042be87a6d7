"""Everything that can be wrong with a component document, told at once, before anything has run."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from localcloud.images.awstoe import conditions, loops
from localcloud.images.awstoe.catalogue import ACTIONS, LISTS, WINDOWS_ACTIONS
from localcloud.images.awstoe.context import CONTEXT
from localcloud.images.awstoe.document import DEFAULT_TIMEOUT, Document, InvalidDocument, Phase, Step, read
from localcloud.images.awstoe.references import Reference, find, strings

_NAME = re.compile(r"[A-Za-z0-9_-]{3,128}")
_ON_FAILURE = ("Abort", "Continue", "Ignore")
_STEP_KEYS = {
    "name",
    "action",
    "timeoutSeconds",
    "onFailure",
    "maxAttempts",
    "if",
    "loop",
    "disableLogging",
    "inputs",
}
_PHASE_KEYS = {"name", "steps"}
_DOCUMENT_KEYS = {"name", "description", "schemaVersion", "parameters", "constants", "phases"}


def load(text: str, parameters: dict[str, str] | None = None, *, name: str = "document") -> Document:
    """Read and check a document. Raises InvalidDocument with all problems at once."""
    raw = read(text, name)
    return _Checker(str(raw.get("name") or name)).document(raw, parameters or {})


class _Checker:
    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []

    def problem(self, place: str, got: str, allowed: str, do: str) -> None:
        self.problems.append(
            f"{self.name}: {place + ': ' if place else ''}got {got}; allowed: {allowed}. {do}"
        )

    def document(self, raw: dict[str, Any], given: dict[str, str]) -> Document:
        self.keys("", raw, _DOCUMENT_KEYS)
        if raw.get("schemaVersion") not in ("1.0", "1"):
            self.problem(
                "schemaVersion", repr(raw.get("schemaVersion")), "1.0", "Write `schemaVersion: 1.0`."
            )
        values, missing = self.values(raw, given)
        phases = self.phases(raw.get("phases"))
        if not any(phase.name in ("build", "validate", "test") for phase in phases):
            self.problem(
                "phases",
                ", ".join(p.name for p in phases) or "none",
                "at least one of build, validate, test",
                "Add one.",
            )
        self.references(phases, values, missing)
        if self.problems:
            raise InvalidDocument(self.problems)
        return Document(self.name, tuple(phases), values)

    def keys(self, place: str, raw: dict[str, Any], allowed: set[str]) -> None:
        for key in sorted(set(raw) - allowed):
            self.problem(place, f"the key {key!r}", ", ".join(sorted(allowed)), "Remove or rename it.")

    def values(self, raw: dict[str, Any], given: dict[str, str]) -> tuple[dict[str, str], set[str]]:
        values: dict[str, str] = {}
        missing: set[str] = set()
        declared: set[str] = set()
        for section in ("parameters", "constants"):
            for number, entry in enumerate(self.list_of(raw.get(section), section), 1):
                if not isinstance(entry, dict) or len(entry) != 1:
                    self.problem(
                        f"{section} {number}",
                        repr(entry),
                        "a mapping with one name",
                        "Write `- Name: {type: string, …}`.",
                    )
                    continue
                name, settings = next(iter(entry.items()))
                if not isinstance(settings, dict):
                    self.problem(
                        f"{section} {name}", repr(settings), "a mapping", "Write `- Name: {type: string, …}`."
                    )
                    continue
                if not _NAME.fullmatch(name):
                    self.problem(section, f"the name {name!r}", "3 to 128 of A-Z a-z 0-9 _ -", "Rename it.")
                if name in declared:
                    self.problem(
                        section,
                        f"the name {name!r} twice",
                        "unique names over parameters and constants",
                        "Rename one.",
                    )
                declared.add(name)
                if settings.get("type") != "string":
                    self.problem(
                        f"{section} {name}",
                        f"type {settings.get('type')!r}",
                        "string",
                        "Write `type: string`.",
                    )
                if section == "constants":
                    if "value" not in settings:
                        self.problem(f"constants {name}", "no value", "a string", "Add `value:`.")
                    values[name] = str(settings.get("value", ""))
                elif name in given:
                    values[name] = given[name]
                elif "default" in settings:
                    values[name] = str(settings["default"])
                else:
                    missing.add(name)
        for name in sorted(missing):
            self.problem(
                f"parameter {name}",
                "no value",
                "a value from the recipe, or a default",
                "Pass it in the recipe, or add `default:`.",
            )
        for name in sorted(set(given) - declared):
            self.problem(
                f"parameter {name}",
                "a value for a parameter that is not declared",
                ", ".join(sorted(declared)) or "none",
                "Remove it from the recipe.",
            )
        return values, missing

    def list_of(self, value: Any, place: str) -> list[Any]:
        if value in (None, ""):
            return []
        if not isinstance(value, list):
            self.problem(place, type(value).__name__, "a list", "Write a list.")
            return []
        return value

    def phases(self, raw: Any) -> list[Phase]:
        phases: list[Phase] = []
        for number, entry in enumerate(self.list_of(raw, "phases"), 1):
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(entry, dict) or not isinstance(name, str) or not name:
                self.problem(
                    f"phase {number}", repr(entry)[:80], "a mapping with name and steps", "Name the phase."
                )
                continue
            self.keys(f"phase {name}", entry, _PHASE_KEYS)
            if any(phase.name == name for phase in phases):
                self.problem("phases", f"the phase {name!r} twice", "unique names", "Rename one.")
            steps: list[Step] = []
            for index, step in enumerate(self.list_of(entry.get("steps"), f"phase {name}: steps"), 1):
                found = self.step(
                    f"{name}.{step.get('name', index) if isinstance(step, dict) else index}", step
                )
                if found is not None:
                    if any(other.name == found.name for other in steps):
                        self.problem(
                            f"phase {name}",
                            f"the step {found.name!r} twice",
                            "unique names in a phase",
                            "Rename one.",
                        )
                    steps.append(found)
            if not entry.get("steps"):
                self.problem(
                    f"phase {name}", "no steps", "at least one step", "Add a step, or remove the phase."
                )
            phases.append(Phase(name, tuple(steps)))
        return phases

    def step(self, place: str, raw: Any) -> Step | None:
        if not isinstance(raw, dict) or not all(
            isinstance(raw.get(key), str) and raw[key] for key in ("name", "action")
        ):
            self.problem(
                place, repr(raw)[:80], "a mapping with name, action and inputs", "Complete the step."
            )
            return None
        self.keys(place, raw, _STEP_KEYS)
        action = raw["action"]
        if action in WINDOWS_ACTIONS:
            self.problem(
                place,
                f"the action {action}",
                "actions that work on Linux",
                "Windows images cannot be built here; use ExecuteBash.",
            )
        elif action not in ACTIONS:
            self.problem(
                place, f"the unknown action {action!r}", ", ".join(sorted(ACTIONS)), "Correct its name."
            )
        else:
            self.inputs(place, action, raw.get("inputs"))
        self.control(place, action, raw)
        on_failure = raw.get("onFailure", "Abort")
        if on_failure not in _ON_FAILURE:
            self.problem(place, f"onFailure {on_failure!r}", ", ".join(_ON_FAILURE), "Choose one.")
        timeout = self.number(
            place,
            "timeoutSeconds",
            raw,
            DEFAULT_TIMEOUT,
            lambda n: n == -1 or n > 0,
            "-1 or a number of seconds from 1",
        )
        attempts = self.number(place, "maxAttempts", raw, 1, lambda n: n >= 1, "a whole number from 1")
        return Step(
            raw["name"],
            action,
            raw.get("inputs"),
            None if timeout == -1 or action in ("ExecuteDocument", "Reboot") else timeout,
            on_failure,
            attempts,
            raw.get("if"),
            raw.get("loop"),
            str(raw.get("disableLogging", "false")).lower() == "true",
        )

    def control(self, place: str, action: str, raw: dict[str, Any]) -> None:
        """What decides whether and how often a step runs."""
        checks: list[tuple[str, Callable[[Any], None]]] = [
            ("if", conditions.check_decision),
            ("loop", loops.check),
        ]
        for key, check in [
            *checks,
            *([("inputs", conditions.check)] if action == "Assert" and raw.get("inputs") else []),
        ]:
            try:
                if key in raw:
                    check(raw[key])
            except (conditions.BadCondition, loops.BadLoop) as error:
                self.problem(
                    f"{place}: {key}", str(error), "as in the user guide of Image Builder", "Correct it."
                )
        for key, only in (("timeoutSeconds", "-1"), ("maxAttempts", "1")):
            if action == "ExecuteDocument" and raw.get(key, only) != only:
                self.problem(place, f"{key} {raw[key]!r} of ExecuteDocument", only, "Leave it out.")

    def number(
        self,
        place: str,
        key: str,
        raw: dict[str, Any],
        default: int,
        good: Callable[[int], bool],
        allowed: str,
    ) -> int:
        text = raw.get(key, str(default))
        if not re.fullmatch(r"-?\d{1,9}", str(text)) or not good(int(text)):
            self.problem(place, f"{key} {text!r}", allowed, "Correct it.")
            return 1
        return int(text)

    def inputs(self, place: str, action: str, inputs: Any) -> None:
        known = ACTIONS[action]
        items: list[Any] = inputs if isinstance(inputs, list) else [inputs]
        if known.many and not isinstance(inputs, list):
            self.problem(
                place,
                f"inputs of {action} that are not a list",
                "a list of mappings",
                "Put `- ` before its keys.",
            )
            return
        if not known.many and isinstance(inputs, list):
            self.problem(place, f"a list as inputs of {action}", "one mapping", "Remove the `- `.")
            return
        if known.many and not items:
            self.problem(place, f"no inputs for {action}", "at least one mapping", "Add one.")
        for item in items:
            if item in (None, "") and not known.required and action != "Assert":
                continue
            if not isinstance(item, dict):
                self.problem(
                    place,
                    f"inputs {item!r}",
                    f"a mapping with {', '.join(known.required) or 'inputs'}",
                    "Complete it.",
                )
                continue
            for key in known.required:
                if item.get(key) in (None, "", [], {}):
                    allowed = f"inputs {', '.join((*known.required, *known.optional))}"
                    self.problem(place, f"{action} without {key}", allowed, f"Add `{key}:`.")
            for key, value in item.items() if action != "Assert" else ():
                wanted = LISTS.get(key, "a text")
                if key in (*known.required, *known.optional) and not _is(wanted, value):
                    self.problem(
                        place,
                        f"{key} {value!r}"[:120],
                        wanted,
                        "Put texts with `: ` into quotes, and commands below `- |`.",
                    )

    def references(self, phases: list[Phase], values: dict[str, str], missing: set[str]) -> None:
        done: set[tuple[str, str]] = set()
        for phase in phases:
            for step in phase.steps:
                for text in _texts(step):
                    for reference in find(text):
                        self.reference(f"{phase.name}.{step.name}", reference, step, values, missing, done)
                done.add((phase.name, step.name))

    def reference(
        self,
        place: str,
        reference: Reference,
        step: Step,
        values: dict[str, str],
        missing: set[str],
        done: set[tuple[str, str]],
    ) -> None:
        if reference.kind == "value":
            if reference.text not in values and reference.text not in missing:
                allowed = ", ".join(sorted(values)) or "none is declared"
                self.problem(
                    place,
                    f"the unresolved reference {{{{ {reference.text} }}}}",
                    allowed,
                    "Declare the parameter or constant, or correct the name.",
                )
        elif reference.kind == "chain":
            if (reference.phase, reference.step) not in done:
                what = f"{{{{ {reference.text} }}}}"
                self.problem(
                    place,
                    f"{what}, which names no earlier step",
                    "a step that ran before, of this document",
                    "Correct the phase or step name.",
                )
        elif reference.kind == "loop":
            loop_name = step.loop.get("name", "loop") if isinstance(step.loop, dict) else None
            if reference.step not in ("loop", loop_name) or step.loop is None:
                self.problem(
                    place,
                    f"{{{{ {reference.text} }}}}",
                    "loop references inside a step with a loop",
                    "Add `loop:` to the step, or correct its name.",
                )
        elif reference.kind == "context" and reference.variable not in CONTEXT:
            self.problem(
                place, f"the reference {{{{ {reference.text} }}}}", ", ".join(sorted(CONTEXT)), "Correct it."
            )
        elif reference.kind == "unknown":
            allowed = (
                "Name, phase.step.outputs.x, loop.value, aws:ssm:NAME, aws:imds:PATH, env:NAME, context:KEY"
            )
            self.problem(place, f"the reference {{{{ {reference.text} }}}}", allowed, "Correct it.")


def _texts(step: Step) -> Iterator[str]:
    for value in (step.inputs, step.loop, step.condition):
        yield from strings(value)


def _is(wanted: str, value: Any) -> bool:
    """Whether an input has the shape that its action reads."""
    if wanted == "a list of names and values":
        return isinstance(value, list) and all(
            isinstance(entry, dict)
            and isinstance(entry.get("name"), str)
            and isinstance(entry.get("value"), str)
            for entry in value
        )
    texts = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    return texts if wanted == "a list of texts" else isinstance(value, str)
