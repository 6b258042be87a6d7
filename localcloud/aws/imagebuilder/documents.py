"""What CreateComponent checks of an AWSTOE document, and what GetComponent shows of it."""

from __future__ import annotations

from typing import Any

import yaml

from localcloud.aws.protocol.restjson import ServiceError

INLINE_CHARACTERS = 16000
PHASES = ("build", "validate", "test")


def examine(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The component's type (``TEST`` when ``test`` is its only phase, else ``BUILD``) and its parameters.

    Raises:
        ServiceError: InvalidRequestException, with the first thing that is wrong.
    """
    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes strings only
    except yaml.YAMLError as error:
        raise _bad(f"it is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise _bad("it must be a mapping")
    if document.get("schemaVersion") not in ("1.0", "1"):
        raise _bad(f"schemaVersion must be 1.0, got {document.get('schemaVersion')!r}")
    phases = document.get("phases")
    if not isinstance(phases, list) or not phases:
        raise _bad("phases must be a list with at least one phase")
    names = []
    for phase in phases:
        if not isinstance(phase, dict) or not phase.get("name"):
            raise _bad("every phase needs a name")
        names.append(phase["name"])
        steps = phase.get("steps")
        if not isinstance(steps, list) or not steps:
            raise _bad(f"phase {phase['name']} needs a list of steps")
        seen: set[str] = set()
        for step in steps:
            if not isinstance(step, dict) or not step.get("name") or not step.get("action"):
                raise _bad(f"every step of phase {phase['name']} needs a name and an action")
            if step["name"] in seen:
                raise _bad(f"phase {phase['name']} has two steps named {step['name']}")
            seen.add(step["name"])
    if len(set(names)) != len(names):
        raise _bad("two phases have the same name")
    if not set(names) & set(PHASES):
        raise _bad(f"it needs at least one of the phases {', '.join(PHASES)}")
    return ("TEST" if names == ["test"] else "BUILD"), _parameters(document)


def _parameters(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for entry in document.get("parameters") or []:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise _bad("parameters must be a list of mappings with one name each")
        [(name, details)] = entry.items()
        shown: dict[str, Any] = {"name": name, "type": (details or {}).get("type", "string")}
        if "default" in (details or {}):
            shown["defaultValue"] = [details["default"]]
        if "description" in (details or {}):
            shown["description"] = details["description"]
        found.append(shown)
    return found


def _bad(why: str) -> ServiceError:
    return ServiceError("InvalidRequestException", f"The component document is not valid: {why}.")
