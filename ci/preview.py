"""A preview of one stack, judged: changes, broken rules, the image that it needs. From the engine's digest
(`pulumi preview --json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from checks import preview as resources
from checks.rule import RuleReport, run
from checks.rules import RULES
from console.engine import plain

SCHEMA_VERSION = 1
OPERATIONS = ("delete", "replace", "update", "import", "create")
"""What can happen to a resource, the gravest first. The engine also tells of the parts of a replacement."""


@dataclass(frozen=True)
class ResourceChange:
    """What happens to one resource. `properties`: names of those that differ, not their values. `replaces`:
    those that force a new one.
    """

    op: str
    type: str
    name: str
    properties: tuple[str, ...]
    replaces: tuple[str, ...]


@dataclass(frozen=True)
class Bake:
    """An image that must be baked before jobs can run."""

    why: str
    command: str


@dataclass(frozen=True)
class StackPreview:
    """`failure`: what the engine said when there is no preview. `policies` is None then."""

    stack: str
    changes: tuple[ResourceChange, ...] = ()
    unchanged: int = 0
    policies: RuleReport | None = None
    bake: Bake | None = None
    failure: str | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None and self.policies is not None and not self.policies.findings

    def count(self, op: str) -> int:
        return sum(change.op == op for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "ok": self.ok,
            "failure": self.failure,
            "changes": [asdict(change) for change in self.changes],
            "unchanged": self.unchanged,
            "policies": policies_dict(self.policies) if self.policies else None,
            "bake": asdict(self.bake) if self.bake else None,
        }


def policies_dict(report: RuleReport) -> dict[str, Any]:
    return {
        "judged": report.judged,
        "findings": [finding.to_dict() for finding in report.findings],
        "open": [
            {"rule": rule.name, "urn": resource.urn, "name": resource.name} for rule, resource in report.open
        ],
    }


def read(stack: str, text: str, bake: Bake | None = None) -> StackPreview:
    """The preview that the engine printed; one with a failure when it printed none, or only errors."""
    try:
        digest = json.loads(text)
    except ValueError:
        digest = None
    if not isinstance(digest, Mapping) or not isinstance(digest.get("steps", []), Sequence):
        return StackPreview(stack, failure=text.strip() or "the engine printed nothing")
    errors = [
        plain(str(one.get("message", ""))).strip()
        for one in digest.get("diagnostics") or []
        if one.get("severity") == "error"
    ]
    if errors:
        return StackPreview(stack, failure="\n".join(dict.fromkeys(errors)))
    changes = [
        change(step)
        for step in digest.get("steps", [])
        if step.get("op") in OPERATIONS and _is_resource(step)
    ]
    unchanged = int((digest.get("changeSummary") or {}).get("same", 0))
    changes.sort(key=lambda one: (OPERATIONS.index(one.op), one.type, one.name))
    return StackPreview(stack, tuple(changes), unchanged, run(RULES, resources.stack(digest)), bake)


def _is_resource(step: Mapping[str, Any]) -> bool:
    """Components are folders for resources: nothing in the cloud changes with them."""
    state = step.get("newState") or step.get("oldState") or {}
    return bool(state.get("custom")) and not str(state.get("type", "")).startswith("pulumi:")


def change(step: Mapping[str, Any]) -> ResourceChange:
    """One step of the digest."""
    state = step.get("newState") or step.get("oldState") or {}
    differing = step.get("detailedDiff") or dict.fromkeys(step.get("diffReasons") or ())
    return ResourceChange(
        op=str(step["op"]),
        type=str(state.get("type", "")),
        name=str(step["urn"]).rpartition("::")[2],
        properties=tuple(sorted(differing)),
        replaces=tuple(sorted(step.get("replaceReasons") or ())),
    )
