"""The rules for component documents (AWSTOE, schema version 1.0), ours or anybody's.

What the language forbids is said by `awstoe.checks`; here is what goes wrong although AWSTOE takes it: values
that other YAML readers change, and what the commands of a step do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from awstoe.actions import ACTIONS
from awstoe.checks import check
from awstoe.document import Document
from awstoe.reading import Mistake, Text, Unreadable, fields_of, line_of, read
from image_builder.lint.findings import Finding
from image_builder.lint.kinds import other_kind
from image_builder.lint.scripts import asks_for_index, lint_script

_INLINE_CHARACTERS = 16_000
_CHANGES_TYPE = re.compile(
    r"0\d+|\d+\.\d*0|[-+]?\d+_\d+|yes|no|on|off|y|n|\d+:\d+(:\d+)?|0x[0-9a-f]+|\d{4}-\d\d-\d\d", re.IGNORECASE
)


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
        reading = read(text)
    except Unreadable as error:
        return [_finding(file, error.mistake)]
    other = other_kind(reading.root)
    if other is not None:
        return [Finding(file, 1, "schema", f"{other[0]}, not a component document", other[1])]
    document, mistakes = check(reading)
    found = [_finding(file, mistake) for mistake in mistakes]
    if len(text) > _INLINE_CHARACTERS and isinstance(reading.root, dict):
        fix = "Put it into S3 and give its `uri`, or move long scripts there"
        found.append(Finding(file, 1, "too-large", f"{len(text)} characters", fix))
    return sorted({*found, *_Document(file).run(document)})


def _finding(file: str, mistake: Mistake) -> Finding:
    return Finding(file, mistake.line, mistake.rule, mistake.got, mistake.fix)


class _Document:
    def __init__(self, file: str) -> None:
        self.file = file
        self.updated = False

    def run(self, document: Document) -> Iterator[Finding]:
        for value in document.values.values():
            yield from self.types(value)
        for phase in document.phases:
            for step in phase.steps:
                if step.action in ACTIONS and step.action != "Assert":
                    yield from self.inputs(step.action, step.inputs)

    def inputs(self, action: str, inputs: Any) -> Iterator[Finding]:
        if ACTIONS[action].many != isinstance(inputs, list):
            return
        for item in inputs if isinstance(inputs, list) else [inputs]:
            for name, value in fields_of(item).items():
                if name != "commands":
                    yield from self.types(value)
            if action == "ExecuteBash":
                yield from self.commands(fields_of(item).get("commands"))

    def types(self, value: Any) -> Iterator[Finding]:
        if isinstance(value, Text):
            if value.bare and _CHANGES_TYPE.fullmatch(value):
                got, fix = f"`{value}` without quotes", f"Write '{value}'"
                yield Finding(self.file, value.line, "type-trap", got, fix)
        elif isinstance(value, dict | list):
            for child in value.values() if isinstance(value, dict) else value:
                yield from self.types(child)

    def commands(self, listed: Any) -> Iterator[Finding]:
        texts = [item for item in (listed if isinstance(listed, list) else []) if isinstance(item, Text)]
        # AWSTOE runs all commands as one file; the place of each of its lines in the document
        lines, places = [], []
        for item in texts:
            for number, line in enumerate(item.rstrip("\n").split("\n")):
                lines.append(line)
                places.append(min(item.first + number, item.last))
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
        carefree = bool(texts) and texts[-1].rstrip().endswith("\nexit 0")
        several = len(texts) > 1 or any("\n" in item.strip() for item in texts)
        if several and not strict and not carefree:
            got = "several commands, of which only the last may fail the step"
            fix = "Begin with `set -euo pipefail`"
            yield Finding(self.file, line_of(listed), "not-strict", got, fix)
