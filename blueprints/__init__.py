"""What an analysis is: `blueprint.yaml` files, their schema and their loader. No AWS and no Pulumi in
here.
"""

from blueprints.base import Base, parent_at, parent_of
from blueprints.edit import forget_image, record_image, require_image
from blueprints.loader import imaged, load, load_problems, names
from blueprints.model import (
    Blueprint,
    Imaged,
    ImageSettings,
    StackName,
    Stage,
    parse_stack_name,
)
from blueprints.parents import BASE, PARENTS, ParentImage, parent_image

__all__ = [
    "BASE",
    "PARENTS",
    "Base",
    "Blueprint",
    "ImageSettings",
    "Imaged",
    "ParentImage",
    "StackName",
    "Stage",
    "forget_image",
    "imaged",
    "load",
    "load_problems",
    "names",
    "parent_at",
    "parent_image",
    "parent_of",
    "parse_stack_name",
    "record_image",
    "require_image",
]
