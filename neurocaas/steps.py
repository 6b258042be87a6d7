"""From a wish to an answered job, in steps: check all, upload what is only here, submit, wait for the answer.

    plans = planned(analysis, wishes)         # everything that is wrong is raised, nothing is uploaded
    sent = uploaded(analysis, plans)          # a file that several wishes name goes up once
    handles = [submitted(analysis, plan, one) for plan, one in zip(plans, sent)]
    answer = answered(handles[0])             # None: the service has not answered in this time

Several wishes are one request of a person (a sweep, a job for each participant): their faults are told
together, and the budget has to have room for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from neurocaas.bucket import Bucket
from neurocaas.budget import refusals
from neurocaas.checks import CheckedWish, Wish, check
from neurocaas.errors import AnalysisError, SeveralErrors, UnreachableError, raise_all
from neurocaas.forecast import Forecast
from neurocaas.formats.dandi import resolved
from neurocaas.formats.file_tree import FileTree
from neurocaas.job import JobHandle
from neurocaas.manifests import lines_of, parameter_errors
from neurocaas.progress import SILENT, Progress
from neurocaas.protocol.published_settings import About
from neurocaas.states import JobState
from neurocaas.timestamps import new_timestamp, now

ANSWER_SECONDS = 60.0
"""So long is an answer waited for."""

USUAL_SECONDS = 5.0
"""Within these it usually comes."""


class Submitter(Protocol):
    """What the steps ask of an `Analysis`."""

    @property
    def group(self) -> str: ...
    @property
    def objects(self) -> Bucket: ...
    def about(self) -> About: ...
    def upload_all(
        self, paths: list[str], *, each: bool = False, progress: Progress = SILENT
    ) -> list[list[str]]: ...
    def upload_trees(self, trees: Sequence[FileTree], *, progress: Progress = SILENT) -> list[str]: ...
    def job_config(self, config: str | Mapping[str, Any], stamp: str) -> str: ...
    def forecast(
        self,
        sizes: Sequence[int | None],
        *,
        minutes: int | None = None,
        instance_type: str | None = None,
        dataset_size_gib: int = 0,
        past: bool = True,
    ) -> Forecast: ...
    def submit(
        self,
        datanames: tuple[str, ...],
        config: str,
        timestamp: str | None = None,
        instance_type: str | None = None,
        resultpath: str | None = None,
        *,
        check: bool,
        after: str | None = None,
        after_when: str | None = None,
        run: str | None = None,
        wait: str | None = None,
        manifest: str | None = None,
    ) -> JobHandle: ...


@dataclass(frozen=True)
class SubmissionPlan:
    """A wish that has nothing wrong that can be seen from here, under the job's name `wish.timestamp`."""

    wish: Wish
    checked: CheckedWish
    forecast: Forecast


@dataclass(frozen=True)
class UploadedData:
    """What a submission names: keys of its datasets and of its config, all in the bucket (or outside), and of
    the manifest that lists them ("" for none)."""

    keys: tuple[str, ...]
    configname: str
    manifest: str = ""


def planned(
    analysis: Submitter, wishes: Sequence[Wish], *, submits: bool = True, past: bool = True
) -> list[SubmissionPlan]:
    """A plan for each wish. Raises AnalysisError with everything that is wrong with any of them. Without
    `submits`, nothing will be submitted: no machine image is needed. Without `past`, earlier jobs are not
    looked at for the forecast."""
    plans, errors = list[SubmissionPlan](), list[AnalysisError]()
    stamp = new_timestamp(now())
    about = analysis.about()
    for number, wish in enumerate(wishes, 1):
        own = stamp if len(wishes) == 1 else f"{stamp}-{number}"
        try:
            lines = lines_of(wish.manifest, about, analysis.objects) if wish.manifest else []
            if lines:
                wish = replace(wish, keys=[line.dataset for line in lines])
            known, wrong = resolved(wish.keys, about.input_addresses)
            errors += wrong
            if wrong and not (known or wish.files or wish.trees):
                continue  # what else there is to say needs a dataset
            wish = replace(wish, keys=known)
            checked = check(wish, about, analysis.objects, analysis.group, submits=submits)
            errors += parameter_errors(wish.manifest, lines, checked.config, about)
            foreseen = _foreseen(analysis, wish, checked, past=past)
            plans.append(SubmissionPlan(replace(wish, timestamp=wish.timestamp or own), checked, foreseen))
        except SeveralErrors as error:
            errors += error.errors
        except UnreachableError:
            raise
        except AnalysisError as error:
            errors.append(error)
    if submits:
        errors += _unpaid(plans)
    told = {str(error): error for error in errors}  # what is wrong with all of them is told once
    raise_all(list(told.values()))
    return plans


def _unpaid(plans: Sequence[SubmissionPlan]) -> list[AnalysisError]:
    """What the service would say of what the plans may cost: only what is sure, and with the ways out."""
    if not plans:
        return []
    budget = plans[0].forecast.budget
    if len(plans) == 1:
        return plans[0].forecast.refused(plans[0].wish.run, plans[0].wish.wait)
    return refusals([plan.forecast.usd for plan in plans], budget)


def uploaded(
    analysis: Submitter, plans: Sequence[SubmissionPlan], progress: Progress = SILENT
) -> list[UploadedData]:
    """Upload what the plans name of this computer, each file once, and the configs. All plans make the same
    of a folder."""
    files = list(dict.fromkeys(path for plan in plans for path in plan.wish.files))
    each = any(plan.wish.each for plan in plans)
    found = analysis.upload_all(files, each=each, progress=progress) if files else []
    keys = dict(zip(files, found, strict=True))
    trees = {id(tree): tree for plan in plans for tree in plan.wish.trees}
    sent = analysis.upload_trees(list(trees.values()), progress=progress) if trees else []
    tree_keys = dict(zip(trees, sent, strict=True))
    lists = [plan.wish.manifest for plan in plans if Path(plan.wish.manifest or "-").is_file()]
    listed = [key for (key,) in analysis.upload_all(lists, progress=progress)] if lists else []
    list_keys = dict(zip(lists, listed, strict=True))
    return [
        UploadedData(
            (
                *plan.wish.keys,
                *(key for path in plan.wish.files for key in keys[path]),
                *(tree_keys[id(tree)] for tree in plan.wish.trees),
            ),
            analysis.job_config(plan.wish.config, plan.wish.timestamp),
            list_keys.get(plan.wish.manifest, plan.wish.manifest),
        )
        for plan in plans
    ]


def submitted(analysis: Submitter, plan: SubmissionPlan, sent: UploadedData) -> JobHandle:
    """Submit what was uploaded."""
    wish = plan.wish
    return analysis.submit(
        sent.keys,
        sent.configname,
        wish.timestamp,
        wish.instance_type or None,
        wish.resultpath or None,
        check=False,
        after=wish.after or None,
        after_when=wish.after_when or None,
        run=wish.run or None,
        wait=wish.wait or None,
        manifest=sent.manifest or None,
    )


def answered(
    handle: JobHandle,
    seconds: float | None = None,
    clock: Any = time,
    waiting: Callable[[], None] = lambda: None,
    taken: Callable[[], bool] = lambda: False,
) -> JobState | None:
    """The job's state as soon as the service has taken or refused it (`phase` REJECTED, or DONE of a very
    short one); None when it has not within `seconds` (by default ANSWER_SECONDS). `waiting` is called once,
    when it takes longer than it usually does; `taken`: whether
    it is the answer that it has no datasets yet."""
    begun, told = clock.monotonic(), False
    limit = ANSWER_SECONDS if seconds is None else seconds
    while True:
        state = handle.status()
        if state.phase != "SUBMITTED" or taken():
            return state
        waited = clock.monotonic() - begun
        if waited >= limit:
            return None
        if waited >= USUAL_SECONDS and not told:
            told = True
            waiting()
        clock.sleep(0.5)


def _foreseen(analysis: Submitter, wish: Wish, checked: CheckedWish, *, past: bool) -> Forecast:
    config, sizes = checked.config, checked.sizes
    machines = sizes * config.runs if config else sizes
    return analysis.forecast(
        machines,
        minutes=config.duration_minutes if config else None,
        instance_type=wish.instance_type or None,
        dataset_size_gib=config.dataset_size_gib if config else 0,
        past=past,
    )
