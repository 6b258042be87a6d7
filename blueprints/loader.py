"""From files to a `Blueprint`: parse, check, merge, check again. All problems of a blueprint are reported at
once.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from blueprints import base, checks, needs, runs, schema, volume
from blueprints.document import YamlDocument, parse
from blueprints.finding import BlueprintFinding, finding, some
from blueprints.finding import Path as ValuePath
from blueprints.merge import Layers
from blueprints.model import FILE, Blueprint, Imaged, ImageSettings, Stage
from blueprints.parents import BASE
from blueprints.reserved import RESERVED
from neurocaas.protocol.chain import ChainStep
from neurocaas.protocol.names import ANALYSIS_NAME
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.problems import InvalidInput, shown
from neurocaas.protocol.settings import DataSettings, InstanceSettings, Limits
from neurocaas.protocol.typed_json import read

_NOT_SETTINGS = frozenset({"schema_version", "stages"})


def names(root: Path) -> tuple[str, ...]:
    """The analyses of the project in `root` (the folder of Pulumi.yaml), sorted."""
    return tuple(sorted(path.parent.name for path in (root / "blueprints").glob(f"*/{FILE}")))


def misnamed(folder: Path, file: str) -> str:
    """The name of a file of `folder` that is nearly `file` (.yml, another case) where `file` itself is
    missing; "" without one.
    """
    if (folder / file).is_file() or not folder.is_dir():
        return ""
    nearly = {file.lower(), file.lower().removesuffix(".yaml") + ".yml"}
    return next((one.name for one in sorted(folder.iterdir()) if one.name.lower() in nearly), "")


def load(
    name: str,
    stage: Stage | str,
    root: Path,
    overrides: Mapping[str, Any] | None = None,
    known_types: Collection[str] | None = None,
) -> Blueprint:
    """The blueprint `name`, resolved for `stage`.

    `overrides` is the stack's `neurocaas:overrides`, shaped as a stage section; `known_types` are the
    instance types on offer, None for any. Raises InvalidInput with every problem found, each with file and
    line.
    """
    layers, problems = _resolve(name, Stage(stage), root, overrides, known_types)
    if problems:
        raise InvalidInput(problems)
    return _blueprint(layers.data, Stage(stage), root, family=("instance", "types") not in layers.origins)


def imaged(
    name: str, root: Path, stage: Stage | str = Stage.WEBDEV, overrides: Mapping[str, Any] | None = None
) -> Imaged:
    """What the image `name` is of: `base`, else the blueprint, as `load` gives it. Raises InvalidInput as
    `load`.
    """
    return base.load(root) if name == BASE else load(name, stage, root, overrides)


def load_problems(
    name: str, root: Path, known_types: Collection[str] | None = None
) -> tuple[BlueprintFinding, ...]:
    """Every problem that the blueprint has in any of the stages, without repetitions."""
    found: dict[BlueprintFinding, None] = {}
    for stage in Stage:
        found.update(dict.fromkeys(_resolve(name, stage, root, None, known_types)[1]))
    return tuple(found)


def _resolve(
    name: str,
    stage: Stage,
    root: Path,
    overrides: Mapping[str, Any] | None,
    known_types: Collection[str] | None,
) -> tuple[Layers, list[BlueprintFinding]]:
    layers = Layers()
    folder = root / "blueprints" / name
    source = f"blueprints/{name}/{FILE}"
    named = ANALYSIS_NAME.fullmatch(name) is not None
    if not named or not (folder / FILE).is_file():
        known = f"the blueprints there are: {some(names(root))}"
        if named and (other := misnamed(folder, FILE)):
            got, allowed, do = f"no file {source}, but {other}", f"the name {FILE}", f"Rename {other}"
        elif named:
            got, allowed, do = (
                f"no file {source}",
                known,
                f"Correct the name, or make it: invoke configure {name}",
            )
        else:
            got, allowed = (
                f"{shown(name)}, which is no name of an analysis",
                "3 to 63 lowercase letters, digits and '-', no '-' at an end",
            )
            do = "Rename the folder" if name in names(root) else f"Correct the name; {known}"
        missing = finding(source if named else "blueprints", None, (), "file.missing", got, allowed, do)
        return layers, [replace(missing, field=f"blueprint {shown(name)}")]
    if name in RESERVED:
        do = f"Rename the folder, and `name` in its {FILE}"
        taken = finding(
            source, None, (), "name.reserved", shown(name), f"any other name: {RESERVED[name]}", do
        )
        return layers, [replace(taken, field=f"{source}: name of the analysis")]
    try:
        text = (folder / FILE).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        got = f"bytes that are not UTF-8 ({error.reason})"
        return layers, [
            finding(source, None, (), "file.encoding", got, "a text file in UTF-8", "Save it as UTF-8")
        ]
    except OSError as error:
        got = f"a file that cannot be read ({error.strerror})"
        return layers, [
            finding(
                source,
                None,
                (),
                "file.unreadable",
                got,
                "a file that may be read",
                "Correct its rights: ls -l",
            )
        ]
    document = parse(text, source)
    stack = YamlDocument(f"stacks/Pulumi.{name}-{stage}.yaml: neurocaas:overrides", dict(overrides or {}))
    problems = [*(document.problems or schema.check(document)), *schema.check(stack, part=schema.OVERRIDES)]
    if not isinstance(document.data, dict):
        return layers, problems
    wrong = [problem.path for problem in problems]
    layers.add(YamlDocument("", schema.defaults()))
    usable = _without(document, wrong)
    layers.add(usable, skip=_NOT_SETTINGS)
    if stage in usable.data.get("stages", {}):
        layers.add(usable, ("stages", stage.value))
    layers.add(_without(stack, wrong))
    problems += [*needs.settle(layers), *volume.settle(layers)]
    instance = layers.data["instance"]
    instance.setdefault("volume_gib", base.default_volume(layers.data["image"]["parent"], root))
    instance.setdefault("types", [instance["type"]])
    instance.setdefault("fallback", [name for name in instance["types"] if name != instance["type"]])
    # What is wrong with a whole stage section takes no setting away: the others are still checked.
    settings = [
        path[2:] if path[:1] == ("stages",) else path
        for path in wrong
        if path[:1] != ("stages",) or len(path) > 2
    ]
    problems += checks.check(layers, folder, known_types, settings)
    return layers, sorted(problems, key=lambda problem: (problem.source != source, problem.line or 0))


def _outside(entry: Mapping[str, Any]) -> OutsideBucket:
    defaults = {"prefix": "", "use": ["inputs"], "groups": []}
    return read(OutsideBucket, {**defaults, **entry}, "outside bucket")


def _without(document: YamlDocument, wrong: Collection[ValuePath]) -> YamlDocument:
    """The document without the values at the paths `wrong`, so that what else it says can still be
    checked.
    """
    data = copy.deepcopy(document.data)
    for path in wrong:
        # What stands in a list takes its list along: the places of the others would move.
        keys = list(itertools.takewhile(lambda part: isinstance(part, str), path))
        parent = data
        for key in keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if keys and isinstance(parent, dict):
            parent.pop(keys[-1], None)
    return YamlDocument(document.source, data, document.lines)


def _blueprint(data: Mapping[str, Any], stage: Stage, root: Path, *, family: bool) -> Blueprint:
    settings = {key: value for key, value in data.items() if key != "stages"}
    canonical = json.dumps({"stage": stage, **settings}, sort_keys=True, separators=(",", ":"))
    return Blueprint(
        name=data["name"],
        stage=stage,
        title=data["title"],
        description=data["description"],
        dataset_description=data["datasets"]["description"],
        dataset_example=data["datasets"]["example"],
        bucket=data.get("bucket", ""),
        script=data["script"],
        instance=replace(read(InstanceSettings, data["instance"], "instance"), family=family),
        image=ImageSettings(**data["image"]),
        limits=read(Limits, data["limits"], "limits"),
        data=read(DataSettings, data["datasets"], "datasets"),
        groups=tuple(data["groups"]),
        outside_buckets=tuple(_outside(one) for one in data["outside_buckets"]),
        input_addresses=tuple(data["input_addresses"]),
        secrets=tuple(data["secrets"]),
        network=data["network"],
        budget_usd=float(data["budget_usd"]),
        parameters=data.get("parameters"),
        compare=data["compare"],
        results_required=tuple(data["results"]["required"]),
        runs=runs.rules(data),
        takes_from=tuple(data["takes_from"]),
        next=read(ChainStep, data["next"], "next") if "analysis" in data["next"] else None,
        root=root,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )
