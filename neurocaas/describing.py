"""What an analysis is, for those who want to use it: what a dataset must contain, its parameters, what it
takes and costs.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from neurocaas import configs
from neurocaas.forecast import Forecast
from neurocaas.layout import cell, columns
from neurocaas.protocol import yaml12
from neurocaas.protocol.config import DATASET_SIZE, DURATION, SUFFIXES
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.units import duration, money, price

SCHEMA_VERSION = 1
WIDTH = 80
"""Columns of prose where nobody says how wide the screen is."""

DATASET, PARAMETERS = "Dataset", "Parameters, in a config file (JSON or YAML)"
COSTS, TRY = "Machine, time and cost", "Try it"
HEADINGS = frozenset({DATASET, PARAMETERS, COSTS, TRY})
"""Lines that begin a part; the first line of all is one too."""

_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "null",
}


def facts(about: About, group: str, foreseen: Forecast) -> dict[str, Any]:
    """All of it, for programs. `foreseen`: the forecast of one dataset of no size."""
    rules = about.config
    typical = None
    if foreseen.p50 is not None:
        typical = {
            "runs": foreseen.runs,
            "seconds_p50": foreseen.p50,
            "seconds_p90": foreseen.p90,
            "usd_p50": foreseen.usd_p50,
            "usd_p90": foreseen.usd_p90,
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "analysis": about.analysis,
        "stage": about.stage,
        "group": group,
        "title": about.title,
        "description": about.description,
        "ready": about.image_ready,
        "dataset": {
            "description": about.dataset_description,
            "example": about.dataset_example,
            "folder": about.folder,
        },
        "parameters": parameters(about),
        "parameters_schema": rules.parameters if rules else None,
        "example": configs.example(rules.parameters if rules else None),
        "machine": {
            "type": about.instance_type,
            "types": list(about.instance_types),
            "usd_per_hour": about.prices[about.instance_type],
            "prices_date": about.prices_date,
            "needs": str(about.need) if about.need else None,
        },
        "limits": {
            "datasets": about.max_datasets,
            "dataset_gib": about.disk.largest_gib if about.disk else None,
            "duration_minutes": about.duration_minutes,
            "max_duration_minutes": rules.max_duration_minutes if rules else None,
        },
        "typical": typical,
        "usd_at_most": foreseen.usd,
        "budget": asdict(foreseen.budget) if foreseen.budget else None,
        "outside_buckets": [{"path": one.path, "use": list(one.use)} for one in about.outside_buckets or ()],
        "takes_from": [one.analysis for one in about.sources],
    }


def parameters(about: About) -> list[dict[str, Any]]:
    """The parameters in the order of the schema, and those of the service."""
    rules = about.config
    schema = (rules.parameters if rules else None) or {}
    needed = schema.get("required", ())
    found = [
        {
            "name": name,
            "title": rule.get("title"),
            "description": rule.get("description", ""),
            "takes": takes(rule),
            "unit": rule.get("x-unit"),
            "required": name in needed,
            "default": rule.get("default"),
        }
        for name, rule in schema.get("properties", {}).items()
        if isinstance(rule, Mapping)
    ]
    most = rules.max_duration_minutes if rules else None
    service = [
        {
            "name": DURATION,
            "title": None,
            "description": "After so long a machine is ended.",
            "takes": "whole number" + (f", 1 to {most}" if most else ""),
            "unit": "minutes",
            "required": False,
            "default": about.duration_minutes,
        }
    ]
    if rules:
        service.append(
            {
                "name": DATASET_SIZE,
                "title": None,
                "description": "Room on the disk of a machine, beside what the service adds for the data.",
                "takes": f"whole number, 0 to {rules.max_dataset_size_gib}",
                "unit": "GiB",
                "required": False,
                "default": 0,
            }
        )
    return [*found, *service]


def takes(rule: Mapping[str, Any]) -> str:
    """What a value may be, in words: `number, 0 or more`, `one of WLS, OLS, NLLS`."""
    if "const" in rule:
        return _word(rule["const"])
    if "enum" in rule:
        return f"one of {', '.join(map(_word, rule['enum']))}"
    kinds = rule.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    kind = " or ".join(_KINDS.get(one, one) for one in kinds) or "anything"
    if "array" in kinds and isinstance(rule.get("items"), Mapping):
        kind = f"list, each {takes(rule['items'])}"
    return ", ".join([kind, *_bounds(rule)])


def _bounds(rule: Mapping[str, Any]) -> list[str]:
    low, high = rule.get("minimum"), rule.get("maximum")
    over, under = rule.get("exclusiveMinimum"), rule.get("exclusiveMaximum")
    said = []
    if low is not None and high is not None:
        said.append(f"{low} to {high}")
    else:
        said += [f"{low} or more"] if low is not None else []
        said += [f"at most {high}"] if high is not None else []
    said += [f"more than {over}"] if over is not None else []
    said += [f"less than {under}"] if under is not None else []
    said += [f"in steps of {rule['multipleOf']}"] if "multipleOf" in rule else []
    for name, unit in (("Length", "characters"), ("Items", "items")):
        least, most = rule.get(f"min{name}"), rule.get(f"max{name}")
        said += [f"at least {least} {unit}"] if least else []
        said += [f"at most {most} {unit}"] if most is not None else []
    said += [f"matching {rule['pattern']}"] if "pattern" in rule else []
    return said


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def lines(about: About, foreseen: Forecast, name: str, width: int | None = None) -> list[str]:
    """The same for people, in `width` columns. `name`: how they call the analysis."""
    room = min(width or WIDTH, 100)
    said = [
        cell(f"{about.analysis}: {about.title}" + ("" if name == about.analysis else f" ({about.stage})"))
    ]
    said += ["", *_prose(about.description, room, 0)] if about.description else []
    said += [] if about.image_ready else ["", "Not ready: no machine image is deployed for it."]
    said += ["", DATASET, *_dataset(about, room)]
    said += ["", PARAMETERS, *_parameters(about, room)]
    said += ["", COSTS, *_costs(about, foreseen, room)]
    said += ["", TRY, *_example(about, name, room)]
    return said


def _dataset(about: About, room: int) -> list[str]:
    text = about.dataset_description or "Its developer has not said what a dataset must contain."
    each = about.folder == "each"
    folder = "Each file of a folder is a dataset." if each else "A folder is one dataset."
    limits = f"Up to {about.max_datasets} datasets in a job, each on a machine of its own"
    if about.disk:
        limits += f", and up to {about.disk.largest_gib} GiB in each"
    return [*_prose(text, room), *_prose(f"{folder} {limits}.", room)]


def _parameters(about: About, room: int) -> list[str]:
    every = parameters(about)
    said = []
    if not (about.config and about.config.parameters):
        said += _prose("Its developer has not said which there are: any names are taken.", room)
    heads = columns([(f"  {cell(one['name'])}", cell(_kind(one))) for one in every])
    for head, one in zip(heads, every, strict=True):
        said += [head, *_prose(": ".join(filter(None, (one["title"], one["description"]))), room, 6)]
    return said


def _kind(one: Mapping[str, Any]) -> str:
    unit = f" ({one['unit']})" if one["unit"] else ""
    if one["required"]:
        return f"{one['takes']}{unit}; must be there"
    default = "" if one["default"] is None else f"; default {_word(one['default'])}"
    return f"{one['takes']}{unit}{default}"


def _costs(about: About, foreseen: Forecast, room: int) -> list[str]:
    others = [one for one in about.instance_types if one != about.instance_type]
    also = f"; also {', '.join(others)}" if others else ""
    rate = price(about.prices[about.instance_type])
    said = [f"{about.instance_type} at {rate} an hour{also} (prices of {about.prices_date})."]
    if foreseen.p50 is not None and foreseen.p90 is not None:
        said.append(
            f"Of {foreseen.runs} earlier run{'' if foreseen.runs == 1 else 's'} of your group, half took up "
            f"to {duration(foreseen.p50)} ({money(foreseen.usd_p50 or 0)}), nine of ten up to "
            f"{duration(foreseen.p90)} ({money(foreseen.usd_p90 or 0)})."
        )
    else:
        said.append("No dataset of your group has succeeded yet, so it is not known what it takes.")
    said.append(f"At most {money(foreseen.usd)} a dataset: it is ended after {foreseen.minutes} minutes.")
    if foreseen.budget is not None:
        said.append(f"Budget: {foreseen.budget.told()}.")
    if about.sources:
        known = ", ".join(one.analysis for one in about.sources)
        said.append(f"Its jobs may take results of: {known} (--after ANALYSIS/JOB).")
    return [line for text in said for line in _prose(text, room)]


def _example(about: About, name: str, room: int) -> list[str]:
    data = about.dataset_example or "YOUR_DATA"
    config = configs.example(about.config.parameters if about.config else None)
    text = json.dumps(config)
    shown = [f"  config: {text}"] if config and len(text) + 10 <= room else []
    save = [f"  neurocaas describe {name} --example config.yaml"] if config else []
    given = " --config config.yaml" if config else ""
    return [*shown, *save, f"  neurocaas submit {name} --data {data}{given} --dry-run"]


def _prose(text: str, room: int, indent: int = 2) -> list[str]:
    space = " " * indent
    every = (textwrap.wrap(cell(part), room, initial_indent=space, subsequent_indent=space)
             for part in text.splitlines())  # fmt: skip
    return [line for part in every for line in part]


def example_text(about: About, name: str) -> str:
    """An example config as a file of this name has it: YAML with what each parameter is, or JSON."""
    rules = about.config
    values = configs.example(rules.parameters if rules else None)
    if name.lower().endswith(SUFFIXES[0]):
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    said = [f"# A config of {about.analysis}: what is left out has its default."]
    for one in parameters(about):
        about_it = cell(" ".join(filter(None, (one["description"], f"({_kind(one)})"))))
        said += textwrap.wrap(about_it, 100, initial_indent="# ", subsequent_indent="# ")
        text = yaml12.dump({one["name"]: values.get(one["name"], one["default"])}).rstrip("\n")
        there = one["name"] in values
        said += [line if there else f"# {line}" for line in text.splitlines()] + [""]
    return "\n".join(said).rstrip("\n") + "\n"


HEADERS = ("analysis", "what it does", "machine", "$/hour", "at most", "ready", "group")


def row(name: str, about: About | None, title: str, group: str, usd: float | None) -> tuple[str, ...]:
    """Of one analysis in the list; `about` is None where it says nothing of itself."""
    if about is None:
        return (name, title, "", "", "", "unknown", group)
    cost = price(about.prices[about.instance_type]).removeprefix("$")
    most = "" if usd is None else money(usd)
    return (name, about.title, about.instance_type, cost, most, "yes" if about.image_ready else "no", group)


def named(analyses: Sequence[Any]) -> dict[str, Any]:
    """How people call each deployed analysis: the first stage of each by the analysis's name, the others by
    the stack's."""
    found: dict[str, Any] = {}
    for one in analyses:
        found[one.analysis if one.analysis not in found else one.stack] = one
    return found
