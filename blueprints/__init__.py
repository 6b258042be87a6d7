"""What an analysis is: `blueprint.yaml` files, their schema and their loader. No AWS and no Pulumi in here."""

from blueprints.edit import record_image
from blueprints.loader import load, load_problems, names
from blueprints.model import Blueprint, ImageSettings, InstanceSettings, Limits, StackName, Stage, parse_stack_name
from blueprints.parents import PARENTS, ParentImage, parent_image

__all__ = [
    "PARENTS",
    "Blueprint",
    "ImageSettings",
    "InstanceSettings",
    "Limits",
    "ParentImage",
    "StackName",
    "Stage",
    "load",
    "load_problems",
    "names",
    "parent_image",
    "parse_stack_name",
    "record_image",
]
