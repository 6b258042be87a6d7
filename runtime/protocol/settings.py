"""What a deployed stack tells its manager: one JSON document in the artifact bucket, named and hashed in the
manager's environment (NEUROCAAS_SETTINGS_BUCKET, NEUROCAAS_SETTINGS_KEY, NEUROCAAS_SETTINGS_SHA256)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.protocol.documents import DocumentError, dumps, loads
from runtime.protocol.ignored import LEFT_BEHIND
from runtime.protocol.outside import OutsideBucket
from runtime.protocol.typed_json import data_of, read, stored

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
    market: str = field(default=ON_DEMAND, metadata=stored(among=MARKETS))
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
    oom_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=stored(added=True))
    results_required: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> AnalysisSettings:
        """Raises DocumentError for a document of another version or shape."""
        settings = read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)
        larger = (name for names in settings.oom_types.values() for name in names)
        unpriced = {settings.instance_type, *settings.instance_types, *larger} - settings.prices.keys()
        if unpriced:
            raise DocumentError(f"{_WHAT}: no price for {', '.join(sorted(unpriced))}")
        return settings
