"""The configuration file of a job: JSON or YAML, a mapping, with a few keys that belong to the service."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

from neurocaas.protocol import yaml12
from neurocaas.protocol.documents import TwiceError, once
from neurocaas.protocol.limits import CONFIG_MAX_BYTES, CONFIG_MAX_NODES, CONFIG_YAML_MAX_BYTES
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.schema import as_whole, check, closed, is_closed, with_defaults
from neurocaas.protocol.sweep import SWEEP, combinations, twice
from neurocaas.protocol.typed_json import stored

SUFFIXES = (".json", ".yaml", ".yml")
DURATION = "__duration__"
DATASET_SIZE = "__dataset_size__"
SERVICE_KEYS = (DURATION, DATASET_SIZE)
MODE, TRAIN, ENSEMBLE_SIZE, MEMBER = "mode", "train", "ensemble_size", "jobnb"
"""`mode: train` with `ensemble_size: N` analyses one dataset N times, with `jobnb` 1 to N. Other modes are
the analysis's own.
"""

ENSEMBLE_KEYS = (MODE, ENSEMBLE_SIZE, MEMBER)
_SHOWN = 20
"""So many mistakes of a sweep are told."""


@dataclass(frozen=True)
class ConfigRules:
    """What a configuration is checked by. Minutes, GiB; `parameters` is the JSON Schema of the analysis's own
    names, None where any will do; `max_sweep`: most combinations of a sweep, 0 for a service that knows no
    sweeps, to which `sweep` is a name like any other."""

    duration_minutes: int
    max_duration_minutes: int
    max_dataset_size_gib: int
    max_ensemble_size: int
    parameters: Mapping[str, Any] | None = None
    max_sweep: int = field(default=0, metadata=stored(added=True))


class HasRules(Protocol):
    """The settings of an analysis, or its blueprint."""

    @property
    def config_rules(self) -> ConfigRules: ...


@dataclass(frozen=True)
class JobConfig:
    """`values` is the file with the blueprint's defaults filled in. `duration_minutes` bounds a machine's
    life, `dataset_size_gib` is added to its volume; `given` holds the service keys that the file really has;
    `members` is the size of an ensemble, None for a plain job. `combinations`: of a sweep, what each sets,
    as the machines get it; empty for a job without one. `notes` are what its author may not have meant, and
    nothing is refused for."""

    values: Mapping[str, Any]
    duration_minutes: int
    dataset_size_gib: int
    given: frozenset[str]
    members: int | None = None
    notes: tuple[str, ...] = ()
    combinations: tuple[Mapping[str, Any], ...] = ()

    @property
    def runs(self) -> int:
        """Machines for each dataset."""
        return self.members or len(self.combinations) or 1


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
    swept = has_sweep(values, rules)
    base = {name: value for name, value in values.items() if name != SWEEP} if swept else values
    members, runs = None, tuple[Mapping[str, Any], ...]()
    if swept:
        runs = _combined(base, values[SWEEP], rules, problems, notes)
        filled = {**_filled(base, rules), SWEEP: values[SWEEP]}
    else:
        problems += _own_problems(base, rules)
        filled = _filled(base, rules)
        members = _members(filled, rules, problems, notes)
    if problems:
        raise InvalidInput(problems)
    config = {**filled, **_service_values(values, duration, size)}
    return JobConfig(config, duration, size, given, members, tuple(notes), runs)


def parse_single(raw: bytes, key: str, by: ConfigRules | HasRules) -> JobConfig:
    """The same, where one dataset is run once and there is no job: no sweep."""
    config = parse_config(raw, key, by)
    if config.combinations:
        got = f"a sweep of {len(config.combinations)} combinations"
        allowed = "one set of parameters, as the dataset is run once here"
        raise InvalidInput([Problem(f"config {SWEEP}", got, allowed, f"Take {SWEEP} out")])
    return config


def overridden(
    config: JobConfig, parameters: Mapping[str, Any], by: ConfigRules | HasRules
) -> tuple[Mapping[str, Any], list[Problem]]:
    """What a dataset's own `parameters` set in a job's configuration, as its machine gets it, and what is
    wrong with them."""
    rules = by if isinstance(by, ConfigRules) else by.config_rules
    named = _named(rules.parameters)
    kept = "parameters of the analysis: what the service itself goes by is the same for the whole job"
    wrong = [
        Problem(f"config {name}", shown(name), kept, "Take the column out")
        for name in parameters
        if name in (*SERVICE_KEYS, SWEEP, ENSEMBLE_SIZE, MEMBER) and name not in named
    ]
    values = {**config.values, **parameters}
    wrong += _own_problems(values, rules)
    filled = _filled(values, rules)
    return {name: filled[name] for name in parameters}, wrong


def has_sweep(values: Mapping[str, Any], rules: ConfigRules) -> bool:
    """Whether `sweep` in a configuration is the service's: an analysis may have a parameter of that name."""
    return rules.max_sweep > 0 and SWEEP in values and SWEEP not in _named(rules.parameters)


def _own(values: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The analysis's part of a configuration."""
    named = _named(parameters)
    return {name: one for name, one in values.items() if not is_service_key(name) or name in named}


def _own_problems(values: Mapping[str, Any], rules: ConfigRules) -> list[Problem]:
    if rules.parameters is None:
        return []
    schema = closed(rules.parameters, ENSEMBLE_KEYS)
    others = (*SERVICE_KEYS, SWEEP) if rules.max_sweep else SERVICE_KEYS
    return check(_own(values, rules.parameters), schema, "config", others)


def _filled(values: Mapping[str, Any], rules: ConfigRules) -> dict[str, Any]:
    if rules.parameters is None:
        return dict(values)
    return {**values, **with_defaults(_own(values, rules.parameters), rules.parameters)}


def _combined(
    base: Mapping[str, Any], value: Any, rules: ConfigRules, problems: list[Problem], notes: list[str]
) -> tuple[Mapping[str, Any], ...]:
    """What each combination of a sweep sets. Each is checked as the configuration that its machines get, and
    what is wrong with several of them is told once."""
    kept = "parameters of the analysis: what the service itself goes by is the same for the whole job"
    refused = dict.fromkeys((*SERVICE_KEYS, SWEEP, ENSEMBLE_SIZE, MEMBER), kept)
    for name in _named(rules.parameters):
        refused.pop(name, None)
    wanted = combinations(value, rules.max_sweep, problems, refused)
    if not wanted:  # what may be missing would be in the sweep
        problems += [one for one in _own_problems(base, rules) if one.got != "nothing"]
        return ()
    told, rows = dict[Problem, None](), list[Mapping[str, Any]]()
    for one in wanted:
        values = {**base, **one.parameters}
        wrong = _own_problems(values, rules)
        filled = _filled(values, rules)
        if _members(filled, rules, wrong, []) is not None:
            allowed = f"{SWEEP}, or {MODE}: {TRAIN} with {ENSEMBLE_SIZE}: one of them in a job"
            do = f"Sweep over a parameter that the analysis draws its random numbers by, or take {SWEEP} out"
            wrong.append(Problem(f"config {ENSEMBLE_SIZE}", "an ensemble in a sweep", allowed, do))
        told.update((one.told(problem), None) for problem in wrong)
        rows.append({name: filled[name] for name in one.parameters})
    if not told:
        told.update(
            (
                Problem(
                    f"config {SWEEP}",
                    f"the same parameters twice: {shown(json.dumps(row, ensure_ascii=False))}",
                    "each combination once",
                    "Take one out",
                ),
                None,
            )
            for row in twice(rows)
        )
    problems += list(told)[:_SHOWN]
    if len(told) > _SHOWN:
        got = f"{len(told) - _SHOWN} more mistakes"
        problems.append(Problem(f"config {SWEEP}", got, "parameters of the analysis", "Correct them too"))
    return tuple(rows)


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
