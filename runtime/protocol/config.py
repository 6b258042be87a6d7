"""The configuration file of a job: JSON or YAML, a mapping, with a few keys that belong to the service."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.protocol.limits import CONFIG_MAX_BYTES, CONFIG_MAX_NODES, CONFIG_YAML_MAX_BYTES
from runtime.protocol.problems import InvalidInput, Problem, shown
from runtime.protocol.schema import check, with_defaults
from runtime.protocol.settings import AnalysisSettings

SUFFIXES = (".json", ".yaml", ".yml")
DURATION = "__duration__"
DATASET_SIZE = "__dataset_size__"
MODE, TRAIN, ENSEMBLE_SIZE, MEMBER = "mode", "train", "ensemble_size", "jobnb"
"""`mode: train` with `ensemble_size: N` analyses one dataset N times, with `jobnb` 1 to N. Other modes are the analysis's own."""


@dataclass(frozen=True)
class JobConfig:
    """`values` is the file with the blueprint's defaults filled in. `duration_minutes` bounds a machine's life,
    `dataset_size_gib` is added to its volume; `given` holds the service keys that the file really has; `members` is the size of
    an ensemble, None for a plain job."""

    values: Mapping[str, Any]
    duration_minutes: int
    dataset_size_gib: int
    given: frozenset[str]
    members: int | None = None


def max_bytes(key: str) -> int:
    """The largest configuration accepted under this name; YAML is slow to read, hence smaller."""
    return CONFIG_MAX_BYTES if key.lower().endswith(".json") else CONFIG_YAML_MAX_BYTES


def parse_config(raw: bytes, key: str, settings: AnalysisSettings) -> JobConfig:
    """Read and check a configuration. Raises InvalidInput with every problem found."""
    values = _read(raw, key)
    problems: list[Problem] = []
    duration = _whole(values, DURATION, settings.duration_minutes, 1, settings.max_duration_minutes, "minutes", problems)
    size = _whole(values, DATASET_SIZE, 0, 0, settings.max_dataset_size_gib, "GiB", problems)
    members = None
    if values.get(MODE) == TRAIN and ENSEMBLE_SIZE in values:
        members = _whole(values, ENSEMBLE_SIZE, 1, 1, settings.max_ensemble_size, "members", problems)
    if settings.parameters is not None:
        own = {name: value for name, value in values.items() if not is_service_key(name)}
        problems += check(own, settings.parameters, "config")
        values = {**values, **with_defaults(own, settings.parameters)}
    if problems:
        raise InvalidInput(problems)
    return JobConfig(values, duration, size, frozenset(values) & {DURATION, DATASET_SIZE}, members)


def is_service_key(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _read(raw: bytes, key: str) -> dict[str, Any]:
    limit = max_bytes(key)
    if len(raw) > limit:
        raise InvalidInput([Problem("config file", f"{len(raw)} bytes", f"up to {limit} bytes", "Put data into the inputs folder instead")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput([Problem("config file", f"text that is not UTF-8 ({error.reason})", "UTF-8", "Save it as UTF-8")]) from error
    try:
        value = _read_json(text) if key.lower().endswith(".json") else _read_yaml(text)
    except TwiceError as error:
        raise InvalidInput([error.problem("config file")]) from None
    if not isinstance(value, dict):
        got = "nothing" if value is None else shown(value)
        raise InvalidInput([Problem("config file", got, "a mapping of names to values", "Write it as name: value pairs")])
    try:
        plain = _plain(value, [CONFIG_MAX_NODES], 0)
    except _UnusableError as error:
        raise InvalidInput([Problem("config file", str(error), "values that JSON can hold", "Change the file")]) from None
    assert isinstance(plain, dict)
    return plain


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(
            [Problem("config file", f"text that is not JSON: {error.msg} at {where}", "JSON", "Correct the file")]
        ) from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput(
            [Problem("config file", "JSON that is nested too deeply or has too long numbers", "JSON", "Correct it")]
        ) from error


def _read_yaml(text: str) -> Any:
    import yaml  # costs 30 ms and is not in the Lambda runtime: packed beside runtime/ (runtime.manager.VENDORED)

    try:
        return yaml.load(text, _once_loader())  # noqa: S506 (it is the safe one)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        got = f"text that is not YAML: {error.problem or 'it is misformatted'}{where}"
        raise InvalidInput([Problem("config file", got, "YAML", "Correct the file")]) from error
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidInput([Problem("config file", "text that is not YAML: it is misformatted", "YAML", "Correct the file")]) from error


def _once_loader() -> Any:
    """YAML's safe loader, for mappings that have each name once. (What `<<` merges in is no second name.)"""
    import yaml

    class OnceLoader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            once([(name.value, None) for name, _ in node.value if isinstance(name, yaml.ScalarNode) and name.value != "<<"])
            return node

    return OnceLoader


class TwiceError(Exception):
    """A mapping has a name twice; which value counts would depend on who reads it."""

    def problem(self, field: str) -> Problem:
        return Problem(field, f"the name {shown(self.args[0])} twice", "each name once in a mapping", "Remove one of the two")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of these names and values (an `object_pairs_hook` for JSON). Raises TwiceError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise TwiceError(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return found


class _UnusableError(Exception):
    """A value that the protocol cannot carry."""


def _plain(value: Any, budget: list[int], depth: int) -> Any:
    """`value` as plain JSON values. `budget` counts down over the expanded tree, since YAML aliases unfold here."""
    budget[0] -= 1
    if budget[0] < 0:
        raise _UnusableError(f"more than {CONFIG_MAX_NODES} values")
    if depth > 100:
        raise _UnusableError("values nested deeper than 100")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if any(0xD800 <= ord(char) <= 0xDFFF for char in value):
            raise _UnusableError("half of a surrogate pair in a text")
        return value
    if isinstance(value, int):
        if value.bit_length() > 1024:
            raise _UnusableError("a number of more than 300 digits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _UnusableError(f"the number {value}")
        return value
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(child, budget, depth + 1) for child in value]
    if isinstance(value, dict):
        return {_name(key): _plain(child, budget, depth + 1) for key, child in value.items()}
    raise _UnusableError(f"a value of type {type(value).__name__}")


def _name(key: Any) -> str:
    """YAML reads `1: x` and `yes: x` with keys that are no strings; JSON has only strings."""
    if isinstance(key, str):
        return str(_plain(key, [1], 0))
    if isinstance(key, (bool, int, float)) or key is None:
        return json.dumps(key)
    raise _UnusableError(f"a name of type {type(key).__name__}")


def _whole(values: Mapping[str, Any], key: str, default: int, low: int, high: int, unit: str, problems: list[Problem]) -> int:
    if key not in values:
        return default
    value = values[key]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        problems.append(Problem(f"config {key}", shown(value), f"a whole number of {unit} from {low} to {high}", f"Change {key}"))
        return default
    return value
