"""The configuration file of a job: JSON or YAML, a mapping, with a few keys that belong to the service."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

from neurocaas.protocol import yaml12
from neurocaas.protocol.documents import TwiceError, once
from neurocaas.protocol.limits import CONFIG_MAX_BYTES, CONFIG_MAX_NODES, CONFIG_YAML_MAX_BYTES
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.schema import as_whole, check, closed, is_closed, with_defaults

SUFFIXES = (".json", ".yaml", ".yml")
DURATION = "__duration__"
DATASET_SIZE = "__dataset_size__"
SERVICE_KEYS = (DURATION, DATASET_SIZE)
MODE, TRAIN, ENSEMBLE_SIZE, MEMBER = "mode", "train", "ensemble_size", "jobnb"
"""`mode: train` with `ensemble_size: N` analyses one dataset N times, with `jobnb` 1 to N. Other modes are
the analysis's own.
"""

ENSEMBLE_KEYS = (MODE, ENSEMBLE_SIZE, MEMBER)


@dataclass(frozen=True)
class ConfigRules:
    """What a configuration is checked by. Minutes, GiB; `parameters` is the JSON Schema of the analysis's own
    names, None where any will do."""

    duration_minutes: int
    max_duration_minutes: int
    max_dataset_size_gib: int
    max_ensemble_size: int
    parameters: Mapping[str, Any] | None = None


class HasRules(Protocol):
    """The settings of an analysis, or its blueprint."""

    @property
    def config_rules(self) -> ConfigRules: ...


@dataclass(frozen=True)
class JobConfig:
    """`values` is the file with the blueprint's defaults filled in. `duration_minutes` bounds a machine's
    life, `dataset_size_gib` is added to its volume; `given` holds the service keys that the file really has;
    `members` is the size of an ensemble, None for a plain job. `notes` are what its author may not have
    meant, and nothing is refused for."""

    values: Mapping[str, Any]
    duration_minutes: int
    dataset_size_gib: int
    given: frozenset[str]
    members: int | None = None
    notes: tuple[str, ...] = ()


def max_bytes(key: str) -> int:
    """The largest configuration accepted under this name; YAML is slow to read, hence smaller."""
    return CONFIG_MAX_BYTES if key.lower().endswith(".json") else CONFIG_YAML_MAX_BYTES


def parse_config(raw: bytes, key: str, by: ConfigRules | HasRules) -> JobConfig:
    """Read and check a configuration. Raises InvalidInput with every problem found."""
    rules = by if isinstance(by, ConfigRules) else by.config_rules
    values, notes = _read(raw, key)
    problems: list[Problem] = []
    duration = _whole(
        values, DURATION, rules.duration_minutes, 1, rules.max_duration_minutes, "minutes", problems
    )
    size = _whole(values, DATASET_SIZE, 0, 0, rules.max_dataset_size_gib, "GiB", problems)
    given = frozenset(values) & frozenset(SERVICE_KEYS)
    problems += _unknown_service_keys(values, rules.parameters)
    filled: Mapping[str, Any] = values
    if rules.parameters is not None:
        own = {
            name: value
            for name, value in values.items()
            if not is_service_key(name) or name in _named(rules.parameters)
        }
        problems += check(own, closed(rules.parameters, ENSEMBLE_KEYS), "config", SERVICE_KEYS)
        filled = {**values, **with_defaults(own, rules.parameters)}
    members = _members(filled, rules, problems, notes)
    if problems:
        raise InvalidInput(problems)
    return JobConfig(
        {**filled, **_service_values(values, duration, size)}, duration, size, given, members, tuple(notes)
    )


def is_service_key(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _named(parameters: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The parameters that an analysis has named."""
    found: Mapping[str, Any] = (parameters or {}).get("properties", {})
    return found


def _service_values(values: Mapping[str, Any], duration: int, size: int) -> dict[str, int]:
    """The service's keys that the file has, as whole numbers: `__duration__: 1e2` is 100."""
    return {name: value for name, value in ((DURATION, duration), (DATASET_SIZE, size)) if name in values}


def _unknown_service_keys(values: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> list[Problem]:
    """Names that are written like the service's and are none: a slip of one of them always, any other where
    the analysis has said which names it takes."""
    problems = []
    known, only_known = {*SERVICE_KEYS, *_named(parameters)}, is_closed(parameters)
    for name, value in values.items():
        # else the schema refuses it
        alike = is_service_key(name) or (not only_known and (name.startswith("__") or name.endswith("__")))
        if name in known or not alike:
            continue
        near = get_close_matches(name.strip("_").lower(), [one.strip("_") for one in SERVICE_KEYS], 1, 0.75)
        if near or (is_service_key(name) and only_known):
            do = (
                f"Did you mean {f'__{near[0]}__'!r}?"
                if near
                else f"Remove it, or call it {name.strip('_')!r}"
            )
            allowed = f"{' and '.join(SERVICE_KEYS)}: other names of this form are kept for the service"
            problems.append(Problem(f"config {shown(name)}", shown(value), allowed, do))
    return problems


def _members(
    values: Mapping[str, Any], rules: ConfigRules, problems: list[Problem], notes: list[str]
) -> int | None:
    """The size of an ensemble, None for a plain job. A size that would mean nothing is refused, unless the
    analysis has a parameter of that name or a mode of its own: then it is its affair, and noted."""
    if ENSEMBLE_SIZE not in values:
        return None
    mode, size = values.get(MODE), values[ENSEMBLE_SIZE]
    if mode == TRAIN:
        return _whole(values, ENSEMBLE_SIZE, 1, 1, rules.max_ensemble_size, "members", problems)
    if size is None or (not isinstance(size, bool) and size == 1):
        return None
    what = f"{shown(size)}, {'without a mode' if mode is None else f'in mode {shown(mode)}'}"
    own = ENSEMBLE_SIZE in _named(rules.parameters)
    if not (own if mode is None else isinstance(mode, str) and mode.strip().lower() != TRAIN):
        allowed = f"{ENSEMBLE_SIZE} together with {MODE}: {TRAIN}, which analyses one dataset so many times"
        problems.append(
            Problem(
                f"config {ENSEMBLE_SIZE}", what, allowed, f"Write {MODE}: {TRAIN}, or remove {ENSEMBLE_SIZE}"
            )
        )
    else:
        notes.append(
            f"{ENSEMBLE_SIZE} is {what}: one machine for each dataset; only {MODE}: {TRAIN} makes an ensemble"
        )
    return None


def _read(raw: bytes, key: str) -> tuple[dict[str, Any], list[str]]:
    """The values of a file, and what is to be said of how they were read."""
    limit = max_bytes(key)
    if len(raw) > limit:
        raise InvalidInput(
            [
                Problem(
                    "config file",
                    f"{len(raw)} bytes",
                    f"up to {limit} bytes",
                    "Put data into the inputs folder instead",
                )
            ]
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            [Problem("config file", f"text that is not UTF-8 ({error.reason})", "UTF-8", "Save it as UTF-8")]
        ) from error
    notes: list[str] = []
    if key.lower().endswith(".json"):
        value = _read_json(text)
    else:
        value, different = yaml12.read(text, "config file")
        notes = yaml12.notes(different)
    if not isinstance(value, dict):
        got = "nothing" if value is None else shown(value)
        raise InvalidInput(
            [Problem("config file", got, "a mapping of names to values", "Write it as name: value pairs")]
        )
    try:
        plain = _plain(value, [CONFIG_MAX_NODES], 0)
    except _UnusableError as error:
        raise InvalidInput(
            [Problem("config file", str(error), "values that JSON can hold", "Change the file")]
        ) from None
    assert isinstance(plain, dict)
    return plain, notes


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=once)
    except TwiceError as error:
        raise InvalidInput([error.problem("config file")]) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(
            [
                Problem(
                    "config file",
                    f"text that is not JSON: {error.msg} at {where}",
                    "JSON",
                    "Correct the file",
                )
            ]
        ) from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput(
            [
                Problem(
                    "config file",
                    "JSON that is nested too deeply or has too long numbers",
                    "JSON",
                    "Correct it",
                )
            ]
        ) from error


class _UnusableError(Exception):
    """A value that the protocol cannot carry."""


def _plain(value: Any, budget: list[int], depth: int) -> Any:
    """`value` as plain JSON values. `budget` counts down over the expanded tree, since YAML aliases unfold
    here.
    """
    budget[0] -= 1
    if budget[0] < 0:
        raise _UnusableError(f"more than {CONFIG_MAX_NODES} values")
    if depth > 100:
        raise _UnusableError("values nested deeper than 100")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:  # JSON in a YAML file writes one letter as "\ud83d\ude00"
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise _UnusableError("half of a surrogate pair in a text") from None
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


def _whole(
    values: Mapping[str, Any], key: str, default: int, low: int, high: int, unit: str, problems: list[Problem]
) -> int:
    if key not in values:
        return default
    value = as_whole(values[key])
    if value is not None and low <= value <= high:
        return value
    allowed = f"a whole number of {unit} from {low} to {high}"
    problems.append(
        Problem(f"config {key}", shown(values[key]), allowed, _meant(values[key], key, low, high))
    )
    return default


def _meant(value: Any, key: str, low: int, high: int) -> str:
    """What to write in place of a text that people take for a number: '60', 1_000, 1:30."""
    number = as_whole(yaml12.number(value)) if isinstance(value, str) else None
    return f"Write {number}" if number is not None and low <= number <= high else f"Change {key}"
