"""The people in files of the first implementation: affiliates of a blueprint, and of a user profile
(`user_config_template.json`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blueprints.finding import Path
from blueprints.old_fields import DEAD, Field, ImportContext, apply, drop
from blueprints.verdicts import Draft, as_json
from neurocaas.protocol.names import ANALYSIS_NAME

_PROSE = "The email we should notify"
_USER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,50}")
"""IAM's alphabet; the region comes behind it."""
MOST_GROUPS = 99
"""In a blueprint (schema.json)."""
_NO_GROUP = "its group has no usable name"


def read(draft: Draft, ux: Mapping[str, Any], above: Path, *, profile: bool) -> None:
    """Groups and members of `UXData`. `profile`: of a user profile, where an affiliate also has analyses and
    keys.
    """
    path = (*above, "Affiliates")
    given = ux.get("Affiliates")
    if not isinstance(given, list) or not given:
        got = "nothing" if "Affiliates" not in ux else as_json(given)
        draft.impossible(
            path,
            got,
            "a list of at least one affiliate",
            "Add one, or import --anyway with the group debuggers",
        )
    else:
        for index, one in enumerate(given):
            _affiliate(draft, one, (*path, index), PROFILE if profile else BLUEPRINT)
        if not profile and len(draft.groups) > MOST_GROUPS:
            do = (
                "Remove some, or import --anyway: the blueprint names the first, imported/groups.yaml has all"
            )
            draft.impossible(path, f"{len(draft.groups)} groups", f"at most {MOST_GROUPS} in a blueprint", do)
    apply(draft, {}, ux, above, ImportContext(), ("Affiliates",))


def names(data: object) -> list[str]:
    """The names of groups in a file of any form, in its order."""
    ux = data.get("UXData") if isinstance(data, Mapping) else None
    given = ux.get("Affiliates") if isinstance(ux, Mapping) else None
    found = (
        [one.get("AffiliateName") for one in given if isinstance(one, Mapping)]
        if isinstance(given, list)
        else []
    )
    return [name for name in found if isinstance(name, str) and name.strip()]


def _affiliate(draft: Draft, one: Any, path: Path, fields: Mapping[str, Field]) -> None:
    if not isinstance(one, Mapping):
        draft.impossible(
            path, as_json(one), "an object with AffiliateName", "Correct it, or import --anyway without it"
        )
        return
    name, where, group = one.get("AffiliateName"), (*path, "AffiliateName"), None
    if isinstance(name, str) and name.strip():
        group = draft.names[name]
        why = (
            f"it is called {group} here; what lies below {name}/ of the old bucket belongs below {group}/"
            if group != name
            else ""
        )
        draft.mapped(where, name, "groups", why)
        draft.groups.setdefault(group, {"members": [], "title": name})
    else:
        got = "nothing" if "AffiliateName" not in one else as_json(name)
        allowed = "1 to 63 letters, digits, '.', '_' and '-', starting with a letter or digit, and not 'logs'"
        draft.impossible(where, got, allowed, "Correct it, or import --anyway without this group")
    apply(draft, fields, one, path, ImportContext(group=group), ("AffiliateName",))


def _members(draft: Draft, path: Path, value: Any, context: ImportContext) -> None:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        draft.impossible(
            path, as_json(value), "a list of names", "Correct it, or import --anyway without the members"
        )
        return
    if context.group is None:
        draft.dropped(path, value, _NO_GROUP)
        return
    members = draft.groups[context.group]["members"]
    for index, name in enumerate(names):
        if not (isinstance(name, str) and _USER.fullmatch(name)):
            allowed = "1 to 50 letters, digits and _+=,.@-, as names of IAM users are"
            draft.impossible(
                (*path, index), as_json(name), allowed, "Correct it, or import --anyway without this member"
            )
        elif name not in members:
            members.append(name)
    draft.mapped(path, value, "members of the group", "in imported/groups.yaml")


def _contact(draft: Draft, path: Path, value: Any, context: ImportContext) -> None:
    placeholder = isinstance(value, str) and (not value or value.startswith(_PROSE))
    draft.dropped(
        path,
        value,
        "a placeholder"
        if placeholder
        else "never used there; here, who wants notices subscribes to the topic",
    )


def _analyses(draft: Draft, path: Path, value: list[str], context: ImportContext) -> None:
    if context.group is None:
        draft.dropped(path, value, _NO_GROUP)
        return
    if not value:
        draft.dropped(path, value, "it names no analysis")
        return
    wrong = [name for name in value if not ANALYSIS_NAME.fullmatch(name)]
    if wrong:
        draft.impossible(
            path,
            as_json(wrong),
            "names of buckets of analyses",
            "Correct them, or import --anyway without them",
        )
    kept = draft.groups[context.group].setdefault("analyses", [])
    kept.extend(name for name in value if name not in wrong and name not in kept)
    if kept:
        draft.mapped(
            path,
            value,
            "analyses of the group",
            "in the proposal; there these were the buckets of the analyses",
        )


def _input(draft: Draft, path: Path, value: bool, context: ImportContext) -> None:
    if value:
        draft.mapped(path, value, "the bucket's notification", "submissions start jobs")
    else:
        why = "there, results of another job started the analysis; here the group submits like the others"
        draft.decide(
            path,
            value,
            "the bucket's notification",
            why,
            "true",
            "Submit the second step as a job of its own, if there is one",
        )


_BOTH: dict[str, Field] = {
    "UserNames": Field("any", _members),
    "ContactEmail": Field("any", _contact),
    "PipelinePath": Field("text", drop(DEAD)),
    "PipelineDir": Field("any", drop(DEAD)),
}
BLUEPRINT: dict[str, Field] = {**_BOTH, "UserInput": Field("flag", _input)}
PROFILE: dict[str, Field] = {
    **_BOTH,
    "UserInput": Field("flag", drop("belongs to a blueprint")),
    "KeySerialNumber": Field(
        "number", drop("keys are made, handed out and rotated by commands; their number is no setting")
    ),
    "Pipelines": Field("texts", _analyses),
}
