"""The job document `job.json`: what the manager decided, for the machines, the monitor, the client and
reruns.

It lies among the service's records (`JobKeys.job`), where machines may read and not write. It is written
once, before anything is launched, and never changed. Everything a launch call contains is derived from it, so
that a repeated launch is the same launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.chain import ChainStep
from neurocaas.protocol.cost import Rates, at_most
from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.keys import JobId, JobKeys, ResultKeys
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.runs import RunRules
from neurocaas.protocol.settings import MARKETS, ON_DEMAND, SPOT, Code, Group, Image, Subnet
from neurocaas.protocol.typed_json import data_of, read, stored
from neurocaas.protocol.waiting import AS_BUDGET_ALLOWS, AT_ONCE, RUNS, wait_of

SCHEMA_VERSION = 1
PASSED_OVER = 20
"""So many objects that are no datasets are told."""

_WHAT = "job.json"


@dataclass(frozen=True)
class ConfigSource:
    """The configuration that the submission named, as it was read: `sha256` of its bytes, `etag` without
    quotes.
    """

    etag: str
    version_id: str | None
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """One dataset of a job and thereby one machine. `inputpath` is a key of the bucket (ending in '/' for a
    folder), or a whole s3:// path of an outside bucket; `size` in bytes, of all its objects for a folder.
    `etag` and `version_id` are the object's as the manager saw it (`neurocaas.protocol.pins`); `pins`: it is
    a folder, whose objects are in a record of their own. `configpath` is the record with the configuration
    that its machine gets. A member of an ensemble has its number `jobnb` (from 1). Of a sweep, `parameters`
    are what its combination sets (None: the job is none), and `folder` is the folder of its results below
    `process_results/` ("" for that itself)."""

    index: int
    name: str
    inputpath: str
    status_key: str
    size: int | None = None
    configpath: str | None = None
    jobnb: int | None = None
    etag: str | None = None
    version_id: str | None = None
    pins: bool = field(default=False, metadata=stored(added=True))
    parameters: Mapping[str, Any] | None = None
    folder: str = field(default="", metadata=stored(added=True))


@dataclass(frozen=True)
class Job:
    """`price_per_hour` is the price of `instance_type`, `rates` those of what its machines have besides;
    `instance_types` are the types that may stand in for it when AWS has no capacity, best first, beginning
    with `instance_type`; `market`, `zones`, `subnets` and `attempts` as in the settings. `config` is the
    configuration with defaults filled in, `notes` what its author may not have meant; `configpath` and
    `configname` are the submission's, `config_source` what lay there. `passed_over`: paths below its folders
    that are no datasets (`neurocaas.protocol.ignored`), up to PASSED_OVER. `resultdir` is where results go:
    below the group, or a whole s3:// path; the job's own records (logs/) are below the group always.
    `oom_types` are the larger types, the next larger first, on which a dataset that ran out of memory may be
    run again; `results_required` are patterns (`protocol.required`), each of which a result of each dataset
    must fit. `submitter`: the person who submitted, by the name in groups.yaml; "" where nobody can say.
    `runs`: how its blueprint wants its runs; `hold_limit`: micro-dollars of the developers' own budget of a
    month, from which machines are held.
    `secrets`: names of secrets that its machines read (`protocol.secrets`).
    `after`: the job whose results it takes, as its submission names it; `by`: what made the submission where
    that was the service (`protocol.chain`), as the `step`-th job of a chain; `next`: what follows it by
    itself; `began`: since when it waits no more for another job, "" where it never did; `cap`: in
    which month of which watch it counts (`protocol.watches`).
    `swept`: of a sweep, the parameters that differ among its datasets, in the order of the configuration;
    none of another job. `work`: what it computes, as a digest (`protocol.work`), "" in documents of before;
    `same_as`: the earlier job of the group that has done this very work with success, "" for none.
    `wait`: for how many seconds after it was submitted (or `began`) it may wait for room, capacity or budget,
    None where its submission has said nothing; `run` is one of `protocol.waiting.RUNS`.
    `manifest`: the file that listed its datasets, `manifest_source` what lay there; "" and None for none."""

    analysis: str
    stage: str
    bucket: str
    region: str
    group: str
    timestamp: str
    submission_key: str
    submission_sha256: str
    resultdir: str
    configpath: str
    configname: str
    config: Mapping[str, Any]
    script: str
    code: Code
    instance_type: str
    instance_types: tuple[str, ...]
    prices: Mapping[str, float]
    duration_minutes: int
    volume_gib: int
    dataset_size_gib: int
    image: Image
    launch_template: Group
    price_per_hour: float
    created: str
    datasets: tuple[Dataset, ...]
    market: str = ON_DEMAND
    zones: tuple[str, ...] = ()
    attempts: int = field(default=3, metadata=stored("max_attempts"))
    blueprint_digest: str | None = None
    blueprint_commit: str | None = None
    config_source: ConfigSource | None = None
    passed_over: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    oom_types: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    results_required: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    notes: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    rates: Rates = field(default=Rates(), metadata=stored(added=True))
    subnets: tuple[Subnet, ...] = field(default=(), metadata=stored(added=True))
    submitter: str = field(default="", metadata=stored(added=True))
    runs: RunRules = field(default=RunRules(), metadata=stored(added=True))
    hold_limit: int = field(default=0, metadata=stored(added=True))
    secrets: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    after: str = field(default="", metadata=stored(added=True))
    by: str = field(default="", metadata=stored(added=True))
    step: int = field(default=0, metadata=stored(added=True))
    next: ChainStep | None = None
    began: str = field(default="", metadata=stored(added=True))
    swept: tuple[str, ...] = field(default=(), metadata=stored(added=True))
    cap: str = field(default="", metadata=stored(added=True))
    work: str = field(default="", metadata=stored(added=True))
    manifest: str = field(default="", metadata=stored(added=True))
    manifest_source: ConfigSource | None = None
    same_as: str = field(default="", metadata=stored(added=True))
    wait: int | None = field(default=None, metadata=stored(added=True))
    run: str = field(default=AT_ONCE, metadata=stored(among=RUNS, added=True))
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def id(self) -> JobId:
        return JobId(self.bucket, self.group, self.timestamp)

    @property
    def keys(self) -> JobKeys:
        return JobKeys.of(self.group, self.timestamp)

    @property
    def results(self) -> tuple[str, ResultKeys]:
        """The bucket that results go to, and their keys in it."""
        bucket, prefix = place_of(self.resultdir, self.bucket)
        if bucket == self.bucket:
            return bucket, self.keys
        return bucket, ResultKeys(self.group, self.keys.folder, f"{prefix}/")

    @property
    def wait_seconds(self) -> int:
        """How long it may wait for what it lacks."""
        return wait_of(self.wait, self.run)

    @property
    def waits_since(self) -> str:
        """Since when it does (ISO 8601): a job that has waited for another waits no more for that one."""
        return self.began or self.created

    @property
    def waits_for_budget(self) -> bool:
        """Whether it waits for money at all. A job that says nothing is answered at once."""
        return self.run == AS_BUDGET_ALLOWS or self.wait is not None

    @property
    def hourly_at_most(self) -> float:
        """USD an hour of the dearest machine that a dataset may come to run on, with its disk and address."""
        dearest = max(self.prices[name] for name in (*self.instance_types, *self.oom_types))
        return dearest + self.besides_per_hour

    @property
    def at_most_each(self) -> int:
        """Micro-dollars that are reserved for each dataset: its machine runs for its whole duration and a
        margin, as the dearest type that may stand in, or on which a dataset that ran out of memory may be
        run again, with its volume and its address. Further attempts must do with that."""
        return at_most(1, self.duration_minutes, self.hourly_at_most)

    @property
    def releases_early(self) -> bool:
        """Whether a dataset that has ended gives back at once what was reserved for it and not spent. Where
        datasets may be run again at a cost, all of a job's reservation is there for that until the job ends,
        unless it runs as its budget allows."""
        return self.run == AS_BUDGET_ALLOWS or not (SPOT in MARKETS[self.market] or self.oom_types)

    @property
    def besides_per_hour(self) -> float:
        """USD an hour for the volume and the address of each machine."""
        return self.rates.hourly(self.volume_gib)

    def results_prefix(self, index: int) -> str:
        """Where the results of dataset `index` begin, in the bucket of `results`."""
        folder = self.datasets[index].folder
        return self.results[1].process_prefix + (f"{folder}/" if folder else "")

    def configpath_of(self, index: int) -> str:
        """The configuration that the machine of dataset `index` gets."""
        return self.datasets[index].configpath or self.configpath

    @property
    def service_files(self) -> frozenset[str]:
        """Keys in its `process_results/` that are no results: the service, or the frame of each machine,
        writes them."""
        folder = self.results[1]
        names = {self.configpath_of(one.index).rpartition("/")[2] for one in self.datasets}
        return frozenset(
            {folder.end, f"{folder.process_prefix}update.txt", *(folder.process_prefix + n for n in names)}
        )

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """Raises DocumentError for a document of another version or shape."""
        return read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)
