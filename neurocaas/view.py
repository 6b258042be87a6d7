"""Jobs on a terminal: a screen that is drawn again in place, or one line for each change when the output is a
pipe or a file.

The screen never has more lines than the window, whatever number of datasets there is: those that have failed
or run come first, the rest are counted. It is drawn `PER_SECOND` times a second, as wide as the window is at
the moment; times on it go on between two questions to the service. Lines for a file have no colours, no
cursor movements, and are not cut.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TextIO

from neurocaas.forecast import Countdown
from neurocaas.layout import alike, animated, bar, cell, columns, fitted, padded, wide, wrapped
from neurocaas.layout import table as table
from neurocaas.listing import ListedJob
from neurocaas.protocol.status import FAILED, IN_PROGRESS, INITIALIZING, SUCCESS
from neurocaas.protocol.units import duration
from neurocaas.saying import percent, what_is_said
from neurocaas.states import DatasetState, JobState, shown_end

PER_SECOND = 4
MANY = 20
"""In a job of more datasets than these, no line of a script is a line of the output: only how datasets begin
and end."""

PAUSE = 10.0
"""So many seconds of a script make at most one line of an output, while it only prints something else."""

COLOURS = {
    INITIALIZING: "yellow",
    IN_PROGRESS: "cyan",
    SUCCESS: "green",
    FAILED: "red",
    "SUBMITTED": "yellow",
    "WAITING": "yellow",
    "RUNNING": "cyan",
    "REJECTED": "red",
}
_ROUND = 1e-9
_NAME, _BAR, _STATE = 28, 16, 12
_WORTH = {FAILED: 0, IN_PROGRESS: 1, INITIALIZING: 2, SUCCESS: 3}

Line = tuple[tuple[str, str], ...]
"""A line for a screen: texts with their colours ("" for none)."""


def job_lines(jobs: Sequence[ListedJob], ends: Mapping[ListedJob, str]) -> list[str]:
    """A list of jobs in columns: when submitted (in the time of this computer), name, outcome."""
    rows = []
    for one in jobs:
        time = f"{one.submitted.astimezone():%Y-%m-%d %H:%M:%S}" if one.submitted else ""
        end = shown_end(ends[one])
        open_ = {"job": "open", "refused": "REJECTED", "": "no answer yet"}[one.answer]
        rows.append((time, cell(one.job), cell(end).rstrip() or open_))
    return columns(rows)


class Changes:
    """Turns job states into lines, one for each thing that changed; for output that cannot be redrawn.
    `ends`: only how datasets and jobs end."""

    def __init__(self, *, ends: bool = False) -> None:
        self._told: dict[tuple[str, str], tuple[str, str]] = {}
        self._ends = ends
        self._waits: dict[str, str] = {}
        self._at: dict[tuple[str, str], float] = {}

    def lines(self, title: str, state: JobState, waits: str = "") -> list[str]:
        said = []
        waits = waits or state.waits
        if waits and self._waits.get(title) != waits:
            self._waits[title] = waits
            said.append(cell(f"{title}  {state.phase}  {waits}"))
        for dataset in state.datasets:
            if self._ends and not dataset.final:
                continue
            brief = not dataset.final and len(state.datasets) > MANY
            if self._is_new(title, dataset, brief):
                text = "" if brief else what_is_said(dataset)
                row = f"{title}  {dataset.name}  {dataset.state}  {duration(dataset.seconds)}  {text}"
                said.append(cell(row).rstrip())
        now = (state.phase, state.end)
        if self._told.get((title, "")) != now:
            self._told[title, ""] = now
            if not state.datasets or state.finished:
                end = state.why if state.phase == "REJECTED" else state.end
                said.append(cell(f"{title}  {state.phase}  {end}").rstrip())
        return said

    def _is_new(self, title: str, dataset: DatasetState, brief: bool) -> bool:
        """Whether there is something to say of a dataset: another state, a tenth more of its way, or, of one
        that does not say how far it is, another line; of the same machine not before `PAUSE` seconds."""
        key, seconds = (title, dataset.name), dataset.seconds or 0.0
        if brief or dataset.final or dataset.progress is None:
            now = (dataset.state, "" if brief else what_is_said(dataset, left=False))
        else:
            now = (dataset.state, str(int(dataset.progress * 10 + _ROUND)))
        before = self._told.get(key)
        if before == now:
            return False
        goes_on = (
            before is not None and before[0] == now[0] and dataset.progress is None and not dataset.final
        )
        if goes_on and 0 <= seconds - self._at.get(key, 0.0) < PAUSE:
            return False
        self._told[key], self._at[key] = now, seconds
        return True


@dataclass
class Shown:
    """A job on the screen: its state, since when that is known (`at`, monotonic), and why it waits."""

    title: str
    state: JobState
    at: float
    waits: str = ""

    def seconds(self, dataset: DatasetState, now: float) -> float | None:
        """How long its script has run, as of now."""
        if dataset.seconds is None or dataset.final:
            return dataset.seconds
        return dataset.seconds + max(0.0, now - self.at)

    def eta(self, dataset: DatasetState, now: float) -> float | None:
        """About how long it still takes, as of now."""
        if dataset.eta_seconds is None or dataset.final:
            return None
        return max(0.0, dataset.eta_seconds - (now - self.at))

    def longest(self, now: float) -> float | None:
        """Of its datasets, how long the one has run that has run the longest."""
        return max(
            (s for one in self.state.datasets if (s := self.seconds(one, now)) is not None), default=None
        )

    def left(self, now: float) -> float | None:
        """About how long it still takes: as the dataset that takes the longest. None where one does not say,
        or has not begun."""
        open_ = [self.eta(one, now) for one in self.state.datasets if not one.final]
        known = [one for one in open_ if one is not None]
        return max(known) if known and len(known) == len(open_) else None


def job_screen(shown: Shown, width: int, height: int, now: float, *, ascii_only: bool = False) -> list[Line]:
    """One job: a line or two that count, then a line for each dataset, and at most `height` in all."""
    state = shown.state
    lines = _head(shown, width, now)
    if shown.waits or state.waits or state.outcome == "SUBMITTED":
        told = wrapped(cell(shown.waits or state.waits) or "waiting for the service's answer", width)
        lines += [_cut(((line, ""),), width) for line in told.split("\n")]
    room = max(1, height - len(lines))
    datasets: Sequence[DatasetState] = state.datasets
    hidden: Sequence[DatasetState] = ()
    if len(datasets) > room:
        order = sorted(range(len(datasets)), key=lambda place: (_WORTH.get(datasets[place].state, 1), place))
        failed = [place for place in order if datasets[place].state == FAILED][room // 2 :]
        order = [place for place in order if place not in set(failed)] + failed
        hidden = [datasets[place] for place in order[room - 1 :]]
        datasets = [datasets[place] for place in order[: room - 1]]
    names = alike([cell(one.name) for one in datasets], min(_NAME, max(8, width // 3)))
    most = max(map(wide, names), default=0)
    lines += [
        _cut(
            _dataset(
                one, padded(name, most), shown.seconds(one, now), shown.eta(one, now), width, ascii_only
            ),
            width,
        )
        for name, one in zip(names, datasets, strict=True)
    ]
    if hidden:
        counts = Counter(one.state for one in hidden)
        words = ", ".join(f"{counts[word]} {word}" for word in _WORTH if counts[word])
        lines.append(_cut(((f"… and {len(hidden)} more: {words}", ""),), width))
    return lines


def _head(shown: Shown, width: int, now: float) -> list[Line]:
    """What is said of a job itself, in two lines where one is too narrow."""
    state, took, left = shown.state, duration(shown.longest(now)), shown.left(now)
    first: Line = ((f"job {cell(shown.title)}  ", ""), _word(state.outcome))
    said = [cell(state.counts or state.why)]
    said.append(took if state.finished or not took else f"{took} so far")
    said.append(f"about {duration(left)} left" if left is not None and not state.finished else "")
    tail = "  ".join(one for one in said if one)
    if sum(wide(text) for text, _ in first) + 2 + wide(tail) <= width or not tail:
        return [_cut((*first, (f"  {tail}" if tail else "", "")), width)]
    return [_cut(first, width), _cut(((tail, ""),), width)]


def _dataset(
    one: DatasetState, name: str, seconds: float | None, left: float | None, width: int, ascii_only: bool
) -> Line:
    """`name  ████░░░░░░░░  1 min 5 s  44 %, 30 s left  fitting`; the bar stands for IN PROGRESS. A narrow
    screen has no bar, and not the time that has passed."""
    took = f"{duration(seconds)}  " if seconds is not None else ""
    if one.progress is None or one.final:
        text = what_is_said(replace(one, eta_seconds=left))
        return (
            (f"{name}  ", ""),
            (f"{padded(one.state, _STATE)}  ", COLOURS.get(one.state, "")),
            (took + text, ""),
        )
    drawn = f"{bar(one.progress, _STATE if width >= 100 else 8, ascii_only=ascii_only)}  "
    far = percent(one.progress) + (f", {duration(left)} left" if left is not None else "")
    step = cell(one.progress_text) or what_is_said(replace(one, progress=None, eta_seconds=None))
    if width < 60:
        drawn = took = ""
    return (f"{name}  ", ""), (drawn, COLOURS[IN_PROGRESS]), (f"{took}{far}  {step}", "")


def jobs_screen(
    shown: Sequence[Shown], width: int, height: int, now: float, *, ascii_only: bool = False
) -> list[Line]:
    """Several jobs: a line for each, those that are open or have failed first, and at most `height`."""
    order = [one for one in shown if not one.state.finished]
    order += [one for one in reversed(shown) if one.state.finished and not one.state.succeeded]
    order += [one for one in reversed(shown) if one.state.succeeded]
    hidden = order[max(1, height - 2) :] if len(order) > height - 1 else []
    order = order[: len(order) - len(hidden)]
    states = Counter(one.state.outcome for one in shown)
    counts = ", ".join(f"{number} {word}" for word, number in states.items())
    name = min(max((wide(cell(one.title)) for one in order), default=0), max(12, width // 2))
    lines: list[Line] = [_cut(((f"{len(shown)} jobs: {counts}", ""),), width)]
    for one in order:
        state = one.state
        done = sum(dataset.final for dataset in state.datasets)
        parts: list[tuple[str, str]] = [
            (padded(fitted(cell(one.title), name, middle=True), name) + "  ", ""),
            _word(padded(state.outcome, 9)),
        ]
        if state.datasets and width >= 70:
            far = sum(1.0 if each.final else each.progress or 0.0 for each in state.datasets)
            drawn = bar(far / len(state.datasets), _BAR // 2, ascii_only=ascii_only)
            parts.append((f"  {drawn}", COLOURS.get(state.outcome, "")))
        if state.datasets:
            failed = sum(dataset.state == FAILED for dataset in state.datasets)
            parts.append((f"  {done}/{len(state.datasets)}", ""))
            parts.append((f"  {failed} failed" if failed else "", COLOURS[FAILED]))
        took, left = one.longest(now), one.left(now)
        parts.append((f"  {duration(took)}" if took is not None else "", ""))
        parts.append(
            (f"  about {duration(left)} left" if left is not None and not state.finished else "", "")
        )
        parts.append((f"  {cell(state.why)}" if state.finished and state.why else "", ""))
        lines.append(_cut(tuple(parts), width))
    if hidden:
        words = Counter(one.state.outcome for one in hidden)
        said = ", ".join(f"{number} {word}" for word, number in words.items())
        lines.append(_cut(((f"… and {len(hidden)} more: {said}", ""),), width))
    return lines


def _word(state: str) -> tuple[str, str]:
    return state, COLOURS.get(state.strip(), "")


def _cut(line: Line, width: int) -> Line:
    kept, left = list[tuple[str, str]](), width
    whole = sum(wide(text) for text, _ in line) <= width
    for text, colour in line:
        if not whole and wide(text) >= left:
            return (*kept, (fitted(text + "…", left), colour))
        kept.append((text, colour))
        left -= wide(text)
    return tuple(kept)


class Board:
    """The jobs being watched, in the order they were added; `show` takes a new state of one of them.
    `typical`: see `Countdown`. `one`: a line for each job, not for each dataset.
    """

    def __init__(
        self, out: TextIO, live: Any = None, typical: float | None = None, *, brief: bool = False
    ) -> None:
        self._out, self._live, self._countdown = out, live, Countdown(typical)
        self._changes, self._brief = Changes(ends=brief), brief
        self._shown: dict[str, Shown] = {}

    def show(self, title: str, state: JobState, waits: str = "") -> None:
        """`waits`: why it waits, in a sentence, where that is known."""
        state = self._countdown.told(state)
        self._shown[title] = Shown(title, state, time.monotonic(), waits)
        if self._live is None:
            for line in self._changes.lines(title, state, waits):
                self._out.write(line + "\n")
            self._out.flush()

    def tell(self, line: str, *, bell: bool = False) -> None:
        """A line of its own, above what is drawn again; in a file the changes have said it already."""
        if self._live is not None:
            console = self._live.console
            console.print(wrapped(cell(line), console.width), soft_wrap=True)
            if bell:
                console.bell()

    def screen(self, width: int, height: int, now: float, *, ascii_only: bool = False) -> list[Line]:
        shown = list(self._shown.values())
        if not shown:
            return []
        if self._brief or len(shown) > 1:
            return jobs_screen(shown, width, height, now, ascii_only=ascii_only)
        return job_screen(shown[0], width, height, now, ascii_only=ascii_only)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        width = max(10, options.max_width - len("^C "))  # what a terminal shows of Ctrl-C begins no new line
        height = max(3, console.size.height - 2)
        lines = self.screen(width, height, time.monotonic(), ascii_only=options.ascii_only)
        for line in lines:
            yield Text.assemble(*line, no_wrap=True, overflow="crop")


@contextmanager
def board(out: TextIO | None = None, typical: float | None = None, *, brief: bool = False) -> Iterator[Board]:
    """A board for the time of a `with`; for its arguments see `Board`. On a terminal the screen stays
    afterwards, in its last state."""
    stream = out or sys.stdout
    if not animated(stream):
        yield Board(stream, typical=typical, brief=brief)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    live = Live(console=console, refresh_per_second=PER_SECOND, vertical_overflow="crop")
    found = Board(stream, live, typical, brief=brief)
    live.update(found)
    with live:
        yield found
