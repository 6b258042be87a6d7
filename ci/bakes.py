"""Which images are missing, without asking AWS: what a blueprint records beside the recipe that its scripts make now."""

from __future__ import annotations

from pathlib import Path

import blueprints
from ci.preview import Bake
from image_builder import provenance
from image_builder.recipe import recipe_of


def needed(stack: str, root: Path, account: str, region: str) -> Bake | None:
    """The image that the stack of an analysis lacks in an account and region; None when it has it, or needs none.

    Raises InvalidInput for a blueprint or a recording that cannot be read.
    """
    name = blueprints.parse_stack_name(stack)
    blueprint = blueprints.load(name.analysis, name.stage, root)
    recipe = recipe_of(blueprint)
    if recipe is None:
        return None
    command = f"invoke bake-ami --stack {stack}"
    image = blueprint.image.baked(account, region)
    if image is None:
        return Bake(f"none is recorded for account {account} in {region}", command) if blueprint.image.required else None
    entry = provenance.read(blueprint.folder).get(f"{account}/{region}", {})
    if entry.get("image_id") == image and entry.get("recipe_sha256") != recipe.sha256:
        return Bake(f"{image} was made from an older recording", command)
    return None
