"""Which secrets of a stack have a value in the parameter store. Values are never read here."""

from collections.abc import Sequence
from typing import Any


def stored(ssm: Any, stack: str) -> dict[str, str]:
    """When the value of each secret of the stack was stored (ISO 8601), by name."""
    from neurocaas.protocol.documents import iso
    from neurocaas.protocol.secrets import parameter_name

    path = parameter_name(stack, "")
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "OneLevel", "Values": [path.rstrip("/")]}]
    )
    return {
        one["Name"].removeprefix(path): iso(one["LastModifiedDate"])
        for page in pages
        for one in page["Parameters"]
    }


def without_value(ssm: Any, stack: str, named: Sequence[str]) -> list[str]:
    """Those of the blueprint's secrets that have no value yet."""
    have = stored(ssm, stack) if named else {}
    return [name for name in named if name not in have]


def remove_all(ssm: Any, stack: str) -> list[str]:
    """Delete the values of a stack that is gone; their names."""
    from neurocaas.protocol.secrets import parameter_name

    names = sorted(stored(ssm, stack))
    for name in names:
        ssm.delete_parameter(Name=parameter_name(stack, name))
    return names
