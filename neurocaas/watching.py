"""Asking for many jobs at once, until all of them (or the first) have ended.

`AT_ONCE` are asked at a time; the more there are, the longer is the pause, so that a hundred jobs make no
more requests a second than ten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from neurocaas.errors import AnalysisError, Patient
from neurocaas.protocol.units import duration
from neurocaas.states import JobState

AT_ONCE = 8
PAUSE = 1.0
"""Seconds between two rounds, and so many more for each `AT_ONCE` jobs that are open."""


@dataclass(frozen=True)
class Watched:
    """A job, and the name of its analysis. `handle` is a `JobHandle`."""

    analysis: str
    handle: Any


def watch_jobs(
    jobs: Mapping[str, Watched],
    show: Callable[[str, JobState, bool], None],
    until_first: bool = False,
    timeout: float | None = None,
    clock: Any = time,
) -> dict[str, JobState]:
    """The last states of the jobs, by their titles. `show` gets each state, and whether the job has ended
    just now; a network that is away for some minutes is waited for. After `timeout` seconds AnalysisError."""
    patient = {title: Patient(one.handle.status, clock) for title, one in jobs.items()}
    states, begun = dict[str, JobState](), clock.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while patient:
            asked = list(patient)
            for title, state in zip(asked, pool.map(lambda one: patient[one](), asked), strict=True):
                if state is None:
                    continue
                states[title] = state
                show(title, state, state.finished)
            for title in asked:
                if title in states and states[title].finished:
                    del patient[title]
            if not patient or (until_first and len(patient) < len(jobs)):
                break
            if timeout is not None and clock.monotonic() - begun >= timeout:
                raise AnalysisError(
                    f"{len(patient)} of {len(jobs)} jobs have not ended after {duration(timeout)}",
                    "jobs that end within the time limit",
                    "watch them again: they go on",
                )
            clock.sleep(PAUSE * max(1.0, len(patient) / AT_ONCE))
    return states
