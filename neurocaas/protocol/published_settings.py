"""What an analysis tells its users: `jobs/{group}/analysis.json`, written by the stack, read by the client.

It is the part of the settings that a forecast and a rerun need. It lies where a group and its machines may
read and not write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.chain import Source
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.cost import Rates
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.ignored import LEFT_BEHIND
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.need import Need
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.typed_json import data_of, read, stored

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
    `rates` and `disk`: what a machine has besides and costs for that, and how large its disk is; nothing, and
    None, in a document of an earlier version.
    `need`: what `instance_type` is the cheapest type with, None where the analysis names the type itself.
    `image_ready`: false while no machine image is deployed that the blueprint requires.
    `description`: what it computes; `dataset_description`: what a dataset must contain; `dataset_example`:
    what one is called, for instance. `outside_buckets`: those that the group's submissions may name, None in
    a document of an earlier version.
    `sources`: other analyses whose results its jobs may take (`neurocaas.protocol.chain`).
    `outside_roles`: the ARNs of the roles that reach outside buckets (`neurocaas.protocol.linking`), where
    the group has any.
    `machines`: what each type of `prices` has, as far as that is known.
    `tells_spending`: its manager keeps the documents of `neurocaas.protocol.spending`.
    `script`: what its machines run, as job.json says it; "" in a document of an earlier version.
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
    compare: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata=stored(added=True))
    launch_template_id: str | None = None
    folder: str = field(default="one", metadata=stored(added=True))
    ignore: tuple[str, ...] = field(default=LEFT_BEHIND, metadata=stored(added=True))
    oom_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=stored(added=True))
    config: ConfigRules | None = None
    image_ready: bool = field(default=True, metadata=stored(added=True))
    rates: Rates = field(default=Rates(), metadata=stored(added=True))
    disk: DiskRules | None = None
    need: Need | None = None
    description: str = field(default="", metadata=stored(added=True))
    dataset_description: str = field(default="", metadata=stored(added=True))
    dataset_example: str = field(default="", metadata=stored(added=True))
    outside_buckets: tuple[OutsideBucket, ...] | None = None
    tells_spending: bool = field(default=False, metadata=stored(added=True))
    input_addresses: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    script: str = field(default="", metadata=stored(added=True))
    sources: tuple[Source, ...] = field(default=(), metadata=stored(added=True))
    outside_roles: Mapping[str, str] = field(default_factory=dict, metadata=stored(added=True))
    machines: Mapping[str, Need] = field(default_factory=dict, metadata=stored(added=True))
    schema_version: int = field(default=SCHEMA_VERSION)

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> About:
        """Raises DocumentError for a document of another version or shape."""
        return read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)
