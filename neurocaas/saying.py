"""What is said of a dataset in one line, on a terminal, in a file and in a notebook alike."""

from __future__ import annotations

import re
from typing import Protocol

from neurocaas.layout import cell
from neurocaas.protocol.units import duration

_PROGRESS = re.compile(r"::progress[ \t]+[0-9.eE+-]+(?:[ \t].*)?")


class ToldDataset(Protocol):
    """Of whom it is said: a `DatasetState`."""

    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def idle_since(self) -> str: ...
    @property
    def last_line(self) -> str: ...
    @property
    def progress(self) -> float | None: ...
    @property
    def progress_text(self) -> str: ...
    @property
    def eta_seconds(self) -> float | None: ...
    @property
    def final(self) -> bool: ...


def percent(part: float) -> str:
    """`99 %` of a part of 1: what is not all is no 100."""
    return f"{int(part * 100 + 1e-9)} %"


def what_is_said(dataset: ToldDataset, *, left: bool = True) -> str:
    """The one line that says most about a dataset: why it failed, else how far its script is, about how long
    it will take (with `left`), and its last line: `25 % fitting, about 1 min 30 s left`. A progress mark
    (`::progress 0.25 fitting`) is no line of its own.
    """
    if dataset.state == "FAILED" and (dataset.error or dataset.reason):
        return cell(": ".join(text for text in (dataset.error, dataset.reason) if text))
    if dataset.idle_since and not dataset.final:
        return cell(f"IDLE since {dataset.idle_since}: its machine does next to nothing, and is paid")
    line = "" if _PROGRESS.fullmatch(dataset.last_line) else cell(dataset.last_line)
    far = (
        ""
        if dataset.progress is None
        else f"{percent(dataset.progress)} {cell(dataset.progress_text)}".rstrip()
    )
    if dataset.final and line:
        return line
    if left and dataset.eta_seconds is not None and not dataset.final:
        far += f"{', ' if far else ''}about {duration(dataset.eta_seconds)} left"
    return f"{far}: {line}" if far and line else far or line
