"""Figures of a benchmark: a table for people, one JSON object for programs."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One measured number. `aim` is what it should not exceed; `note` says how it was measured or what it is
    compared with.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    note: str = ""


def p50(values: Sequence[float]) -> float:
    """The median."""
    return float(statistics.median(values))


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes, once, by the clock on the wall."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(title: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures to standard output."""
    if as_json:
        sys.stdout.write(
            json.dumps({"benchmark": title, "figures": [asdict(figure) for figure in figures]}, indent=2)
            + "\n"
        )
        return
    width = max(len(figure.name) for figure in figures)
    sys.stdout.write(f"{title}\n")
    for figure in figures:
        aim = (
            ""
            if figure.aim is None
            else f"aim {figure.aim:g}{'' if figure.value <= figure.aim else '  MISSED'}"
        )
        sys.stdout.write(
            f"  {figure.name:<{width}}  {figure.value:9.2f} {figure.unit:<4} {aim:<14} {figure.note}".rstrip()
            + "\n"
        )


def wants_json() -> bool:
    return "--json" in sys.argv[1:]


def say(text: str) -> None:
    """Progress, on standard error: standard output is for the figures."""
    sys.stderr.write(text + "\n")
