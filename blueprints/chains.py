"""Analyses that follow one another: both must say so, and none may come back to where it began.

What another blueprint says is taken as it is written, in any of its stages: its mistakes are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blueprints.document import parse
from blueprints.finding import BlueprintFinding, meant
from blueprints.merge import Layers
from blueprints.model import FILE
from neurocaas.protocol.problems import shown


def findings(layers: Layers, folder: Path) -> Iterator[BlueprintFinding]:
    """What is wrong with `takes_from` and `next` of the blueprint in `folder`."""
    name = folder.name
    known = sorted(one.parent.name for one in folder.parent.glob(f"*/{FILE}"))
    others = [one for one in known if one != name]
    told = f"another analysis of this project: {', '.join(others) or 'there is none'}"
    for index, other in enumerate(layers.data["takes_from"]):
        if other not in others:
            do = meant(other, others, "Correct it, or remove it")
            yield layers.finding(("takes_from", index), "takes_from.unknown", shown(other), told, do)
    following = layers.data["next"].get("analysis")
    if following is None:
        return
    path = ("next", "analysis")
    if following not in others:
        do = meant(following, others, "Correct it, or remove `next`")
        yield layers.finding(path, "next.unknown", shown(following), told, do)
        return
    if name not in _said(folder.parent / following, "takes_from"):
        got = f"{following!r}, which does not say that it takes results of {name}"
        do = f"Write takes_from: [{name}] in blueprints/{following}/{FILE}"
        yield layers.finding(path, "next.not-taken", got, "an analysis that takes them", do)
    circle = _circle(folder.parent, name, following)
    if circle:
        got = f"{following!r}, from which the service would come back: {' → '.join(circle)}"
        yield layers.finding(path, "next.circle", got, "a chain that ends", "Remove one of these steps")


def _circle(blueprints: Path, name: str, following: str) -> list[str]:
    """The way from the blueprint back to itself, or to a step that it has come by already; [] for a chain
    that ends."""
    ways, seen = [[name, following]], set[str]()
    while ways:
        way = ways.pop()
        if way[-1] in way[:-1]:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [[*way, one] for one in _said(blueprints / way[-1], "next")]
    return []


def _said(folder: Path, field: str) -> list[str]:
    """The analyses that a blueprint names in `takes_from` or `next`, itself or for a stage."""
    try:
        data: Any = parse((folder / FILE).read_text(encoding="utf-8"), FILE).data
    except (OSError, UnicodeDecodeError):
        return []
    data = data if isinstance(data, dict) else {}
    stages = data.get("stages")
    parts = [data, *(stages.values() if isinstance(stages, dict) else ())]
    found = dict[str, None]()
    for part in parts:
        value = part.get(field) if isinstance(part, dict) else None
        if field == "next" and isinstance(value, dict):
            value = [value.get("analysis")]
        found.update(dict.fromkeys(one for one in value or () if isinstance(one, str)))
    return list(found)
