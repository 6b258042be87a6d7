"""A job's config, as it is on this computer or in the bucket, checked as the service checks it: all that is
wrong, with file, line and column.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neurocaas.errors import AnalysisError
from neurocaas.positions import Positions, positions
from neurocaas.protocol.config import ConfigRules, JobConfig, parse_config
from neurocaas.protocol.normal import normal_text
from neurocaas.protocol.problems import InvalidInput, Problem, shown

_EMPTY = "config.json"
"""What the config of a job is called that names none."""


@dataclass(frozen=True)
class ConfigFile:
    """`name`: how people call it, and by whose ending it is read; `raw` its content. `here`: whether it is
    a file, in which a line can be named."""

    name: str
    raw: bytes
    here: bool = True


def text_of(config: Mapping[str, Any]) -> str:
    """A config that is a mapping, as its file has it. Raises AnalysisError for what JSON cannot hold."""
    try:
        return normal_text(config)
    except (TypeError, ValueError) as error:
        raise AnalysisError(
            f"a config that JSON cannot hold: {error}", "texts, numbers, lists and mappings", "change it"
        ) from error


def name_of(config: str | Mapping[str, Any]) -> str:
    """What a job's config is called when people are told of it."""
    if not config:
        return "the default config"
    return f"config {config}" if isinstance(config, str) else "a config of its own"


def of_values(config: Mapping[str, Any]) -> ConfigFile:
    """Of values that were given as they are."""
    return ConfigFile(_EMPTY, text_of(config).encode(), here=False)


def of_path(path: str | Path) -> ConfigFile:
    """Of a file on this computer. Raises AnalysisError for one that cannot be read."""
    try:
        return ConfigFile(str(path), Path(path).read_bytes())
    except OSError as error:
        raise AnalysisError(
            f"config {str(path)!r}: {error.strerror}", "a file that you may read", "change its mode"
        ) from error


def checked(file: ConfigFile, rules: ConfigRules) -> tuple[JobConfig | None, list[AnalysisError]]:
    """The config as the job would have it, or all that is wrong with it."""
    try:
        return parse_config(file.raw, file.name, rules), []
    except InvalidInput as error:
        problems = list(error.problems)
    places = positions(file.raw.decode("utf-8", "replace"), file.name)
    if not places.twice:
        return None, [_told(file, places, problem) for problem in problems]
    # what is wrong besides is told as well: as if each of them stood there once
    errors = [_named_twice(file, *one) for one in places.twice]
    try:
        parse_config(places.text.encode(), file.name, rules)
    except InvalidInput as error:
        errors += [_told(file, places, problem) for problem in error.problems]
    return None, errors


def _told(file: ConfigFile, places: Positions, problem: Problem) -> AnalysisError:
    position = places.of(problem.field) if file.here else None
    if not file.here:
        got = problem.place()
    elif position is None:
        got = f"{file.name}: {replace(problem, field=_own(problem.field)).place()}"
    else:
        got = f"{file.name}:{position.line}:{position.column}: {_own(problem.field)}: got {problem.got}"
    do = problem.do[:1].lower() + problem.do[1:]
    return AnalysisError(got, problem.allowed, do)


def _own(field: str) -> str:
    """`config window size` is called `window size` behind the file's name."""
    return field.removeprefix("config ")


def _named_twice(file: ConfigFile, place: str, name: str, position: Any) -> AnalysisError:
    where = f"{file.name}:{position.line}:{position.column}: " if file.here else ""
    inside = "" if place == "config" else f" in {_own(place)}"
    return AnalysisError(
        f"{where}the name {shown(name)} twice{inside}", "each name once in a mapping", "remove one of the two"
    )


def example(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values for each parameter of a schema that says one (its default, else its first example), and for
    those that must be there one that fits: a config to begin with."""
    found: dict[str, Any] = {}
    needed = (parameters or {}).get("required", ())
    for name, rule in (parameters or {}).get("properties", {}).items():
        if not isinstance(rule, Mapping):
            continue
        if "default" in rule:
            found[name] = rule["default"]
        elif rule.get("examples"):
            found[name] = rule["examples"][0]
        elif name in needed:
            found[name] = _fitting(rule)
    return json.loads(json.dumps(found)) if found else found  # a copy


def _fitting(rule: Mapping[str, Any]) -> Any:
    if "const" in rule:
        return rule["const"]
    if rule.get("enum"):
        return rule["enum"][0]
    kind = rule.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    least = rule.get("minimum", rule.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in rule else 0)
    simple: dict[str, Any] = {"boolean": False, "array": [], "object": {}, "null": None}
    return least if kind in ("integer", "number") else simple.get(kind, "")
