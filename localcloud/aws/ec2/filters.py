"""Filters and pages of Describe operations."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from localcloud.aws.protocol.ec2query import Ec2Error

Item = TypeVar("Item")
Values = Callable[[Any], Iterable[Any]]


def matches(
    item: Any, tags: list[dict[str, str]], filters: list[dict[str, Any]], names: dict[str, Values]
) -> bool:
    """Whether an item passes every filter; a filter passes when one of its values (``*`` and ``?`` allowed)
    matches.

    Raises:
        Ec2Error: a filter name that is not in ``names`` and is not about tags.
    """
    for wanted in filters:
        name = wanted.get("Name", "")
        if name.startswith("tag:"):
            actual: Iterable[Any] = [tag["Value"] for tag in tags if tag["Key"] == name[4:]]
        elif name == "tag-key":
            actual = [tag["Key"] for tag in tags]
        elif name in names:
            actual = names[name](item)
        else:
            raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
        texts = [
            str(value).lower() if isinstance(value, bool) else str(value)
            for value in actual
            if value is not None
        ]
        if not any(
            fnmatch.fnmatchcase(text, pattern) for text in texts for pattern in wanted.get("Values", [])
        ):
            return False
    return True


def page(items: list[Item], request: dict[str, Any]) -> tuple[list[Item], str | None]:
    """The page that ``MaxResults`` and ``NextToken`` ask for, and the token of the next one."""
    token = request.get("NextToken") or "0"
    if not token.isdigit():
        raise Ec2Error("InvalidNextToken", "The token is not valid.")
    start = int(token)
    size = request.get("MaxResults") or len(items) or 1
    return items[start : start + size], str(start + size) if start + size < len(items) else None
