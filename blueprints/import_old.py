"""`invoke import-blueprint`: files of the first implementation become ours, with a verdict for each field."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprints import old_format, old_names, old_people, old_script, old_types
from blueprints.model import FILE
from blueprints.old_command import OldCommand
from blueprints.old_fields import Field, ImportContext, apply
from blueprints.old_groups import Proposal
from blueprints.starter import check_new_name
from blueprints.verdicts import Draft, FieldVerdict, Status, as_json, duplicate_keys
from neurocaas.protocol import yaml12
from neurocaas.protocol.problems import InvalidInput, Problem

KEPT = "imported"
"""Folder of the new blueprint with the old file as it was, and the report: what was dropped can be read there
for ever.
"""

_PROFILE_STAGES = ("webusercentric", "web", "dev")


@dataclass(frozen=True)
class Imported:
    """What an old file became. `name`: None when it has no usable one. `people`: the groups that it names,
    and `renamed` those that had another name. `run_script`: the text of its run script, from `command`."""

    kind: str
    name: str | None
    stage: str
    blueprint: Mapping[str, Any]
    people: Proposal
    verdicts: tuple[FieldVerdict, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    run_script: str = ""
    command: OldCommand = field(default_factory=OldCommand)

    @property
    def groups(self) -> str:
        """The proposal for groups.yaml, "" without one."""
        return self.people.text()

    @property
    def stops(self) -> list[FieldVerdict]:
        """What needs a decision before anything is written."""
        return [verdict for verdict in self.verdicts if verdict.status.stops]

    @property
    def asks(self) -> list[FieldVerdict]:
        """All that a person has to decide, before or after the import."""
        return [verdict for verdict in self.verdicts if verdict.status.asks]

    def to_dict(self) -> dict[str, Any]:
        counts = {
            status.value: sum(verdict.status is status for verdict in self.verdicts) for status in Status
        }
        head = {
            "schema_version": 1,
            "kind": self.kind,
            "name": self.name,
            "stage": self.stage,
            "counts": counts,
        }
        head["renamed_groups"] = dict(self.renamed)
        decisions = [verdict.to_dict() for verdict in self.asks]
        return {**head, "decisions": decisions, "fields": [verdict.to_dict() for verdict in self.verdicts]}


def parse(text: str) -> tuple[dict[str, Any], list[str]]:
    """The JSON object of a file, and the keys that it has twice. Raises InvalidInput for any other text."""
    try:
        data, twice = duplicate_keys(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput([_not_json(text, error)]) from None
    if not isinstance(data, dict):
        raise InvalidInput(
            [
                Problem(
                    "the file",
                    as_json(data),
                    "one JSON object with PipelineName, Lambda and UXData",
                    "Give another file",
                )
            ]
        )
    return data, twice


def read(
    text: str,
    types: Collection[str],
    name: str | None = None,
    *,
    otherwise: str | None = None,
    taken: Collection[str] = (),
    names: Mapping[str, str] | None = None,
) -> Imported:
    """Reads `stack_config_template.json` or `user_config_template.json`; never fails on what the text says,
    but for text that is no JSON object, which raises InvalidInput. `types`: instance types on offer, with
    their prices if it is a mapping. `name`: of the analysis, in place of PipelineName; `otherwise`: when that
    cannot be used, or is `taken`. `names`: of groups, where several files agree on them.
    """
    data, twice = parse(text)
    draft = Draft(names=names or old_names.new_names(old_people.names(data)))
    for key in dict.fromkeys(twice):
        draft.impossible(
            (key,),
            "given twice in one object",
            "each key once",
            "Remove one, or import --anyway with the last",
        )
    if _is_profile(data):
        return _profile(draft, data)
    return _blueprint(draft, data, ImportContext(types, name, otherwise, taken))


def _not_json(text: str, error: ValueError | RecursionError) -> Problem:
    if not text.strip():
        return Problem("the file", "an empty file", "one JSON object", "Give another file")
    if isinstance(error, RecursionError):
        return Problem(
            "the file", "values in values, too deep to be read", "one JSON object", "Give another file"
        )
    place = (
        f"line {error.lineno}, column {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else "the file"
    )
    why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    do = "Correct it there: JSON has no comments, no comma behind the last value, and only double quotes"
    return Problem(place, f"text that is not JSON ({why})", "one JSON object", do)


def _is_profile(data: Mapping[str, Any]) -> bool:
    ux = data.get("UXData")
    affiliates = ux.get("Affiliates") if isinstance(ux, dict) else None
    has = isinstance(affiliates, list) and any(
        isinstance(one, dict) and {"Pipelines", "KeySerialNumber"} & set(one) for one in affiliates
    )
    return has or data.get("STAGE") in _PROFILE_STAGES


def _objects(
    draft: Draft, data: Mapping[str, Any], names: Collection[str], above: tuple[str, ...] = ()
) -> dict[str, Mapping[str, Any]]:
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


def _blueprint(draft: Draft, data: Mapping[str, Any], context: ImportContext) -> Imported:
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
    if "name" not in draft.data and context.otherwise is not None:
        draft.set("name", context.otherwise)
    name = draft.data.get("name")
    people = _people(draft, _region(data), [name] if name else [])
    blueprint = _complete(draft, name, context)
    text = (
        old_script.write(name, blueprint["script"], draft.command_text, draft.command, draft.directory)
        if name
        else ""
    )
    return Imported(
        "blueprint",
        name,
        draft.stage,
        blueprint,
        people,
        tuple(draft.verdicts),
        _renamed(draft),
        text,
        draft.command,
    )


def _complete(draft: Draft, name: str | None, context: ImportContext) -> dict[str, Any]:
    """The new blueprint, in the order in which people read it."""
    if name is None:
        return {}
    data = draft.data
    instance = {"type": "m5.large", **data.get("instance", {})}
    instance["types"] = old_types.askable(instance["type"], context.types)
    instance["fallback"] = []  # there a job had the type that was named, or none
    title = f"{name} (imported)"
    # The script that COMMAND called may be put beside this one, under its own name.
    script = (
        f"run_{name}.sh" if Path(draft.command.script or "").name != f"run_{name}.sh" else f"start_{name}.sh"
    )
    head: dict[str, Any] = {
        "schema_version": 1,
        "name": name,
        "title": title,
        "script": script,
        "instance": instance,
    }
    image: dict[str, Any] = data.get("image", {"parent": "ubuntu24", "required": False})
    rest: dict[str, Any] = {key: data[key] for key in ("bucket", "limits", "budget_usd") if key in data}
    return {
        **head,
        "image": image,
        "groups": list(draft.groups)[: old_people.MOST_GROUPS] or ["debuggers"],
        **rest,
    }


def _renamed(draft: Draft) -> dict[str, str]:
    """Old name -> new name of the groups of this file that have another."""
    return {known["title"]: group for group, known in draft.groups.items() if known["title"] != group}


def _profile(draft: Draft, data: Mapping[str, Any]) -> Imported:
    def stage(inner: Draft, path: tuple[str | int, ...], value: str, context: ImportContext) -> None:
        if value in _PROFILE_STAGES:
            inner.dropped(path, value, "people are in groups.yaml, and stack utils makes them")
        else:
            do = "Correct it, or import --anyway"
            inner.impossible(path, as_json(value), ", ".join(_PROFILE_STAGES), do)

    fields = {"STAGE": Field("text", stage), "REGION": Field("text", old_format.TOP["REGION"].use)}
    apply(draft, fields, data, (), ImportContext(), old_format.OBJECTS)
    if "Lambda" in data:
        draft.dropped(
            ("Lambda",),
            data["Lambda"],
            "a profile's Lambda settings are not used; its region is that of stack utils",
        )
    objects = _objects(draft, data, ("UXData",))
    if "UXData" in objects:
        old_people.read(draft, objects["UXData"], ("UXData",), profile=True)
    return Imported(
        "profile", None, "", {}, _people(draft, _region(data), []), tuple(draft.verdicts), _renamed(draft)
    )


def _region(data: Mapping[str, Any]) -> str:
    """Names of IAM users end in it; "" when the file says none that is one."""
    given = data.get("Lambda")
    config = given.get("LambdaConfig") if isinstance(given, dict) else None
    said = (data.get("REGION"), config.get("REGION") if isinstance(config, dict) else None)
    return next(
        (region for region in said if isinstance(region, str) and old_format.REGION.fullmatch(region)), ""
    )


def _people(draft: Draft, region: str, analyses: list[str]) -> Proposal:
    """What the old file says of people, for groups.yaml."""
    people = Proposal()
    for group, known in draft.groups.items():
        people.add(
            group,
            known["title"],
            [f"{member}{region}" for member in known["members"]],
            known.get("analyses", analyses),
        )
    return people


def write(
    imported: Imported, text: str, root: Path, source: str, script: Path | None = None, *, force: bool = False
) -> list[str]:
    """Makes `blueprints/<name>/` from an import; the files of it, relative to `root`. `script`: the one that
    COMMAND called, put beside the run script, or in its place where COMMAND prepared nothing for it. `force`:
    write into a folder that exists; files there that are not of an import stay.

    Raises InvalidInput when the name is missing, breaks the rule or exists, or the script cannot be read.
    """
    name = imported.name or ""
    folder = root / "blueprints" / name
    if not (force and name and (folder / FILE).is_file()):
        check_new_name(name, root)
    if script is not None and not script.is_file():
        raise InvalidInput(
            [
                Problem(
                    "--script",
                    f"no file {script}",
                    "the analysis script that the old command ran",
                    "Correct the path",
                )
            ]
        )
    files = _files(imported, text, Path(source).name, script)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".import-") as scratch:
        made = Path(scratch) / name
        for path, content in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_bytes(content)
        if folder.exists():
            (folder / KEPT).mkdir(exist_ok=True)
            for path in files:
                (made / path).replace(folder / path)
        else:
            made.rename(folder)
    return sorted(f"blueprints/{name}/{path}" for path in files)


def _files(imported: Imported, text: str, original: str, script: Path | None) -> dict[str, bytes]:
    """The files of the new blueprint, by their path in its folder."""
    body = yaml12.dump(imported.blueprint, width=140)
    head = (
        f"# Imported from {original}. {KEPT}/report.json has a verdict for each of its fields, "
        f"{KEPT}/{original} is that file.\n"
    )
    run, inner = imported.blueprint["script"], imported.command.script
    files = {
        FILE: head + body,
        f"{KEPT}/{original}": text,
        f"{KEPT}/report.json": json.dumps(imported.to_dict(), indent=2) + "\n",
        run: imported.run_script,
    }
    if groups := imported.groups:
        files[f"{KEPT}/groups.yaml"] = groups
    made = {path: content.encode("utf-8", "surrogateescape") for path, content in files.items()}
    if script is not None:
        prepared = inner is not None and (bool(imported.command.prepares) or not imported.command.by_main)
        made[Path(inner).name if inner is not None and prepared else run] = script.read_bytes()
    return made
