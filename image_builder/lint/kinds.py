"""What a YAML text is when it is no component document: told in one finding, for none of the rules are meant
for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from awstoe.reading import Unreadable, fields_of, read, text_of

_WHERE = "Give the linter a component document"
_IN_TEMPLATE = (
    "Give the linter the document itself: the `Data` of its AWS::ImageBuilder::Component, as a file of its "
    "own"
)


def _has_resources(found: dict[str, Any]) -> bool:
    types = (text_of(fields_of(one).get("Type")) for one in fields_of(found.get("Resources")).values())
    return any(name.startswith(("AWS::", "Custom::")) for name in types)


_KINDS: tuple[tuple[str, str, Callable[[dict[str, Any]], bool]], ...] = (
    (
        "a CloudFormation template",
        _IN_TEMPLATE,
        lambda found: "AWSTemplateFormatVersion" in found or _has_resources(found),
    ),
    ("a document of Systems Manager", _WHERE, lambda found: "mainSteps" in found or "runtimeConfig" in found),
    (
        "a workflow of Image Builder",
        _WHERE,
        lambda found: "schemaVersion" in found and "steps" in found and "phases" not in found,
    ),
    (
        "a build specification of CodeBuild",
        _WHERE,
        lambda found: "version" in found and isinstance(found.get("phases"), dict),
    ),
    ("a manifest of Kubernetes", _WHERE, lambda found: {"apiVersion", "kind"} <= found.keys()),
    ("a workflow of GitHub", _WHERE, lambda found: "jobs" in found and "on" in found),
    ("a file of Docker Compose", _WHERE, lambda found: isinstance(found.get("services"), dict)),
    (
        "an environment of conda",
        _WHERE,
        lambda found: isinstance(found.get("dependencies"), list) and "phases" not in found,
    ),
)


def kind_of(text: str) -> tuple[str, str] | None:
    """`other_kind` of a text; None for what is no YAML, which its readers tell better."""
    try:
        return other_kind(read(text).root)
    except Unreadable:
        return None


def other_kind(root: Any) -> tuple[str, str] | None:
    """What the text is, in words, and what to do; None for what may be meant as a component document."""
    if isinstance(root, list) and root and all("hosts" in fields_of(one) for one in root):
        return "a playbook of Ansible", _WHERE
    found = fields_of(root)
    return next(((what, do) for what, do, matches in _KINDS if matches(found)), None)
