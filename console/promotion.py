"""From one stage to a later one: the same image, code and blueprint, or nothing."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import blueprints
from blueprints import Stage
from console.errors import UserError

_SAME = ("image_id", "image_recipe_sha256", "code_sha256")
"""Outputs that must be equal in both stacks afterwards."""


def check(source: str, target: str, root: Path) -> tuple[blueprints.Blueprint, blueprints.Blueprint]:
    """The blueprint at both stages. Raises UserError unless the two stacks are of one analysis, the second at
    a later stage, with buckets of their own."""
    stages = list(Stage)
    try:
        one, other = blueprints.parse_stack_name(source), blueprints.parse_stack_name(target)
    except ValueError:
        allowed, do = "two stacks <analysis>-<stage>", "for instance: invoke promote dti-webdev dti-prod"
        raise UserError(f"{source} and {target}", allowed, do) from None
    if one.analysis != other.analysis:
        allowed = f"two stages of one analysis, for instance {source} and {one.analysis}-{stages[-1]}"
        raise UserError(f"{source} and {target}, two analyses", allowed, "name the same analysis twice")
    if stages.index(one.stage) >= stages.index(other.stage):
        raise UserError(
            f"{source} to {target}",
            f"from an earlier to a later one of: {', '.join(stages)}",
            "turn the two around",
        )
    before, after = (blueprints.load(one.analysis, stage, root) for stage in (one.stage, other.stage))
    if before.bucket and before.bucket == after.bucket:
        where = f"blueprints/{one.analysis}/blueprint.yaml, stages.{other.stage}.bucket"
        raise UserError(
            f"bucket '{after.bucket}' at both stages",
            "a bucket for each stage: their names are unique in all of AWS",
            f"give {target} its own in {where}",
        )
    return before, after


def differences(before: blueprints.Blueprint, after: blueprints.Blueprint) -> list[str]:
    """What the blueprint itself says differently at the two stages, a line each."""
    one, other = (_flat(asdict(blueprint)) for blueprint in (before, after))
    return [
        f"{key}: {one.get(key)} -> {other.get(key)}"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]


def _flat(data: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and key != "parameters":
            found |= _flat(value, f"{path}.")
        elif path not in ("stage", "digest", "root"):
            found[path] = value or "a name of its own" if path == "bucket" else value
    return found


def carried(outputs: Mapping[str, Any]) -> list[str]:
    """What goes along, a line each."""
    image = outputs.get("image_id")
    recipe = str(outputs.get("image_recipe_sha256") or "none")[:12]
    return [f"image {image} (recipe {recipe})", f"code {str(outputs.get('code_sha256'))[:12]}"]


def not_the_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the outputs of the two stacks though it should not, a line each."""
    return [
        f"{name}: {before.get(name)} and {after.get(name)}"
        for name in _SAME
        if before.get(name) != after.get(name)
    ]
