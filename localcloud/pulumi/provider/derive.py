"""Derives from the installed `pulumi_aws` what `sdk` hands out: argument names, types and outputs.

`python -m localcloud.pulumi.provider.derive` prints the schema of the table's types as JSON. It runs as a
process of its own: importing single modules of `pulumi_aws` costs a second and leaves its lazy packages half
made.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from localcloud.pulumi.provider.table import TABLE


def derive(tokens: Iterable[str]) -> dict[str, Any]:
    """The schema of `tokens`, JSON-like and sorted."""
    objects: dict[str, Any] = {}
    resources = {token: _derive_resource(token, objects) for token in sorted(tokens)}
    return {
        "version": version("pulumi_aws"),
        "resources": resources,
        "objects": dict(sorted(objects.items())),
    }


def _derive_resource(token: str, objects: dict[str, Any]) -> dict[str, Any]:
    _, place, name = token.split(":")
    package, _ = place.split("/")
    package = {"lambda": "lambda_"}.get(package, package)
    module = importlib.import_module(f"pulumi_aws.{package}.{_snake(name)}")
    arguments_name, resource_name = module.__all__
    arguments, state = getattr(module, arguments_name), getattr(module, f"_{resource_name}State")
    source = inspect.getsource(module)
    secrets = re.search(r"additional_secret_outputs=\[(.*?)\]", source)
    return {
        "inputs": _property_types(arguments, package, objects),
        "required": _required(arguments),
        "outputs": sorted(_names(state).values()),
        "secrets": sorted(re.findall(r'"(\w+)"', secrets.group(1))) if secrets else [],
    }


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _names(cls: type) -> dict[str, str]:
    from pulumi import _types

    return dict(_types.input_type_py_to_pulumi_names(cls))


def _required(cls: type) -> list[str]:
    names = _names(cls)
    parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return sorted(
        wire for python, wire in names.items() if parameters[python].default is inspect.Parameter.empty
    )


def _property_types(cls: type, package: str, objects: dict[str, Any]) -> dict[str, str]:
    annotations = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    return {
        wire: _type(annotations[python].annotation, package, objects)
        for python, wire in sorted(_names(cls).items())
    }


def _type(annotation: Any, package: str, objects: dict[str, Any]) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        useful = [a for a in arguments if a is not type(None) and not _is_wrapper(a)]
        kinds = list(dict.fromkeys(_type(a, package, objects) for a in useful))
        kinds = [kind for kind in kinds if kind != "enum"]
        if "#iam.PolicyDocument" in kinds:
            return "document"
        return "|".join(sorted(kinds)) if kinds else "string"
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, typing.ForwardRef):
        return _forward(annotation.__forward_arg__, package, objects)
    if isinstance(annotation, str):
        return _forward(annotation, package, objects)
    name = getattr(annotation, "__name__", "")
    if name in ("Asset", "Archive"):
        return name.lower()
    if origin is not None and arguments:
        return (
            "{" + _type(arguments[1], package, objects) + "}"
            if len(arguments) == 2
            else "[" + _type(arguments[0], package, objects) + "]"
        )
    raise TypeError(f"no rule for the annotation {annotation!r} in pulumi_aws.{package}")


_SCALARS: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number", Any: "any"}


def _is_wrapper(annotation: Any) -> bool:
    """Awaitable[T] and Output[T], the other two forms of an input."""
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__.startswith("Output")
    return getattr(typing.get_origin(annotation), "__name__", "") == "Awaitable"


def _forward(name: str, package: str, objects: dict[str, Any]) -> str:
    if name.endswith("PolicyDocumentArgs"):
        return "#iam.PolicyDocument"
    if not name.endswith("Args"):
        return "enum"  # an enum of strings; its plain alternative stands beside it
    if "." in name:  # a type of another package: _iam.PolicyStatementArgs
        package, name = name.split(".")
        package = package.lstrip("_")
    inputs = importlib.import_module(f"pulumi_aws.{package}._inputs")
    key = f"{package.rstrip('_')}.{name.removesuffix('Args')}"
    if key not in objects:
        objects[key] = {}  # before the descent: objects may be recursive
        cls = getattr(inputs, name)
        objects[key] = {"properties": _property_types(cls, package, objects), "required": _required(cls)}
    return f"#{key}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(derive(TABLE)))
