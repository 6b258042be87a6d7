"""Jobs on a terminal: a table that is redrawn in place, or one line per change when the output is a pipe or a
file.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from neurocaas.durations import clock
from neurocaas.forecast import Countdown
from neurocaas.layout import cell, columns
from neurocaas.layout import table as table
from neurocaas.listing import ListedJob
from neurocaas.saying import what_is_said
from neurocaas.states import JobState

_COLOURS = {"INITIALIZING": "yellow", "IN PROGRESS": "cyan", "SUCCESS": "green", "FAILED": "red"}


def status_lines(state: JobState) -> list[str]:
    """A job as it is now: its own line, then one for each dataset, in columns."""
    rows = [(cell(one.name), one.state, clock(one.seconds), what_is_said(one)) for one in state.datasets]
    end = state.end if rows else " ".join(state.end.split()[:2])  # why a job was refused is told by itself
    return [cell(f"job {state.timestamp}  {state.phase}  {end}".rstrip()), *columns(rows)]


def job_lines(jobs: Sequence[ListedJob], ends: Mapping[ListedJob, str]) -> list[str]:
    """A list of jobs in columns: when submitted (in the time of this computer), name, outcome."""
    rows = []
    for one in jobs:
        time = f"{one.submitted.astimezone():%Y-%m-%d %H:%M:%S}" if one.submitted else ""
        open_ = {"job": "open", "refused": "refused", "": "no answer yet"}[one.answer]
        rows.append((time, cell(one.job), cell(ends[one]) or open_))
    return columns(rows)


class Changes:
    """Turns job states into lines, one for each thing that changed; for output that cannot be redrawn."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[str, str]] = {}

    def lines(self, title: str, state: JobState) -> list[str]:
        said = []
        for dataset in state.datasets:
            now = (dataset.state, what_is_said(dataset, left=False))
            if self._told.get((title, dataset.name)) != now:
                self._told[title, dataset.name] = now
                row = (
                    f"{title}  {dataset.name}  {dataset.state}  {clock(dataset.seconds)}  "
                    f"{what_is_said(dataset)}"
                )
                said.append(cell(row).rstrip())
        now = (state.phase, state.end)
        if self._told.get((title, "")) != now:
            self._told[title, ""] = now
            if not state.datasets or state.finished:
                said.append(cell(f"{title}  {state.phase}  {state.end}").rstrip())
        return said


class Board:
    """The jobs being watched, in the order they were added; `show` takes a new state of one of them.
    `typical`: see `Countdown`.
    """

    def __init__(self, out: TextIO, live: Any = None, typical: float | None = None) -> None:
        self._out, self._live, self._changes, self._countdown = out, live, Changes(), Countdown(typical)
        self._states: dict[str, JobState] = {}

    def show(self, title: str, state: JobState) -> None:
        state = self._states[title] = self._countdown.told(state)
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        for line in self._changes.lines(title, state):
            self._out.write(line + "\n")
        self._out.flush()

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        several = len(self._states) > 1  # the name of an only job would take the place of what it says
        table = Table(
            box=None,
            pad_edge=False,
            expand=True,
            title=None if several else next(iter(self._states)),
            title_justify="left",
        )
        for name in (*(("job",) if several else ()), "dataset", "state", "elapsed", "last line"):
            table.add_column(
                name, no_wrap=True, overflow="ellipsis", ratio=1 if name == "last line" else None
            )
        for title, state in self._states.items():
            first = (Text(cell(title)),) if several else ()
            if not state.datasets:
                table.add_row(*first, "", state.phase, "", Text(cell(state.end)))
            for dataset in state.datasets:
                coloured = Text(dataset.state, style=_COLOURS.get(dataset.state, ""))
                table.add_row(
                    *first,
                    Text(cell(dataset.name)),
                    coloured,
                    clock(dataset.seconds),
                    Text(what_is_said(dataset)),
                )
        return table


@contextmanager
def board(out: TextIO | None = None, typical: float | None = None) -> Iterator[Board]:
    """A board for the time of a `with`; `typical`: see `Countdown`. On a terminal the table stays on the
    screen afterwards, in its last state."""
    stream = out or sys.stdout
    if not stream.isatty():
        yield Board(stream, typical=typical)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream), auto_refresh=False) as live:
        yield Board(stream, live, typical)
