"""What a deployed stack tells its manager: one JSON document in the artifact bucket, named and hashed in the
manager's environment (NEUROCAAS_SETTINGS_BUCKET, NEUROCAAS_SETTINGS_KEY, NEUROCAAS_SETTINGS_SHA256)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.protocol.documents import DocumentError, dumps, loads, take, take_optional
from runtime.protocol.ignored import LEFT_BEHIND
from runtime.protocol.outside import OutsideBucket

SCHEMA_VERSION = 1
ON_DEMAND, SPOT, SPOT_FIRST = "on-demand", "spot", "spot-then-on-demand"
MARKETS: Mapping[str, tuple[str, ...]] = {
    ON_DEMAND: (ON_DEMAND,),
    SPOT: (SPOT,),
    SPOT_FIRST: (SPOT, ON_DEMAND),
}
"""How a setting `market` buys machines, best first."""

_WHAT = "settings"


@dataclass(frozen=True)
class Group:
    """The launch template of one group; it carries the group's own instance profile, whose role has the
    unique id `role_id` (`AROA…`; empty where machines have no evidence of their own, as in test jobs on a
    development instance)."""

    launch_template_id: str
    launch_template_version: str
    role_id: str = ""


@dataclass(frozen=True)
class Image:
    """`id` is an AMI id or `resolve:ssm:<parameter>`; `ready` is false while the blueprint requires an image
    that is not baked yet."""

    id: str
    ready: bool
    recipe_sha256: str | None = None


@dataclass(frozen=True)
class Code:
    """The code tree of the machines: a tar.gz in the artifact bucket."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True)
class AnalysisSettings:
    """Durations in minutes, sizes in GiB, prices in USD an hour (on demand), the budget in USD a month for
    each group.

    `folder` says whether a dataname that ends in '/' is "one" dataset or "each" object below it is one, but
    for what the patterns `ignore` match (`runtime.protocol.ignored`). A machine's disk has room for
    `disk_factor` times its dataset. `fallback_types` stand in for `instance_type` while there is no capacity;
    `market` is one of MARKETS; `zones` are tried in turn (none: AWS chooses). `max_machines` and
    `max_account_machines` bound the machines that live at a time (None: any number).
    `outside_buckets`: what submissions may name besides the own bucket. `queue_url`: of the queue of
    submissions.

    `oom_types` has, for each of `instance_types`, the larger ones on which a dataset that ran out of memory
    may be run again, the next larger first (nothing: none is). `results_required`: patterns
    (`protocol.required`), each of which a result of each dataset must fit.

    `budget_parameters` is the SSM path below which `{group}/{analysis}` may set another budget
    (`/neurocaas/budgets`); None where the manager has no right to look there."""

    analysis: str
    stage: str
    stack: str
    bucket: str
    region: str
    account: str
    groups: Mapping[str, Group]
    instance_type: str
    instance_types: tuple[str, ...]
    duration_minutes: int
    max_duration_minutes: int
    volume_gib: int
    max_dataset_size_gib: int
    max_datasets: int
    prices: Mapping[str, float]
    prices_date: str
    budget_usd: float
    image: Image
    script: str
    code: Code
    ledger_table: str
    queue_url: str
    folder: str = "one"
    ignore: tuple[str, ...] = LEFT_BEHIND
    disk_factor: float = 2.0
    fallback_types: tuple[str, ...] = ()
    market: str = ON_DEMAND
    zones: tuple[str, ...] = ()
    max_ensemble_size: int = 20
    max_attempts: int = 3
    max_machines: int | None = None
    max_account_machines: int | None = None
    outside_buckets: tuple[OutsideBucket, ...] = ()
    topic_arn: str | None = None
    budget_parameters: str | None = None
    parameters: Mapping[str, Any] | None = None
    blueprint_digest: str | None = None
    blueprint_commit: str | None = None
    oom_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    results_required: tuple[str, ...] = ()
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        data = asdict(self)
        return dumps(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> AnalysisSettings:
        """Raises DocumentError for a document of another version or shape."""
        data = loads(text, _WHAT)
        if data.get("schema_version") != SCHEMA_VERSION:
            raise DocumentError(
                f"{_WHAT}: schema_version is {data.get('schema_version')!r}, not {SCHEMA_VERSION}"
            )
        groups = take(data, "groups", dict, _WHAT)
        prices = take(data, "prices", dict, _WHAT)
        image = take(data, "image", dict, _WHAT)
        types = texts(data, "instance_types", _WHAT)
        market = take(data, "market", str, _WHAT)
        if market not in MARKETS:
            raise DocumentError(f"{_WHAT}: market is {market!r}, not one of {', '.join(MARKETS)}")
        larger = take_optional(data, "oom_types", dict, _WHAT) or {}
        oom_types = {name: texts(larger, name, "settings oom_types") for name in larger}
        used = {
            *types,
            str(data.get("instance_type")),
            *(name for some in oom_types.values() for name in some),
        }
        unpriced = sorted(used - prices.keys())
        if unpriced:
            raise DocumentError(f"{_WHAT}: no price for {', '.join(unpriced)}")
        return cls(
            analysis=take(data, "analysis", str, _WHAT),
            stage=take(data, "stage", str, _WHAT),
            stack=take(data, "stack", str, _WHAT),
            bucket=take(data, "bucket", str, _WHAT),
            region=take(data, "region", str, _WHAT),
            account=take(data, "account", str, _WHAT),
            groups={name: _group(name, value) for name, value in groups.items()},
            instance_type=take(data, "instance_type", str, _WHAT),
            instance_types=types,
            duration_minutes=take(data, "duration_minutes", int, _WHAT),
            max_duration_minutes=take(data, "max_duration_minutes", int, _WHAT),
            volume_gib=take(data, "volume_gib", int, _WHAT),
            max_dataset_size_gib=take(data, "max_dataset_size_gib", int, _WHAT),
            max_datasets=take(data, "max_datasets", int, _WHAT),
            prices={name: take(prices, name, float, "settings prices") for name in prices},
            prices_date=take(data, "prices_date", str, _WHAT),
            budget_usd=take(data, "budget_usd", float, _WHAT),
            image=image_from(image),
            script=take(data, "script", str, _WHAT),
            code=code_from(take(data, "code", dict, _WHAT)),
            ledger_table=take(data, "ledger_table", str, _WHAT),
            queue_url=take(data, "queue_url", str, _WHAT),
            folder=take(data, "folder", str, _WHAT),
            ignore=texts(data, "ignore", _WHAT),
            disk_factor=take(data, "disk_factor", float, _WHAT),
            fallback_types=texts(data, "fallback_types", _WHAT),
            market=market,
            zones=texts(data, "zones", _WHAT),
            max_ensemble_size=take(data, "max_ensemble_size", int, _WHAT),
            max_attempts=take(data, "max_attempts", int, _WHAT),
            max_machines=take_optional(data, "max_machines", int, _WHAT),
            max_account_machines=take_optional(data, "max_account_machines", int, _WHAT),
            outside_buckets=tuple(map(OutsideBucket.from_data, take(data, "outside_buckets", list, _WHAT))),
            topic_arn=take_optional(data, "topic_arn", str, _WHAT),
            budget_parameters=take_optional(data, "budget_parameters", str, _WHAT),
            parameters=take_optional(data, "parameters", dict, _WHAT),
            blueprint_digest=take_optional(data, "blueprint_digest", str, _WHAT),
            blueprint_commit=take_optional(data, "blueprint_commit", str, _WHAT),
            oom_types=oom_types,
            results_required=texts(data, "results_required", _WHAT) if "results_required" in data else (),
        )


def _group(name: str, value: Any) -> Group:
    if not isinstance(value, dict):
        raise DocumentError(f"settings group {name!r} is not an object")
    what = f"settings group {name!r}"
    return group_from(value, what)


def group_from(data: Mapping[str, Any], what: str) -> Group:
    return Group(
        take(data, "launch_template_id", str, what),
        take(data, "launch_template_version", str, what),
        take(data, "role_id", str, what),
    )


def texts(data: Mapping[str, Any], key: str, what: str) -> tuple[str, ...]:
    """A list of texts as a tuple."""
    return tuple(str(item) for item in take(data, key, list, what))


def image_from(data: Mapping[str, Any]) -> Image:
    return Image(
        take(data, "id", str, "image"),
        take(data, "ready", bool, "image"),
        take_optional(data, "recipe_sha256", str, "image"),
    )


def code_from(data: Mapping[str, Any]) -> Code:
    return Code(
        take(data, "bucket", str, "code"), take(data, "key", str, "code"), take(data, "sha256", str, "code")
    )
