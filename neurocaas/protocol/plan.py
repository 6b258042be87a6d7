"""From a checked submission to the job document: everything that is decided, in one place and once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from neurocaas.protocol.config import MEMBER, JobConfig
from neurocaas.protocol.documents import iso
from neurocaas.protocol.job import PASSED_OVER, ConfigSource, Dataset, Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.manifest import ManifestLine
from neurocaas.protocol.names import dataset_names
from neurocaas.protocol.normal import normal_text
from neurocaas.protocol.pins import Pin, pins_text
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.submission import Submission
from neurocaas.protocol.sweep import SWEEP, label
from neurocaas.protocol.work import content_of, work_of


@dataclass(frozen=True)
class DatasetInput:
    """A dataset that is there: the object, or the objects of its `folder`."""

    pins: tuple[Pin, ...]
    folder: bool = False

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(pin.size for pin in self.pins)


@dataclass(frozen=True)
class ReadConfig:
    """A configuration that was checked, the bytes that were, and where they were from."""

    config: JobConfig
    raw: bytes
    source: ConfigSource


@dataclass(frozen=True)
class ManifestRead:
    """The manifest that a submission names: its lines, the bytes they were read from, and where from."""

    lines: tuple[ManifestLine, ...]
    raw: bytes
    source: ConfigSource


@dataclass
class FoundInputs:
    """The datasets by their paths, in the order of the submission; `passed_over`: up to PASSED_OVER objects
    of their folders that are none;
    `dataset_size_gib`: by which their machines' volumes are enlarged; `hidden`: keys in folders that are no
    data."""

    inputs: dict[str, DatasetInput] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    config: ReadConfig | None = None
    dataset_size_gib: int = 0
    own: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    manifest: ManifestRead | None = None
    hidden: frozenset[str] = frozenset()

    def pass_over(self, path: str) -> None:
        if len(self.passed_over) < PASSED_OVER:
            self.passed_over.append(path)


@dataclass(frozen=True)
class PlannedRun:
    """One dataset of the job: the data at `path` under the display name `name`. `number` is that of its
    configuration where it has one of its own: a member of an ensemble, or a combination (`parameters` are
    what it sets, `folder` is that of its results)."""

    name: str
    path: str
    number: int | None = None
    parameters: Mapping[str, Any] | None = None
    folder: str = ""


def planned_runs(
    paths: Iterable[str], config: JobConfig, own: Mapping[str, Mapping[str, Any]] | None = None
) -> list[PlannedRun]:
    """The job's datasets: each path, each member of an ensemble over the only path, or each path with each
    combination of a sweep. `own`: parameters of single paths."""
    every = list(paths)
    names = dataset_names(every)
    if own:
        numbers = dict[str, int]()  # of each set of parameters
        texts = [json.dumps(own.get(path, {}), sort_keys=True) for path in every]
        for text in texts:
            numbers.setdefault(text, len(numbers) + 1)
        return [
            PlannedRun(name, path, numbers[text], own.get(path, {}))
            for name, path, text in zip(names, every, texts, strict=True)
        ]
    if config.members is not None:
        return [
            PlannedRun(f"{names[0]}_inst{number}", every[0], number)
            for number in range(1, config.members + 1)
        ]
    if not config.combinations:
        return [PlannedRun(name, path) for name, path in zip(names, every, strict=True)]
    labels = [label(one) for one in config.combinations]
    runs = [
        PlannedRun(f"{name}_{folder}", path, number, parameters, folder)
        for name, path in zip(names, every, strict=True)
        for number, (folder, parameters) in enumerate(zip(labels, config.combinations, strict=True), 1)
    ]
    # a name of a dataset may have an end that looks like a combination
    unique = dataset_names([run.name for run in runs])
    return [replace(run, name=name) for run, name in zip(runs, unique, strict=True)]


def plan(
    settings: AnalysisSettings,
    submission: Submission,
    submission_key: str,
    submission_sha256: str,
    found: FoundInputs,
    created: datetime,
    submitter: str = "",
    began: str = "",
    cap: str = "",
) -> Job:
    """The job of `submission`, of which `found` has all that it names, without problems; `began` and
    `cap` as in the job. Pure."""
    assert found.config is not None
    config = found.config.config
    chosen = submission.instance_type or settings.instance.type
    # A type that the analyst chose is kept; the analysis's own may be replaced by its alternatives.
    others = () if submission.instance_type else settings.instance.fallback
    types = (chosen, *(name for name in others if name != chosen))
    larger = tuple(settings.oom_types.get(chosen, ()))
    job = Job(
        analysis=settings.analysis,
        stage=settings.stage,
        bucket=settings.bucket,
        region=settings.region,
        group=submission.group,
        timestamp=submission.timestamp,
        submission_key=submission_key,
        submission_sha256=submission_sha256,
        resultdir=submission.resultdir,
        configpath=submission.configname,
        configname=submission.configname.rpartition("/")[2],
        config=config.values,
        script=settings.script,
        code=settings.code,
        instance_type=chosen,
        instance_types=types,
        prices={name: settings.prices[name] for name in (*types, *larger)},
        duration_minutes=config.duration_minutes,
        volume_gib=settings.instance.volume_gib + found.dataset_size_gib,
        dataset_size_gib=found.dataset_size_gib,
        image=settings.image,
        launch_template=settings.groups[submission.group],
        price_per_hour=settings.prices[chosen],
        created=iso(created),
        datasets=_datasets(submission, found, config),
        market=settings.instance.market,
        zones=settings.instance.zones,
        attempts=settings.limits.attempts,
        blueprint_digest=settings.blueprint_digest,
        blueprint_commit=settings.blueprint_commit,
        config_source=found.config.source,
        passed_over=tuple(found.passed_over),
        oom_types=larger,
        results_required=settings.results_required,
        notes=config.notes,
        rates=settings.rates,
        subnets=settings.subnets,
        submitter=submitter,
        runs=settings.runs,
        secrets=settings.secrets,
        after=submission.after.name if submission.after else "",
        by=submission.asked.by if submission.asked else "",
        step=submission.asked.step if submission.asked else 0,
        next=settings.next,
        began=began,
        swept=tuple(dict.fromkeys(name for one in _sets(found, config) for name in one)),
        manifest=submission.manifest,
        manifest_source=found.manifest.source if found.manifest else None,
        cap=cap,
        wait=submission.wait_seconds,
        run=submission.run,
    )
    return replace(job, work=work_of_job(job, found))


def _sets(found: FoundInputs, config: JobConfig) -> Iterable[Mapping[str, Any]]:
    """The parameters that differ among datasets."""
    return config.combinations or found.own.values()


def work_of_job(job: Job, found: FoundInputs) -> str:
    """What the job computes (`protocol.work`)."""
    configs = {one.configpath: config_of(job, one) for one in job.datasets}
    runs = (
        (one.name, configs[one.configpath], content_of(one.inputpath, found.inputs[one.inputpath].pins))
        for one in job.datasets
    )
    return work_of(job.code.sha256, job.image.id, job.script, runs)


def _datasets(submission: Submission, found: FoundInputs, config: JobConfig) -> tuple[Dataset, ...]:
    keys, configname = submission.keys, submission.configname.rpartition("/")[2]
    common = keys.records.config(configname)
    made = []
    for index, run in enumerate(planned_runs(found.inputs, config, found.own)):
        item = run.path, found.inputs[run.path]
        if run.number is None:
            made.append(_dataset(keys, index, run.name, item, common))
        elif run.parameters is None:
            own = keys.member_config(run.number, configname)
            made.append(replace(_dataset(keys, index, run.name, item, own), jobnb=run.number))
        else:
            own = keys.combination_config(run.number, configname)
            one = _dataset(keys, index, run.name, item, own)
            made.append(replace(one, parameters=run.parameters, folder=run.folder))
    return tuple(made)


def _dataset(
    keys: JobKeys, index: int, name: str, item: tuple[str, DatasetInput], configpath: str
) -> Dataset:
    path, one = item
    plain = Dataset(index, name, path, keys.status(name), one.size, configpath, pins=one.folder)
    return plain if one.folder else replace(plain, etag=one.pins[0].etag, version_id=one.pins[0].version_id)


def records(job: Job, found: FoundInputs) -> Iterator[tuple[str, str | bytes]]:
    """Keys and contents of what the machines of a job read beside job.json: the objects of folders, the
    configuration (of each member of an ensemble), and for people the one that was submitted."""
    assert found.config is not None
    for dataset in job.datasets:
        if dataset.pins:
            yield job.keys.records.pins(dataset.index), pins_text(found.inputs[dataset.inputpath].pins)
    yield from configs(job).items()
    yield job.keys.records.original_config(job.configname), found.config.raw
    if found.manifest is not None:
        yield f"{job.keys.records.prefix}manifest{job.manifest[-4:].lower()}", found.manifest.raw


def configs(job: Job) -> dict[str, str]:
    """Key and text of the configuration of each machine: one for all, or one for each member of an ensemble
    or each combination of a sweep.
    """
    every = {job.configpath_of(dataset.index): dataset for dataset in job.datasets}
    return {key: normal_text(config_of(job, dataset)) for key, dataset in every.items()}


def config_of(job: Job, dataset: Dataset) -> Mapping[str, Any]:
    """The configuration that the machine of a dataset gets."""
    return own_config(job.config, dataset.jobnb, dataset.parameters, swept=bool(dataset.folder))


def own_config(
    config: Mapping[str, Any], member: int | None, parameters: Mapping[str, Any] | None, *, swept: bool
) -> Mapping[str, Any]:
    """Of the job's configuration, the one of a member of an ensemble, of a combination of a sweep (`swept`),
    or of a dataset with parameters of its own."""
    if parameters is not None:
        base = {name: value for name, value in config.items() if not (swept and name == SWEEP)}
        return {**base, **parameters}
    return config if member is None else {**config, MEMBER: member}
