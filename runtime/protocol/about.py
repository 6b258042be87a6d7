"""What an analysis tells its users: `jobs/{group}/analysis.json`, written by the stack, read by the client.

It is the part of the settings that a forecast and a rerun need. It lies where a group and its machines may
read and not write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.protocol.config import ConfigRules
from runtime.protocol.documents import DocumentError, dumps, loads, take, take_optional
from runtime.protocol.ignored import LEFT_BEHIND
from runtime.protocol.keys import JOBS
from runtime.protocol.settings import texts

SCHEMA_VERSION = 1
_WHAT = "analysis.json"


def about_key(group: str) -> str:
    """Where a group finds the document."""
    return f"{JOBS}/{group}/analysis.json"


@dataclass(frozen=True)
class About:
    """Durations in minutes, prices in USD an hour, `budget_usd` in USD a month for each group (unless a
    parameter below `budget_parameters` says otherwise). `fallback_types`: what may stand in for
    `instance_type` when AWS has none of it.
    `oom_types`: for each type the larger ones on which a dataset that ran out of memory is run again.
    `compare`: how the outputs of reruns are compared, by pattern of their path. `launch_template_id`: of the
    group's machines, with which goes what images can still be started. `folder` and `ignore` as in
    AnalysisSettings. `config`: what configurations are checked by, None in a document of an earlier version.
    `image_ready`: false while no machine image is deployed that the blueprint requires.
    `ledger_table` and `dead_letter_queue_url` may be read by administrators only."""

    analysis: str
    stage: str
    title: str
    instance_type: str
    instance_types: tuple[str, ...]
    fallback_types: tuple[str, ...]
    prices: Mapping[str, float]
    prices_date: str
    duration_minutes: int
    max_datasets: int
    budget_usd: float
    image_id: str
    code_sha256: str
    ledger_table: str
    dead_letter_queue_url: str
    budget_parameters: str | None = None
    blueprint_commit: str | None = None
    compare: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    launch_template_id: str | None = None
    folder: str = "one"
    ignore: tuple[str, ...] = LEFT_BEHIND
    oom_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    config: ConfigRules | None = None
    image_ready: bool = True
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> About:
        """Raises DocumentError for a document of another version or shape."""
        data = loads(text, _WHAT)
        if data.get("schema_version") != SCHEMA_VERSION:
            raise DocumentError(
                f"{_WHAT}: schema_version is {data.get('schema_version')!r}, not {SCHEMA_VERSION}"
            )
        prices = take(data, "prices", dict, _WHAT)
        larger = take_optional(data, "oom_types", dict, _WHAT) or {}
        return cls(
            analysis=take(data, "analysis", str, _WHAT),
            stage=take(data, "stage", str, _WHAT),
            title=take(data, "title", str, _WHAT),
            instance_type=take(data, "instance_type", str, _WHAT),
            instance_types=tuple(str(name) for name in take(data, "instance_types", list, _WHAT)),
            fallback_types=tuple(str(name) for name in take(data, "fallback_types", list, _WHAT)),
            prices={name: take(prices, name, float, "analysis.json prices") for name in prices},
            prices_date=take(data, "prices_date", str, _WHAT),
            duration_minutes=take(data, "duration_minutes", int, _WHAT),
            max_datasets=take(data, "max_datasets", int, _WHAT),
            budget_usd=take(data, "budget_usd", float, _WHAT),
            image_id=take(data, "image_id", str, _WHAT),
            code_sha256=take(data, "code_sha256", str, _WHAT),
            ledger_table=take(data, "ledger_table", str, _WHAT),
            dead_letter_queue_url=take(data, "dead_letter_queue_url", str, _WHAT),
            budget_parameters=take_optional(data, "budget_parameters", str, _WHAT),
            blueprint_commit=take_optional(data, "blueprint_commit", str, _WHAT),
            compare=take_optional(data, "compare", dict, _WHAT) or {},
            launch_template_id=take_optional(data, "launch_template_id", str, _WHAT),
            folder=take_optional(data, "folder", str, _WHAT) or "one",
            ignore=texts(data, "ignore", _WHAT) if "ignore" in data else LEFT_BEHIND,
            oom_types={name: texts(larger, name, _WHAT) for name in larger},
            config=None if data.get("config") is None else _rules(take(data, "config", dict, _WHAT)),
            image_ready=take_optional(data, "image_ready", bool, _WHAT) is not False,
        )


def _rules(data: Mapping[str, Any]) -> ConfigRules:
    return ConfigRules(
        duration_minutes=take(data, "duration_minutes", int, _WHAT),
        max_duration_minutes=take(data, "max_duration_minutes", int, _WHAT),
        max_dataset_size_gib=take(data, "max_dataset_size_gib", int, _WHAT),
        max_ensemble_size=take(data, "max_ensemble_size", int, _WHAT),
        parameters=take_optional(data, "parameters", dict, _WHAT),
    )
