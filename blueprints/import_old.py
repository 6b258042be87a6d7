"""`invoke import-blueprint`: files of the first implementation become ours, with a verdict for each field."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints import old_format, old_people
from blueprints.model import FILE
from blueprints.old_fields import Context, Field, apply
from blueprints.starter import check_new_name
from blueprints.verdicts import Draft, Status, Verdict, as_json, duplicate_keys
from runtime.protocol import yaml12
from runtime.protocol.problems import InvalidInput, Problem

KEPT = "imported"
"""Folder of the new blueprint with the old file as it was, and the report: what was dropped can be read there for ever."""

_PROFILE_STAGES = ("webusercentric", "web", "dev")


@dataclass(frozen=True)
class Imported:
    """What an old file became. `groups`: the proposal for groups.yaml, "" without one. `name`: None when it has no usable one."""

    kind: str
    name: str | None
    stage: str
    blueprint: Mapping[str, Any]
    groups: str
    verdicts: tuple[Verdict, ...]

    @property
    def stops(self) -> list[Verdict]:
        """What needs a decision before anything is written."""
        return [verdict for verdict in self.verdicts if verdict.status.stops]

    def to_dict(self) -> dict[str, Any]:
        counts = {status.value: sum(verdict.status is status for verdict in self.verdicts) for status in Status}
        head = {"schema_version": 1, "kind": self.kind, "name": self.name, "stage": self.stage, "counts": counts}
        return {**head, "fields": [verdict.to_dict() for verdict in self.verdicts]}


def read(text: str, types: Collection[str], name: str | None = None) -> Imported:
    """Reads `stack_config_template.json` or `user_config_template.json`; never fails on what the text says, but for text that is no JSON
    object, which raises InvalidInput. `types`: instance types on offer. `name`: of the analysis, in place of PipelineName.
    """
    try:
        data, twice = duplicate_keys(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput([_not_json(text, error)]) from None
    if not isinstance(data, dict):
        raise InvalidInput(
            [Problem("the file", as_json(data), "one JSON object with PipelineName, Lambda and UXData", "Give another file")]
        )
    draft = Draft()
    for key in dict.fromkeys(twice):
        draft.impossible((key,), "given twice in one object", "each key once", "Remove one, or import --anyway with the last")
    if _is_profile(data):
        return _profile(draft, data)
    return _blueprint(draft, data, Context(types, name))


def _not_json(text: str, error: ValueError | RecursionError) -> Problem:
    if not text.strip():
        return Problem("the file", "an empty file", "one JSON object", "Give another file")
    if isinstance(error, RecursionError):
        return Problem("the file", "values in values, too deep to be read", "one JSON object", "Give another file")
    place = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "the file"
    why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    do = "Correct it there: JSON has no comments, no comma behind the last value, and only double quotes"
    return Problem(place, f"text that is not JSON ({why})", "one JSON object", do)


def _is_profile(data: Mapping[str, Any]) -> bool:
    ux = data.get("UXData")
    affiliates = ux.get("Affiliates") if isinstance(ux, dict) else None
    has = isinstance(affiliates, list) and any(isinstance(one, dict) and {"Pipelines", "KeySerialNumber"} & set(one) for one in affiliates)
    return has or data.get("STAGE") in _PROFILE_STAGES


def _objects(draft: Draft, data: Mapping[str, Any], names: Collection[str], above: tuple[str, ...] = ()) -> dict[str, Mapping[str, Any]]:
    """The objects of these names; a missing or other value is told, and stands for an empty one."""
    found: dict[str, Mapping[str, Any]] = {}
    for key in names:
        value = data.get(key)
        if isinstance(value, dict):
            found[key] = value
        else:
            got = "nothing" if key not in data else as_json(value)
            draft.impossible((*above, key), got, "an object", "Add it, or import --anyway with the defaults")
    return found


def _blueprint(draft: Draft, data: Mapping[str, Any], context: Context) -> Imported:
    apply(draft, old_format.TOP, data, (), context, old_format.OBJECTS)
    if "PipelineName" not in data and context.name is not None:
        draft.set("name", context.name)
    objects = _objects(draft, data, old_format.OBJECTS)
    if (given := objects.get("Lambda")) is not None:
        apply(draft, old_format.LAMBDA, given, ("Lambda",), context, ("LambdaConfig",))
        config = _objects(draft, given, ("LambdaConfig",), ("Lambda",)).get("LambdaConfig")
        if config is not None:
            apply(draft, old_format.LAMBDA_CONFIG, config, ("Lambda", "LambdaConfig"), context)
    if (ux := objects.get("UXData")) is not None:
        old_people.read(draft, ux, ("UXData",), profile=False)
    name = draft.data.get("name")
    region = data.get("REGION")
    groups = _proposal(draft, region if isinstance(region, str) else "", [name] if name else [])
    return Imported("blueprint", name, draft.stage, _complete(draft, name), groups, tuple(draft.verdicts))


def _complete(draft: Draft, name: str | None) -> dict[str, Any]:
    """The new blueprint, in the order in which people read it."""
    if name is None:
        return {}
    data = draft.data
    instance = {"type": "m5.large", **data.get("instance", {})}
    instance["types"] = [instance["type"]]
    title = f"{name} (imported)"
    head: dict[str, Any] = {"schema_version": 1, "name": name, "title": title, "script": f"run_{name}.sh", "instance": instance}
    image: dict[str, Any] = data.get("image", {"parent": "ubuntu24", "required": False})
    rest: dict[str, Any] = {key: data[key] for key in ("bucket", "limits", "budget_usd") if key in data}
    return {**head, "image": image, "groups": list(draft.groups)[: old_people.MOST_GROUPS] or ["debuggers"], **rest}


def _profile(draft: Draft, data: Mapping[str, Any]) -> Imported:
    def stage(inner: Draft, path: tuple[str | int, ...], value: str, context: Context) -> None:
        if value in _PROFILE_STAGES:
            inner.dropped(path, value, "people are in groups.yaml, and stack utils makes them")
        else:
            do = "Correct it, or import --anyway"
            inner.impossible(path, as_json(value), ", ".join(_PROFILE_STAGES), do)

    fields = {"STAGE": Field("text", stage), "REGION": Field("text", old_format.TOP["REGION"].use)}
    apply(draft, fields, data, (), Context(), old_format.OBJECTS)
    if "Lambda" in data:
        draft.dropped(("Lambda",), data["Lambda"], "a profile's Lambda settings are not used; its region is that of stack utils")
    objects = _objects(draft, data, ("UXData",))
    if "UXData" in objects:
        old_people.read(draft, objects["UXData"], ("UXData",), profile=True)
    return Imported("profile", None, "", {}, _proposal(draft, _region(data), []), tuple(draft.verdicts))


def _region(data: Mapping[str, Any]) -> str:
    """Names of IAM users end in it."""
    given = data.get("Lambda")
    config = given.get("LambdaConfig") if isinstance(given, dict) else None
    region = config.get("REGION") if isinstance(config, dict) else data.get("REGION")
    return region if isinstance(region, str) and len(region) <= 20 else ""


def _proposal(draft: Draft, region: str, analyses: list[str]) -> str:
    """groups.yaml with what the old file says of people; "" when it names no group with an analysis."""
    groups, users = {}, set()
    for group, known in draft.groups.items():
        uses = known.get("analyses", analyses)
        if not uses:
            continue
        members = [f"{member}{region}" for member in known["members"]]
        users.update(members)
        groups[group] = {"members": members, "analyses": dict.fromkeys(uses)}
    if not groups:
        return ""
    document = {"schema_version": 1, "users": {user: {"existing": True} for user in sorted(users)}, "groups": groups}
    head = (
        "# A proposal, made from a file of the first implementation: copy what you want into groups.yaml beside Pulumi.yaml.\n"
        "# Names of its IAM users end in the region. A group that stands here must not stand in the blueprint's own `groups`.\n"
    )
    return head + yaml12.dump(document)


def write(imported: Imported, text: str, root: Path, source: str, script: Path | None = None) -> list[str]:
    """Makes `blueprints/<name>/` from an import; the files made, relative to `root`. `script` becomes the run script, if given.

    Raises InvalidInput when the name is missing, breaks the rule or exists, or the script cannot be read.
    """
    name = imported.name or ""
    check_new_name(name, root)
    if script is not None and not script.is_file():
        raise InvalidInput([Problem("--script", f"no file {script}", "the analysis script that the old command ran", "Correct the path")])
    folder = root / "blueprints" / name
    body = yaml12.dump(imported.blueprint, width=140)
    original = Path(source).name
    head = f"# Imported from {original}. {KEPT}/report.json has a verdict for each of its fields, {KEPT}/{original} is that file.\n"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".import-") as scratch:
        made = Path(scratch) / name
        (made / KEPT).mkdir(parents=True)
        (made / FILE).write_text(head + body, encoding="utf-8")
        (made / KEPT / original).write_text(text, encoding="utf-8")
        (made / KEPT / "report.json").write_text(json.dumps(imported.to_dict(), indent=2) + "\n", encoding="utf-8")
        if imported.groups:
            (made / KEPT / "groups.yaml").write_text(imported.groups, encoding="utf-8")
        if script is not None:
            (made / imported.blueprint["script"]).write_bytes(script.read_bytes())
        made.rename(folder)
    return sorted(str(file.relative_to(root)) for file in folder.rglob("*") if file.is_file())
