"""Rules for values that botocore's models of the services know: lengths, ranges, patterns and choices.

A handler says which inputs go into which members of which request (`Handler.sent`); what is below them is
walked along the service's shapes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.pulumi.provider import shape as spelling
from localcloud.pulumi.provider.aws import models
from localcloud.pulumi.provider.codec import Unknown
from localcloud.pulumi.provider.model import Handler

if TYPE_CHECKING:
    from botocore.model import Shape

MANY = 12
"""More choices than these are not listed in a message."""


@functools.cache
def _members(service: str, operation: str) -> Mapping[str, Shape]:
    """The members of an operation's request. Reading a service's model takes some 10 ms, once."""
    from botocore import xform_name  # 0.1 s: not before the port is printed
    from botocore.model import ServiceModel

    # Named as botocore's clients name it, so that they and we share what was read.
    model = ServiceModel(models().load_service_model(service, "service-2", api_version=None))
    name = next(name for name in model.operation_names if xform_name(name) == operation)
    request = model.operation_model(name).input_shape
    return request.members if request is not None else {}


def problems(handler: Handler, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) for every value in `inputs` that the service would refuse."""
    for key, path in handler.sent.items():
        if inputs.get(key) is None:
            continue
        shape: Shape | None = None
        members = _members(*handler.request)
        for part in path.split("."):
            shape = members.get(part)
            members = getattr(shape, "members", {})
        if shape is not None:
            yield from _value(inputs[key], shape, handler.shape, key)


def _value(value: Any, shape: Shape, names: spelling.Shape, path: str) -> Iterator[tuple[str, str]]:
    if value is None or isinstance(value, Unknown):
        return
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        for key, item in value.items():
            member = shape.members.get(names.name(key))  # type: ignore[attr-defined]
            if member is not None and key not in names.texts:
                yield from _value(item, member, names, f"{path}.{key}")
        return
    reason = _reason(value, shape)
    if reason:
        yield path, reason
    elif kind == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value(item, shape.member, names, f"{path}[{index}]")  # type: ignore[attr-defined]


def _reason(value: Any, shape: Shape) -> str | None:
    """What is wrong with the value itself, as got; allowed; what to do."""
    choices = getattr(shape, "enum", None) or []
    if choices:
        if value in choices:
            return None
        allowed = (
            ", ".join(choices) if len(choices) <= MANY else f"{len(choices)} choices such as {choices[-1]}"
        )
        return f"got {value!r}; allowed: {allowed}; choose one of them"
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    size, unit = (
        (value, "") if isinstance(value, (int, float)) else (len(value), _UNITS.get(shape.type_name, ""))
    )
    if (low is not None and size < low) or (high is not None and size > high):
        allowed = f"{low if low is not None else 'any'} to {high if high is not None else 'any'}"
        return f"got {size}{unit}; {allowed}{unit} are allowed; change it"
    pattern = _compiled(shape.metadata.get("pattern", ""))
    if pattern is not None and isinstance(value, str) and not pattern.fullmatch(value):
        shown = value if len(value) <= 60 else f"{value[:57]}..."
        return f"got {shown!r}; allowed: what matches {pattern.pattern}; change it to fit"
    return None


_UNITS = {"string": " characters", "list": " items", "map": " entries"}


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, unless Python does not know its dialect."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
