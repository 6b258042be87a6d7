"""When two property values mean the same, and what the service's answer makes of an input."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from localcloud.pulumi.provider.codec import Archive, Asset, Unknown
from localcloud.pulumi.provider.sdk import load


def same(old: Any, new: Any) -> bool:
    """Whether two inputs mean the same: files by hash, JSON texts by content, nulls as absent. An unknown
    equals nothing.
    """
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return False
    if isinstance(old, (Asset, Archive)) or isinstance(new, (Asset, Archive)):
        return type(old) is type(new) and old.hash == new.hash
    if isinstance(old, dict) and isinstance(new, dict):
        return all(same(old.get(key), new.get(key)) for key in old.keys() | new.keys())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(same(a, b) for a, b in zip(old, new, strict=True))
    if isinstance(old, str) and isinstance(new, str):
        return old == new or same_json(old, new)
    return type(old) is type(new) and bool(old == new)


def same_json(a: str, b: str) -> bool:
    """Whether both texts are JSON objects or arrays with equal content; in IAM policies a lone string equals
    a list of one.
    """
    first, second = _json_container(a), _json_container(b)
    return first is not None and second is not None and (first == second or _unwrap(first) == _unwrap(second))


def _json_container(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _unwrap(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unwrap(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_unwrap(item) for item in value]
        if all(isinstance(item, str) for item in items):
            return items[0] if len(items) == 1 else sorted(items)
        return items[0] if len(items) == 1 else items
    return value


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """The top-level inputs that differ in meaning. Keys that begin with `__` are the provider's notes and
    never count.
    """
    return {
        key
        for key in old.keys() | new.keys()
        if not key.startswith("__") and not same(old.get(key), new.get(key))
    }


def reconcile(given: Any, live: Any, kind: str = "any", *, extra: bool) -> Any:
    """`live` in the words of `given` where they mean the same, so that an unchanged resource shows no
    difference.

    Files are not reported by AWS and stay as given. Sets keep the given order. In an object, members that
    only `live` has are AWS's
    defaults: kept with `extra` (outputs), else left out (inputs on refresh). In a map (tags, variables)
    they are a change by another hand and always kept. A zero value that AWS does not report stays as given.
    `kind` is the type in the words of `sdk`.
    """
    if isinstance(given, (Asset, Archive)):
        return given
    if live is None:
        return given if _is_empty(given) else None
    if given is None:
        return live
    if isinstance(given, dict) and isinstance(live, dict):
        merged = {
            key: reconcile(item, live.get(key), _member(kind, key), extra=extra)
            for key, item in given.items()
        }
        if extra or kind.startswith("{"):
            merged.update({key: item for key, item in live.items() if key not in given})
        return {key: item for key, item in merged.items() if item is not None}
    if isinstance(given, list) and isinstance(live, list):
        return _reconcile_list(given, live, kind[1:-1] if kind.startswith("[") else "any", extra=extra)
    if isinstance(given, str) and isinstance(live, str):
        return given if given == live or same_json(given, live) else live
    if isinstance(given, bool) or isinstance(live, bool):
        return given if str(given).lower() == str(live).lower() else live
    return given if str(given) == str(live) else live


def _member(kind: str, key: str) -> str:
    """The type of the member `key` of an object or map of type `kind`."""
    if kind.startswith("{"):
        return kind[1:-1]
    if kind.startswith("#"):
        return load().objects[kind[1:]].properties.get(key, "any")
    return "any"


def _reconcile_list(given: list[Any], live: list[Any], kind: str, *, extra: bool) -> list[Any]:
    if _scalars(given) and _scalars(live):
        return given if sorted(map(str, given)) == sorted(map(str, live)) else live
    if len(given) != len(live):
        return live
    remaining, matched = list(live), []
    for item in given:  # perhaps a set in another order
        twin = next((other for other in remaining if reconcile(item, other, kind, extra=False) == item), None)
        if twin is None:
            return [reconcile(a, b, kind, extra=extra) for a, b in zip(given, live, strict=True)]
        remaining.remove(twin)
        matched.append(reconcile(item, twin, kind, extra=extra))
    return matched


def _scalars(items: Iterable[Any]) -> bool:
    return all(isinstance(item, (str, int, float, bool)) for item in items)


def _is_empty(value: Any) -> bool:
    """Values that a service may leave out of its answer: they equal their absence."""
    if isinstance(value, dict):
        return all(_is_empty(item) for item in value.values())
    return value in ("", 0, False) or value == []
