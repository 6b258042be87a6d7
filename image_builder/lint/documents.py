"""The rules for component documents (AWSTOE, schema version 1.0), ours or anybody's.

Read as nodes with their places, every scalar a string: what a YAML reader would make of `0644` is one of the
things to find.
Sources: EC2 Image Builder user guide, "Use the AWSTOE component document framework".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from image_builder.lint import actions, control
from image_builder.lint.control import fields as _fields
from image_builder.lint.control import text as _text
from image_builder.lint.findings import Finding
from image_builder.lint.kinds import other_kind
from image_builder.lint.references import Step, lint_references
from image_builder.lint.scripts import asks_for_index, lint_script

_INLINE_CHARACTERS = 16_000
_MOST_VALUES = 100_000
_STANDARD = ("build", "validate", "test")
_DOCUMENT = {"name", "description", "schemaVersion", "parameters", "constants", "phases"}
_PHASE = {"name", "steps"}
_STEP = {
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
_NAME = re.compile(r"[A-Za-z0-9_-]{3,128}")
_CHANGES_TYPE = re.compile(
    r"0\d+|\d+\.\d*0|[-+]?\d+_\d+|yes|no|on|off|y|n|\d+:\d+(:\d+)?|0x[0-9a-f]+|\d{4}-\d\d-\d\d", re.IGNORECASE
)
_NUMBERS = {
    "timeoutSeconds": (re.compile(r"-1|[1-9]\d*"), "-1 (no limit) or a number of seconds from 1"),
    "maxAttempts": (re.compile(r"[1-9]\d*"), "a whole number from 1"),
}


_KEY = r"^\ufeff?(?:\s*\{[^{}]*)?['\"]?%s['\"]?[ \t]*:[ \t]*"
_MEANT = re.compile(
    _KEY % "phases"
    + r"(?:\[|(?:#.*)?\r?\n(?:[ \t]*(?:#.*)?\r?\n)*[ \t]*-[ \t\r\n])|"
    + _KEY % "schemaVersion"
    + r"['\"]?1(?:\.0)?['\"]?\s*(?:[#,}]|$)",
    re.MULTILINE,
)


def is_document(text: str) -> bool:
    """Whether a YAML text means to be a component document: a list of phases, or the version. Others have
    `phases` that are no list (CodeBuild), or other versions (Systems Manager)."""
    return bool(_MEANT.search(text))


def lint_document(text: str, file: str) -> list[Finding]:
    """All findings of a component document."""
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        return [
            Finding(file, mark.line + 1 if mark else 1, "yaml", what, "Correct the indentation or the quotes")
        ]
    endless = _unfolds_too_far(root)
    if endless is not None:
        return [
            Finding(
                file,
                endless.start_mark.line + 1,
                "yaml",
                "aliases that unfold without end",
                "Write the values out",
            )
        ]
    other = other_kind(root)
    if other is not None:
        return [Finding(file, 1, "schema", f"{other[0]}, not a component document", other[1])]
    return sorted(set(_Document(file, text).run(root)))


def _unfolds_too_far(root: Node | None) -> Node | None:
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

    if root is None or size(root) <= _MOST_VALUES:
        return circle[0] if circle else None
    return root


class _Document:
    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.steps: list[Step] = []
        self.values: set[str] = set()
        self.updated = False

    def at(self, node: Node, rule: str, got: str, fix: str) -> Finding:
        return Finding(self.file, node.start_mark.line + 1, rule, got, fix)

    def run(self, root: Node | None) -> Iterator[Finding]:
        if not isinstance(root, MappingNode):
            yield Finding(
                self.file, 1, "schema", "no mapping", "Begin with `schemaVersion: 1.0`, then `phases:`"
            )
            return
        if len(self.text) > _INLINE_CHARACTERS:
            fix = "Put it into S3 and give its `uri`, or move long scripts there"
            yield Finding(self.file, 1, "too-large", f"{len(self.text)} characters", fix)
        yield from self.keys(root, _DOCUMENT, "a document")
        fields = _fields(root)
        version = fields.get("schemaVersion")
        if not isinstance(version, ScalarNode) or version.value not in ("1.0", "1"):
            yield self.at(version or root, "schema", "no schemaVersion 1.0", "Write `schemaVersion: 1.0`")
        for section in ("parameters", "constants"):
            yield from self.section(section, fields.get(section))
        yield from self.phases(root, fields.get("phases"))
        yield from lint_references(self.file, self.steps, self.values)

    def keys(self, node: MappingNode, allowed: set[str], what: str) -> Iterator[Finding]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                yield self.at(key, "yaml", "a key that is no word", "Write `name:`")
                continue
            if key.value in seen:
                yield self.at(key, "yaml", f"the key `{key.value}` twice", "Keep one")
            elif key.value not in allowed:
                yield self.at(
                    key,
                    "schema",
                    f"`{key.value}`, which {what} does not have",
                    f"Known: {', '.join(sorted(allowed))}",
                )
            seen.add(key.value)

    def section(self, section: str, node: Node | None) -> Iterator[Finding]:
        if node is None:
            return
        if not isinstance(node, SequenceNode):
            if not isinstance(node, ScalarNode) or node.value:
                yield self.at(node, "schema", f"{section} that are no list", "Write `- ` before each name")
            return
        for entry in node.value:
            if (
                not isinstance(entry, MappingNode)
                or len(entry.value) != 1
                or not isinstance(entry.value[0][1], MappingNode)
            ):
                yield self.at(
                    entry,
                    "schema",
                    f"an entry of {section} that is no single name",
                    "Write `- Name: {type: string, …}`",
                )
                continue
            key, settings = entry.value[0]
            fields = _fields(settings)
            if not isinstance(key, ScalarNode) or not _NAME.fullmatch(key.value):
                yield self.at(key, "schema", f"the name `{key.value}`", "Use 3 to 128 of A-Z a-z 0-9 _ -")
                continue
            if key.value in self.values:
                yield self.at(
                    key, "duplicate-name", f"`{key.value}` twice among parameters and constants", "Rename one"
                )
            self.values.add(key.value)
            if _text(fields.get("type")) != "string":
                yield self.at(
                    settings, "schema", f"`{key.value}` without `type: string`", "Write `type: string`"
                )
            value = fields.get("value" if section == "constants" else "default")
            if value is not None:
                yield from self.types(value)
            elif section == "constants":
                yield self.at(key, "schema", f"the constant `{key.value}` without a value", "Add `value:`")
            else:
                yield self.at(
                    key,
                    "missing-parameter",
                    f"`{key.value}` without a default",
                    "Add `default:`, or give it in the recipe",
                )

    def phases(self, root: MappingNode, node: Node | None) -> Iterator[Finding]:
        names: list[str] = []
        for phase in node.value if isinstance(node, SequenceNode) else []:
            fields = _fields(phase)
            if isinstance(phase, MappingNode):
                yield from self.keys(phase, _PHASE, "a phase")
            name = _text(fields.get("name"))
            if not name:
                yield self.at(phase, "schema", "a phase without a name", "Add `name: build`")
            if name in names:
                yield self.at(
                    phase, "duplicate-name", f"the phase `{name}` twice", "Rename one, or join them"
                )
            names.append(name)
            steps = fields.get("steps")
            if not isinstance(steps, SequenceNode) or not steps.value:
                yield self.at(
                    phase,
                    "zero-steps",
                    f"the phase `{name}` without steps",
                    "Add a step, or remove the phase",
                )
                continue
            used: set[str] = set()
            for step in steps.value:
                yield from self.step(name, step, used)
        if not set(names) & set(_STANDARD):
            got = f"only the phases {', '.join(names)}" if names else "no phases"
            yield self.at(
                node or root, "zero-steps", got, "Have one of build, validate, test: nothing else runs"
            )

    def step(self, phase: str, node: Node, used: set[str]) -> Iterator[Finding]:
        if not isinstance(node, MappingNode):
            yield self.at(node, "schema", "a step that is no mapping", "Write name, action and inputs")
            return
        yield from self.keys(node, _STEP, "a step")
        fields = _fields(node)
        name, action = (_text(fields.get(key)) for key in ("name", "action"))
        if not name:
            yield self.at(node, "schema", "a step without a name", "Add `name:`")
        elif name in used:
            yield self.at(node, "duplicate-name", f"the step `{name}` twice in {phase}", "Rename one")
        used.add(name)
        self.steps.append(Step(phase, name, fields.get("inputs"), fields.get("loop"), fields.get("if"), node))
        for key, (pattern, allowed) in _NUMBERS.items():
            if key in fields and not pattern.fullmatch(_text(fields[key])):
                yield self.at(fields[key], "schema", f"{key} `{fields[key].value}`", f"Write {allowed}")
        failure = fields.get("onFailure")
        if failure is not None and _text(failure) not in ("Abort", "Continue", "Ignore"):
            yield self.at(
                failure, "schema", f"onFailure `{failure.value}`", "Write Abort, Continue or Ignore"
            )
        yield from self.control(action, node, fields)
        if not action or action not in actions.ACTIONS:
            why = " (Windows)" if action in actions.WINDOWS else ""
            got = f"the action `{action}`{why}" if action else f"the step `{name}` without an action"
            yield self.at(
                fields.get("action", node),
                "unknown-action",
                got,
                "Use ExecuteBash, or another action that works on Linux",
            )
            return
        yield from self.inputs(action, node, fields.get("inputs"))

    def control(self, action: str, node: Node, fields: dict[str, Node]) -> Iterator[Finding]:
        for key, check in (("if", control.decision), ("loop", control.loop)):
            if key in fields:
                for place, got, fix in check(fields[key]):
                    yield self.at(place, "schema", got, fix)
        if action == "Assert":
            for place, got, fix in control.condition(fields.get("inputs", node)):
                yield self.at(place, "schema", got, fix)
        for key, only in (("timeoutSeconds", "-1"), ("maxAttempts", "1")):
            if action == "ExecuteDocument" and key in fields and _text(fields[key]) != only:
                yield self.at(
                    fields[key], "schema", f"{key} of ExecuteDocument", f"Leave it out: it is always {only}"
                )

    def inputs(self, action: str, step: MappingNode, node: Node | None) -> Iterator[Finding]:
        many = actions.takes_a_list(action)
        if node is not None and many != isinstance(node, SequenceNode):
            fix = "Write a list: `- ` before the keys" if many else "Write a mapping, without `- `"
            yield self.at(node, "schema", f"inputs of {action} in the wrong shape", fix)
            return
        known = actions.known(action)
        items = node.value if isinstance(node, SequenceNode) else [node]
        for item in items or [None]:
            fields = _fields(item)
            if item is not None and not isinstance(item, MappingNode) and (action == "Assert" or item.value):
                yield self.at(
                    item, "schema", f"inputs of {action} that are no mapping", "Write `name: value`"
                )
                continue
            for name in actions.required(action):
                if name not in fields or fields[name].value in ("", []):
                    yield self.at(
                        item or step, "missing-input", f"{action} without `{name}`", f"Add `{name}:`"
                    )
            for name, value in fields.items() if known is not None else ():
                yield from self.value(action, name, value, known or frozenset())
            if action == "ExecuteBash":
                yield from self.commands(fields.get("commands"))

    def value(self, action: str, name: str, node: Node, known: frozenset[str]) -> Iterator[Finding]:
        if name not in known:
            yield self.at(
                node, "unknown-input", f"`{name}` of {action}", f"Known: {', '.join(sorted(known))}"
            )
        elif name == "parameters":
            entries = node.value if isinstance(node, SequenceNode) else [node]
            if not all(
                isinstance(_fields(entry).get(key), ScalarNode)
                for entry in entries
                for key in ("name", "value")
            ):
                yield self.at(
                    node, "schema", "parameters of another shape", "Write a list of `- {name: …, value: …}`"
                )
        elif name in actions.LISTS and not isinstance(node, SequenceNode):
            yield self.at(
                node, "schema", f"{name} that are no list", "Write `- ` before each, or `- |` before a script"
            )
        elif name in actions.LISTS:
            for item in node.value:
                if not isinstance(item, ScalarNode):
                    fix = "Write it below `- |`, or in quotes"
                    yield self.at(
                        item, "schema", f"one of {name} that YAML reads as a mapping or a list", fix
                    )
        elif not isinstance(node, ScalarNode):
            yield self.at(node, "schema", f"`{name}` that is a list or a mapping", "Write a text")
        if name != "commands":
            yield from self.types(node)

    def types(self, node: Node) -> Iterator[Finding]:
        if isinstance(node, ScalarNode):
            if node.style is None and _CHANGES_TYPE.fullmatch(node.value):
                yield self.at(node, "type-trap", f"`{node.value}` without quotes", f"Write '{node.value}'")
        else:
            for child in node.value:
                yield from self.types(child[1] if isinstance(child, tuple) else child)

    def commands(self, node: Node | None) -> Iterator[Finding]:
        texts = [
            item
            for item in (node.value if isinstance(node, SequenceNode) else [])
            if isinstance(item, ScalarNode)
        ]
        # AWSTOE runs all commands as one file; the place of each of its lines in the document
        lines, places = [], []
        for item in texts:
            first = item.start_mark.line + (2 if item.style in ("|", ">") else 1)
            for number, line in enumerate(item.value.rstrip("\n").split("\n")):
                lines.append(line)
                places.append(min(first + number, item.end_mark.line + 1))
        text = re.sub(r"\{\{.*?\}\}", lambda match: "_" * len(match[0]), "\n".join(lines))
        for finding in (
            lint_script(text + "\n", self.file, standalone=False, updated=self.updated) if texts else ()
        ):
            yield replace(finding, line=places[min(finding.line, len(places)) - 1])
        self.updated = self.updated or asks_for_index(text)
        strict = bool(re.search(r"^\s*set\s+[-+]\w*e|errexit", text, re.MULTILINE))
        home = re.search(r"\$\{?HOME\b|(?<![^\s=:])~(?=/|$)", text, re.MULTILINE)
        if home and not re.search(r"\bHOME=", text):
            at = places[text.count("\n", 0, home.start())]
            yield Finding(self.file, at, "home-unset", f"`{home[0]}`", "Begin with `export HOME=/root`")
        # says itself that failures do not matter
        carefree = bool(texts) and texts[-1].value.rstrip().endswith("\nexit 0")
        several = len(texts) > 1 or any("\n" in item.value.strip() for item in texts)
        if several and not strict and not carefree and node is not None:
            fix = "Begin with `set -euo pipefail`"
            yield self.at(
                node, "not-strict", "several commands, of which only the last may fail the step", fix
            )
