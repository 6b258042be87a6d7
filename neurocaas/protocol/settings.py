"""What a deployed stack tells its manager: one JSON document in the artifact bucket, named and hashed in the
manager's environment (NEUROCAAS_SETTINGS_BUCKET, NEUROCAAS_SETTINGS_KEY, NEUROCAAS_SETTINGS_SHA256).

How a new field of the blueprint travels: it is described in `blueprints/schema.json` (with its default), it
is a field of a value here (`InstanceSettings`, `Limits`, `DataSettings`), and it is used where it is needed,
as `settings.limits.datasets`. The loader fills the value, the stack passes it on as it is, and the document
has it under the name that `BlueprintValues` says. Documents that other versions have rendered are read too:
the new field is marked `stored(added=True)` and has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.chain import ChainStep, Source
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.cost import Rates
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.documents import DocumentError, dumps, loads
from neurocaas.protocol.ignored import LEFT_BEHIND
from neurocaas.protocol.need import Need
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.runs import RunRules
from neurocaas.protocol.typed_json import data_of, flat, read, stored

SCHEMA_VERSION = 1
ON_DEMAND, SPOT, SPOT_FIRST = "on-demand", "spot", "spot-then-on-demand"
MARKETS: Mapping[str, tuple[str, ...]] = {
    ON_DEMAND: (ON_DEMAND,),
    SPOT: (SPOT,),
    SPOT_FIRST: (SPOT, ON_DEMAND),
}
"""How a setting `market` buys machines, best first."""

OPEN, CLOSED = "open", "closed"
"""What of the world machines reach."""

_WHAT = "settings"


@dataclass(frozen=True)
class Group:
    """The launch template of one group; it carries the group's own instance profile, whose role has the
    unique id `role_id` (`AROA…`; empty where machines have no evidence of their own, as in test jobs on a
    development instance)."""

    launch_template_id: str
    launch_template_version: str
    role_id: str = ""


ROOT_DEVICE = "/dev/sda1"
"""What Ubuntu's images, and most others, call their root volume."""


@dataclass(frozen=True)
class Image:
    """`id` is an AMI id or `resolve:ssm:<parameter>`; `ready` is false while the blueprint requires an image
    that is not baked yet. `root_device`: its name for the root volume."""

    id: str
    ready: bool
    recipe_sha256: str | None = None
    root_device: str = field(default=ROOT_DEVICE, metadata=stored(added=True))


@dataclass(frozen=True)
class Code:
    """The code tree of the machines: a tar.gz in the artifact bucket."""

    bucket: str
    key: str
    sha256: str


@dataclass(frozen=True)
class Subnet:
    """A subnet for machines, where these are not in the account's default network, and its zone."""

    id: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class InstanceSettings:
    """The machine that analyses one dataset. `types` is the allow-list of submissions and contains `type`;
    `fallback` are those of them that stand in for `type` while there is no capacity. `market` is one of
    MARKETS; `zones` are tried in turn (none: AWS chooses). `grow_memory`: whether a dataset that ran out of
    memory is run again on a larger one of `types`. `family`: the blueprint lists no types, so a deploy adds
    the other sizes of the type's family (`blueprints.prices`). `cpu`, `memory_gib` and `gpu` are what the
    blueprint needs, where it names no type: then `type` is the cheapest that has it
    (`blueprints.needs`)."""

    type: str
    types: tuple[str, ...]
    fallback: tuple[str, ...] = ()
    market: str = field(default=ON_DEMAND, metadata=stored(among=MARKETS))
    zones: tuple[str, ...] = ()
    volume_gib: int
    duration_minutes: int
    max_duration_minutes: int
    grow_memory: bool = field(default=False, metadata=stored(added=True))
    family: bool = field(default=False, metadata=stored(added=True))
    cpu: int | None = None
    memory_gib: float | None = None
    gpu: int | None = None

    @property
    def need(self) -> Need | None:
        """What the blueprint needs of a machine; None where it names a type."""
        if self.cpu is None and self.memory_gib is None and self.gpu is None:
            return None
        return Need(self.cpu or 1, self.memory_gib or 0, self.gpu or 0)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds: of one submission, of attempts for one dataset, of machines at a time (None: any
    number), of combinations of a sweep (0: settings of a version that knew none).
    """

    datasets: int
    dataset_size_gib: int
    ensemble_size: int = 20
    attempts: int = 3
    machines: int | None = None
    account_machines: int | None = None
    sweep: int = field(default=0, metadata=stored(added=True))


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """What a submission's data is. `folder` says whether a dataname that ends in '/' is "one" dataset or
    "each" object below it is one, but for what the patterns `ignore` match (`neurocaas.protocol.ignored`). A
    machine's disk has room for `disk_factor` times its dataset; `disk_rule`: beside the blueprint's
    volume, as `instance.volume` says, and not in half of it."""

    folder: str = "one"
    ignore: tuple[str, ...] = LEFT_BEHIND
    disk_factor: float = 2.0
    disk_rule: bool = field(default=False, metadata=stored(added=True))


@dataclass(frozen=True, kw_only=True)
class BlueprintValues:
    """What a blueprint says that its service goes by, under the blueprint's own names. The budget is in USD a
    month for each group; `outside_buckets` and `input_addresses`: what submissions may name besides the own
    bucket; `parameters`: the JSON Schema of the analysis's configurations, None where any names will do.
    `results_required`: patterns (`protocol.required`), each of which a result of each dataset must fit.
    `runs`: checkpoints, logs, known errors, machines that stay.
    `secrets`: names of variables that the script gets from the parameter store (`protocol.secrets`);
    `network`: OPEN, or CLOSED for machines that reach S3 alone.
    `takes_from`: analyses whose results its jobs may take; `next`: what is submitted when a job of it has
    ended (`protocol.chain`)."""

    instance: InstanceSettings = field(
        metadata=flat(
            {
                "type": "instance_type",
                "types": "instance_types",
                "fallback": "fallback_types",
                "grow_memory": "",
                "family": "",
                "cpu": "need_cpu",
                "memory_gib": "need_memory_gib",
                "gpu": "need_gpu",
            }
        )
    )
    limits: Limits = field(metadata=flat(prefix="max_"))
    data: DataSettings = field(default=DataSettings(), metadata=flat())
    outside_buckets: tuple[OutsideBucket, ...] = ()
    input_addresses: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    secrets: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    network: str = field(default=OPEN, metadata=stored(added=True))
    budget_usd: float
    parameters: Mapping[str, Any] | None = None
    results_required: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    runs: RunRules = field(default=RunRules(), metadata=stored(added=True))
    takes_from: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    next: ChainStep | None = None

    @property
    def config_rules(self) -> ConfigRules:
        """What configurations of jobs are checked by."""
        return ConfigRules(
            duration_minutes=self.instance.duration_minutes,
            max_duration_minutes=self.instance.max_duration_minutes,
            max_dataset_size_gib=self.limits.dataset_size_gib,
            max_ensemble_size=self.limits.ensemble_size,
            parameters=self.parameters,
            max_sweep=self.limits.sweep,
        )

    @property
    def disk_rules(self) -> DiskRules:
        """What the disks of a job's machines are made by."""
        data, limits = self.data, self.limits
        return DiskRules(
            self.instance.volume_gib, limits.dataset_size_gib, data.disk_factor, besides=data.disk_rule
        )


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings(BlueprintValues):
    """The blueprint's values, and what a deployment adds. Durations in minutes, sizes in GiB, prices in USD
    an hour (on demand); `rates`: of what each machine has besides. `subnets`: where its machines may be
    (none: in the account's default network). `queue_url`: of the queue of submissions. `sources`: what
    `takes_from` means in this stage.

    `oom_types` has, for each of `instance.types`, the larger ones on which a dataset that ran out of memory
    may be run again, the next larger first (nothing: none is).

    `budget_parameters` is the SSM path below which `{group}/{analysis}` may set another budget
    (`/neurocaas/budgets`); None where the manager has no right to look there."""

    analysis: str
    stage: str
    stack: str
    bucket: str
    region: str
    account: str
    groups: Mapping[str, Group]
    prices: Mapping[str, float]
    prices_date: str
    image: Image
    script: str
    code: Code
    ledger_table: str
    queue_url: str
    topic_arn: str | None = None
    budget_parameters: str | None = None
    blueprint_digest: str | None = None
    blueprint_commit: str | None = None
    oom_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=stored(added=True))
    rates: Rates = field(default=Rates(), metadata=stored(added=True))
    subnets: tuple[Subnet, ...] = field(default=(), metadata=stored(added=True))
    sources: tuple[Source, ...] = field(default=(), metadata=stored(added=True))
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> AnalysisSettings:
        """Raises DocumentError for a document of another version or shape."""
        settings = read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)
        larger = (name for names in settings.oom_types.values() for name in names)
        instance = settings.instance
        unpriced = {instance.type, *instance.types, *larger} - settings.prices.keys()
        if unpriced:
            raise DocumentError(f"{_WHAT}: no price for {', '.join(sorted(unpriced))}")
        return settings
