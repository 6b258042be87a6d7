"""Jobs and their datasets as futures of `concurrent.futures`: results with a timeout, exceptions, callbacks,
`as_completed`.

S3 tells a user nothing by itself, so one thread for a job asks every `interval` seconds. Cancelling a future
ends the waiting for it and does not end the job (`JobHandle.cancel` does).
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Protocol, TypeVar

from neurocaas.errors import AnalysisError, Patient
from neurocaas.protocol.status import SUCCESS
from neurocaas.states import DatasetState, JobState
from neurocaas.typed import command as typed

T = TypeVar("T")


class Asked(Protocol):
    """What is asked: a `JobHandle`."""

    timestamp: str

    def status(self) -> JobState: ...

    def reason(self, state: JobState) -> str: ...


class JobFailedError(AnalysisError):
    """The exception of a job's future. `state` is the job's last state."""

    def __init__(self, job: str, why: str, state: JobState) -> None:
        refused = state.phase == "REJECTED"
        super().__init__(
            f"job {job} was refused: {why}" if refused else f"job {job} has failed: {why}",
            "a submission without mistakes" if refused else "a job whose datasets all succeed",
            "correct it, and submit it under another timestamp"
            if refused
            else f"`{typed('explain', job)}` says why, `{typed('logs', job)}` what the scripts have printed",
        )
        self.state = state


class DatasetFailedError(AnalysisError):
    """The exception of a dataset's future. `state` is its last state, None for one that never became part of
    a job.
    """

    def __init__(self, job: str, name: str, why: str, state: DatasetState | None = None) -> None:
        super().__init__(
            f"{name} of job {job} has failed: {why}",
            "a dataset that succeeds",
            f"read what it printed: `{typed('logs', job)}`",
        )
        self.state = state


def of_job(job: Asked, interval: float) -> "Future[JobState]":
    """The job's last state, once it has succeeded, or JobFailedError."""

    def result(number: int, state: JobState) -> JobState | None:
        if state.finished and not state.succeeded:
            raise JobFailedError(job.timestamp, job.reason(state), state)
        return state if state.finished else None

    (future,) = _watch(job, 1, result, interval)
    return future


def of_datasets(job: Asked, inputs: Sequence[str], interval: float) -> "list[Future[DatasetState]]":
    """A future for each of `inputs` (as they were submitted), in order: the dataset's last state, or
    DatasetFailedError.
    """

    def result(number: int, state: JobState) -> DatasetState | None:
        dataset = next((one for one in state.datasets if one.input == inputs[number]), None)
        if dataset is not None and dataset.final:
            if dataset.state != SUCCESS:
                raise DatasetFailedError(
                    job.timestamp, dataset.name, dataset.reason or state.end or "it gives no reason", dataset
                )
            return dataset
        if state.finished:
            raise DatasetFailedError(job.timestamp, inputs[number], job.reason(state), dataset)
        return None

    return _watch(job, len(inputs), result, interval)


def _watch(
    job: Asked, count: int, result: Callable[[int, JobState], T | None], interval: float
) -> "list[Future[T]]":
    """`count` futures, and a thread that asks for the job's state until each has its `result` (None: not yet)
    or was cancelled.
    """
    futures: list[Future[T]] = [Future() for _ in range(count)]
    open_ = dict(enumerate(futures))

    def settle(number: int, get: Callable[[], T | None]) -> None:
        future = open_[number]
        try:
            value, error = get(), None
        except Exception as caught:  # noqa: BLE001 (whatever it was, whoever waits for the future gets it)
            value, error = None, caught
        if value is None and error is None and not future.cancelled():
            return
        del open_[number]
        # also wakes whoever waits for a future that was cancelled
        if not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
        elif value is not None:
            future.set_result(value)

    def ask() -> None:
        patient = Patient(job.status)
        while open_:
            try:
                state = patient()
            except Exception as error:  # noqa: BLE001 (as above)
                for number in list(open_):
                    settle(number, partial(_raise, error))
                return
            for number in list(open_):
                settle(number, partial(result, number, state) if state is not None else _nothing)
            if open_:
                time.sleep(interval)

    threading.Thread(target=ask, name=f"job {job.timestamp}", daemon=True).start()
    return futures


def _nothing() -> None:
    """The answer while there is none."""


def _raise(error: Exception) -> None:
    raise error
