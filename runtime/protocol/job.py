"""The job document `job.json`: what the manager decided, for the machines, the monitor, the client and
reruns.

It lies among the service's records (`JobKeys.job`), where machines may read and not write. It is written
once, before anything is launched, and never changed. Everything a launch call contains is derived from it, so
that a repeated launch is the same launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.protocol.documents import DocumentError, dumps, loads, take, take_optional
from runtime.protocol.keys import JobKeys, ResultKeys
from runtime.protocol.outside import place_of
from runtime.protocol.settings import ON_DEMAND, Code, Group, Image, code_from, group_from, image_from, texts

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
    `etag` and `version_id` are the object's as the manager saw it (`runtime.protocol.pins`); `pins`: it is a
    folder, whose objects are in a record of their own. `configpath` is the record with the configuration that
    its machine gets. A member of an ensemble has its number `jobnb` (from 1)."""

    index: int
    name: str
    inputpath: str
    status_key: str
    size: int | None = None
    configpath: str | None = None
    jobnb: int | None = None
    etag: str | None = None
    version_id: str | None = None
    pins: bool = False


@dataclass(frozen=True)
class Job:
    """`price_per_hour` is the price of `instance_type`; `instance_types` are the types that may stand in for
    it when AWS has no capacity, best first, beginning with `instance_type`; `market` and `zones` as in
    AnalysisSettings. `config` is the configuration with defaults filled in, `notes` what its author may not
    have meant; `configpath` and `configname` are the submission's, `config_source` what lay there.
    `passed_over`: paths below its folders that are no datasets (`runtime.protocol.ignored`), up to
    PASSED_OVER. `resultdir` is where results go: below the group, or a whole s3:// path; the job's own
    records (logs/) are below the group always. `oom_types` are the larger types, the next larger first, on
    which a dataset that ran out of memory may be run again; `results_required` are patterns
    (`protocol.required`), each of which a result of each dataset must fit."""

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
    max_attempts: int = 3
    blueprint_digest: str | None = None
    blueprint_commit: str | None = None
    config_source: ConfigSource | None = None
    passed_over: tuple[str, ...] = ()
    oom_types: tuple[str, ...] = ()
    results_required: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def id(self) -> tuple[str, str, str]:
        """Bucket, group and timestamp: which job it is."""
        return self.bucket, self.group, self.timestamp

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

    def configpath_of(self, index: int) -> str:
        """The configuration that the machine of dataset `index` gets."""
        return self.datasets[index].configpath or self.configpath

    def to_json(self) -> str:
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Job:
        """Raises DocumentError for a document of another version or shape."""
        data = loads(text, _WHAT)
        if data.get("schema_version") != SCHEMA_VERSION:
            raise DocumentError(
                f"{_WHAT}: schema_version is {data.get('schema_version')!r}, not {SCHEMA_VERSION}"
            )
        template = take(data, "launch_template", dict, _WHAT)
        prices = take(data, "prices", dict, _WHAT)
        return cls(
            analysis=take(data, "analysis", str, _WHAT),
            stage=take(data, "stage", str, _WHAT),
            bucket=take(data, "bucket", str, _WHAT),
            region=take(data, "region", str, _WHAT),
            group=take(data, "group", str, _WHAT),
            timestamp=take(data, "timestamp", str, _WHAT),
            submission_key=take(data, "submission_key", str, _WHAT),
            submission_sha256=take(data, "submission_sha256", str, _WHAT),
            resultdir=take(data, "resultdir", str, _WHAT),
            configpath=take(data, "configpath", str, _WHAT),
            configname=take(data, "configname", str, _WHAT),
            config=take(data, "config", dict, _WHAT),
            script=take(data, "script", str, _WHAT),
            code=code_from(take(data, "code", dict, _WHAT)),
            instance_type=take(data, "instance_type", str, _WHAT),
            instance_types=texts(data, "instance_types", _WHAT),
            prices={name: take(prices, name, float, "job.json prices") for name in prices},
            duration_minutes=take(data, "duration_minutes", int, _WHAT),
            volume_gib=take(data, "volume_gib", int, _WHAT),
            dataset_size_gib=take(data, "dataset_size_gib", int, _WHAT),
            image=image_from(take(data, "image", dict, _WHAT)),
            launch_template=group_from(template, _WHAT),
            price_per_hour=take(data, "price_per_hour", float, _WHAT),
            created=take(data, "created", str, _WHAT),
            datasets=tuple(_dataset(item) for item in take(data, "datasets", list, _WHAT)),
            market=take(data, "market", str, _WHAT),
            zones=texts(data, "zones", _WHAT),
            max_attempts=take(data, "max_attempts", int, _WHAT),
            blueprint_digest=take_optional(data, "blueprint_digest", str, _WHAT),
            blueprint_commit=take_optional(data, "blueprint_commit", str, _WHAT),
            config_source=_config_source(take_optional(data, "config_source", dict, _WHAT)),
            passed_over=texts(data, "passed_over", _WHAT) if "passed_over" in data else (),
            oom_types=texts(data, "oom_types", _WHAT) if "oom_types" in data else (),
            results_required=texts(data, "results_required", _WHAT) if "results_required" in data else (),
            notes=tuple(map(str, take_optional(data, "notes", list, _WHAT) or ())),
        )


def _config_source(data: Mapping[str, Any] | None) -> ConfigSource | None:
    if data is None:
        return None
    what = "job.json config_source"
    version = take_optional(data, "version_id", str, what)
    return ConfigSource(take(data, "etag", str, what), version, take(data, "sha256", str, what))


def _dataset(data: Any) -> Dataset:
    if not isinstance(data, dict):
        raise DocumentError("job.json: a dataset is not an object")
    what = "job.json dataset"
    return Dataset(
        index=take(data, "index", int, what),
        name=take(data, "name", str, what),
        inputpath=take(data, "inputpath", str, what),
        status_key=take(data, "status_key", str, what),
        size=take_optional(data, "size", int, what),
        configpath=take_optional(data, "configpath", str, what),
        jobnb=take_optional(data, "jobnb", int, what),
        etag=take_optional(data, "etag", str, what),
        version_id=take_optional(data, "version_id", str, what),
        pins=bool(take_optional(data, "pins", bool, what)),
    )
