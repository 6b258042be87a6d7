"""Which images are missing, without asking AWS: what a blueprint records beside the recipe that its scripts
make now.
"""

from __future__ import annotations

from pathlib import Path

import blueprints
from blueprints.model import UTILS
from ci.preview import Bake
from image_builder import provenance
from image_builder.recipe import recipe_of


def needed(stack: str, root: Path, account: str, region: str) -> Bake | None:
    """The image that a stack lacks in an account and region; None when it has it, or needs none.

    Raises InvalidInput for a blueprint or a recording that cannot be read.
    """
    if stack == UTILS:
        imaged: blueprints.Imaged = blueprints.imaged(blueprints.BASE, root)
        required = False  # whoever stands on a base that was never baked is told by the blueprint's own check
    else:
        name = blueprints.parse_stack_name(stack)
        imaged = blueprints.imaged(name.analysis, root, name.stage)
        required = imaged.image.required
    recipe = recipe_of(imaged, account, region)
    if recipe is None:
        return None
    command = f"invoke bake-ami --stack {stack}"
    image = imaged.image.baked(account, region)
    if image is None:
        return Bake(f"none is recorded for account {account} in {region}", command) if required else None
    entry = provenance.read(imaged.folder).get(f"{account}/{region}", {})
    if entry.get("image_id") == image and entry.get("recipe_sha256") != recipe.sha256:
        return Bake(f"{image} was made from an older recording", command)
    return None
