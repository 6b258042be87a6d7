"""Service models without their documentation (EC2: 7 MB of memory instead of 60)."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import botocore
from botocore.model import ServiceModel


def _without_documentation(item: dict[str, Any]) -> dict[str, Any]:
    if isinstance(item.get("documentation"), str):
        del item["documentation"]
    return item


@functools.cache
def service_model(name: str) -> ServiceModel:
    """The newest model of a service (``ec2``, ``imagebuilder``) that the installed botocore ships."""
    return ServiceModel(raw_model(name), name)


@functools.cache
def raw_model(name: str) -> dict[str, Any]:
    """The same as plain data."""
    newest = max((Path(botocore.__file__).parent / "data" / name).iterdir())
    with gzip.open(newest / "service-2.json.gz", "rt") as file:
        model: dict[str, Any] = json.load(file, object_hook=_without_documentation)
        return model
