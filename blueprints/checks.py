"""What a schema cannot say: files that must exist, values that must fit each other."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from blueprints.merge import Layers
from blueprints.parents import PARENTS, RETIRED, parent_image
from runtime.protocol.names import RESERVED_GROUPS
from runtime.protocol.problems import Problem, shown


def check(layers: Layers, folder: Path, known_types: Collection[str] | None = None) -> list[Problem]:
    """All problems of merged settings that are already right by the schema. Reads the blueprint's folder.

    `known_types`: instance types on offer, None for any.
    """
    data = layers.data
    return [
        *_name(layers, data, folder),
        *_script(layers, data, folder),
        *_instance(layers, data["instance"], known_types),
        *_image(layers, data["image"], folder),
        *_groups(layers, data["groups"]),
        *_parameters(layers, data.get("parameters")),
    ]


def _name(layers: Layers, data: dict[str, Any], folder: Path) -> list[Problem]:
    if data["name"] == folder.name:
        return []
    do = "Rename the folder, or change the name"
    return [Problem(layers.place(("name",)), shown(data["name"]), f"the name of its folder, {folder.name!r}", do)]


def _script(layers: Layers, data: dict[str, Any], folder: Path) -> list[Problem]:
    script = folder / data["script"]
    if script.is_file() and script.stat().st_size:
        return []
    got = f"{data['script']!r}, which {'is empty' if script.is_file() else 'does not exist'}"
    return [Problem(layers.place(("script",)), got, f"a script in {folder.name}/", "Write the script, or correct its name")]


def _instance(layers: Layers, instance: dict[str, Any], known_types: Collection[str] | None) -> list[Problem]:
    problems = []
    for index, name in enumerate(instance["types"]):
        if known_types is not None and name not in known_types:
            where = layers.place(("instance", "types", index))
            problems.append(Problem(where, shown(name), ", ".join(sorted(known_types)), "Choose one of these, or add its price"))
    if instance["type"] not in instance["types"]:
        do = "Add the type to instance.types, or choose another"
        allowed = f"one of instance.types ({', '.join(instance['types'])})"
        problems.append(Problem(layers.place(("instance", "type")), shown(instance["type"]), allowed, do))
    if instance["duration_minutes"] > instance["max_duration_minutes"]:
        allowed = f"at most instance.max_duration_minutes ({instance['max_duration_minutes']})"
        where = layers.place(("instance", "duration_minutes"))
        problems.append(Problem(where, str(instance["duration_minutes"]), allowed, "Lower the default, or raise the maximum"))
    return problems


def _image(layers: Layers, image: dict[str, Any], folder: Path) -> list[Problem]:
    problems = []
    try:
        parent_image(image["parent"])
    except ValueError as error:
        code = image["parent"]
        do = f"Write {RETIRED[code]}" if code in RETIRED else "Choose one of these"
        allowed = f"{', '.join(PARENTS)}, an AMI id (ami-…), or ssm:<parameter>"
        problems.append(Problem(layers.place(("image", "parent")), str(error), allowed, do))
    scripts = sorted((folder / "provision").glob("*.sh"))
    where = layers.place(("image", "required"))
    if image["required"] and not scripts:
        allowed = "at least one script provision/*.sh when image.required is true"
        problems.append(Problem(where, "no provisioning script", allowed, "Add provision/10-packages.sh, or set image.required: false"))
    for script in scripts:
        if not script.read_bytes().strip():
            name = f"blueprints/{folder.name}/provision/{script.name}"
            problems.append(Problem(name, "an empty script", "a script with commands", "Write it, or remove the file"))
    return problems


def _groups(layers: Layers, groups: list[str]) -> list[Problem]:
    problems = []
    for index, group in enumerate(groups):
        if group in RESERVED_GROUPS:
            allowed = "any other name: this prefix of the bucket belongs to the service"
            problems.append(Problem(layers.place(("groups", index)), shown(group), allowed, "Rename the group"))
    return problems


def _parameters(layers: Layers, parameters: dict[str, Any] | None) -> list[Problem]:
    if parameters is None:
        return []
    where = layers.place(("parameters",))
    try:
        json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        return [Problem(where, str(error), "values that JSON has", "Put dates and the like in quotes")]
    from jsonschema import Draft202012Validator, SchemaError  # imported late: 0.1 s

    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        inner = ("parameters", *error.absolute_path)
        got = error.message if len(error.message) < 200 else error.message[:199] + "…"
        return [Problem(layers.place(inner), got, "a JSON Schema (draft 2020-12)", "Correct the schema of the config file")]
    if parameters.get("type", "object") != "object":
        where = layers.place(("parameters", "type"))
        return [Problem(where, shown(parameters["type"]), "object: a config file is a mapping", "Write type: object")]
    return []
