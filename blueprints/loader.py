"""From files to a `Blueprint`: parse, check, merge, check again. All problems of a blueprint are reported at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from blueprints import checks, schema
from blueprints.document import Document, parse
from blueprints.merge import Layers
from blueprints.model import Blueprint, ImageSettings, InstanceSettings, Limits, Stage
from runtime.protocol.problems import InvalidInput, Problem

FILE = "blueprint.yaml"
_NOT_SETTINGS = frozenset({"schema_version", "stages"})


def names(root: Path) -> tuple[str, ...]:
    """The analyses of the project in `root` (the folder of Pulumi.yaml), sorted."""
    return tuple(sorted(path.parent.name for path in (root / "blueprints").glob(f"*/{FILE}")))


def load(
    name: str,
    stage: Stage | str,
    root: Path,
    overrides: Mapping[str, Any] | None = None,
    known_types: Collection[str] | None = None,
) -> Blueprint:
    """The blueprint `name`, resolved for `stage`.

    `overrides` is the stack's `neurocaas:overrides`, shaped as a stage section; `known_types` are the instance types on offer,
    None for any. Raises InvalidInput with every problem found, each with file and line.
    """
    layers, problems = _resolve(name, Stage(stage), root, overrides, known_types)
    if problems:
        raise InvalidInput(problems)
    return _blueprint(layers.data, Stage(stage), root)


def load_problems(name: str, root: Path, known_types: Collection[str] | None = None) -> tuple[Problem, ...]:
    """Every problem that the blueprint has in any of the stages, without repetitions."""
    found: dict[Problem, None] = {}
    for stage in Stage:
        found.update(dict.fromkeys(_resolve(name, stage, root, None, known_types)[1]))
    return tuple(found)


def _resolve(
    name: str, stage: Stage, root: Path, overrides: Mapping[str, Any] | None, known_types: Collection[str] | None
) -> tuple[Layers, list[Problem]]:
    layers = Layers()
    folder = root / "blueprints" / name
    source = f"blueprints/{name}/{FILE}"
    if not (folder / FILE).is_file():
        known = f"the blueprints there are: {', '.join(names(root)) or 'none yet'}"
        return layers, [Problem(f"blueprint {name!r}", f"no file {source}", known, "Correct the name, or write it")]
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return layers, [Problem(source, f"bytes that are not UTF-8 ({error.reason})", "a text file in UTF-8", "Save it as UTF-8")]
    document = parse(text, source)
    problems = list(document.problems) or schema.check(document)
    stack = Document(f"stacks/Pulumi.{name}-{stage}.yaml: neurocaas:overrides", dict(overrides or {}))
    problems += schema.check(stack, part=schema.OVERRIDES)
    if problems:
        return layers, problems
    layers.add(Document("", schema.defaults()))
    layers.add(document, skip=_NOT_SETTINGS)
    if stage in document.data.get("stages", {}):
        layers.add(document, ("stages", stage.value))
    layers.add(stack)
    layers.data.setdefault("bucket", name)
    layers.data["instance"].setdefault("types", [layers.data["instance"]["type"]])
    return layers, checks.check(layers, folder, known_types)


def _blueprint(data: Mapping[str, Any], stage: Stage, root: Path) -> Blueprint:
    instance = dict(data["instance"])
    settings = {key: value for key, value in data.items() if key != "stages"}
    canonical = json.dumps({"stage": stage, **settings}, sort_keys=True, separators=(",", ":"))
    return Blueprint(
        name=data["name"],
        stage=stage,
        title=data["title"],
        description=data["description"],
        bucket=data["bucket"],
        script=data["script"],
        instance=InstanceSettings(**{**instance, "types": tuple(instance["types"])}),
        image=ImageSettings(**data["image"]),
        limits=Limits(**data["limits"]),
        groups=tuple(data["groups"]),
        budget_usd=float(data["budget_usd"]),
        parameters=data.get("parameters"),
        root=root,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )
