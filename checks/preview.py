"""The resources that a preview would leave, from the engine's digest (`pulumi preview --json`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from checks.resource import UNKNOWN, Resource, StackResources

SENTINELS = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What the engine writes for a string, boolean, number, list, asset, archive or object that is not known
(sdk/go/common/resource/plugin/rpc.go)."""
GONE = frozenset({"delete", "discard", "delete-replaced", "discard-replaced", "remove-pending-replace"})
"""Operations after which there is no resource (sdk/go/common/display/events.go)."""
SAME = "same"
"""Such a step has the old state only."""
_HIDDEN = "[secret]"
NAMES = ("id", "arn", "name", "bucket", "url")
"""Properties by whose value other resources refer to one."""


def stack(digest: Mapping[str, Any]) -> StackResources:
    """Every resource as it would be, those that stay as they are included."""
    return StackResources(list(_resources(digest)))


def _resources(digest: Mapping[str, Any]) -> Iterator[Resource]:
    seen = set()
    for step in digest.get("steps", []):
        state = step.get("newState") or (step.get("oldState") if step.get("op") == SAME else None)
        if state is None or step.get("op") in GONE or step["urn"] in seen:
            continue
        seen.add(step["urn"])
        old = step.get("oldState") or {}
        known = {
            **(old.get("outputs") or {}),
            **(state.get("outputs") or {}),
            "id": state.get("id") or old.get("id"),
        }
        yield Resource(
            type=state["type"],
            name=step["urn"].rpartition("::")[2],
            properties=plain(state.get("inputs") or {}),
            urn=step["urn"],
            provider=(state.get("provider") or "").rpartition("::")[0],
            called=frozenset(
                str(known[name]) for name in NAMES if known.get(name) and known[name] not in SENTINELS
            ),
            depends=state.get("propertyDependencies") or {},
        )


def plain(value: Any) -> Any:
    """A value with UNKNOWN in the place of what is not known, or is a secret."""
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return UNKNOWN if isinstance(value, str) and (value in SENTINELS or value == _HIDDEN) else value
