"""Processor seconds of the commands that start the engine, its plugins and the local cloud, as a shell starts
them and as the local tests do (`tests.warm`), beside a Python that only loads the Pulumi SDK.

Processor seconds of all processes that a command has started count, those of the emulator and its functions
too; they are nearly the same on a busy machine.
"""

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine import family
from benchmarks.report import ROOT, Figure, p50, say, show, wants_json
from demo.playground import Playground, playground
from tests.warm import VARIABLE, warm_python

RUNS = 3
_ADOPTS_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
_TICKS = os.sysconf("SC_CLK_TCK")
UTILS, ANALYSIS = ("deploy", "utils", "--yes", "--local"), ("deploy", "analysis-webdev", "--yes", "--local")
COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("first local.up", ("local.up",)),
    ("second local.up", ("local.up",)),
    ("first deploy of utils", UTILS),
    ("deploy of utils, unchanged", UTILS),
    ("first deploy of analysis", ANALYSIS),
    ("deploy of analysis, unchanged", ANALYSIS),
    ("outputs", ("outputs", "analysis-webdev", "--local")),
    ("local.down", ("local.down",)),
    ("local.up again", ("local.up",)),
)


def used() -> float:
    """Processor seconds of all that this process has started until now, ended or not."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                break
        except ChildProcessError:
            break
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_of, family(os.getpid())[1:]))


def _of(pid: int) -> float:
    """Of one that runs, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def seconds(do: Callable[[], object]) -> float:
    before = used()
    do()
    return used() - before


def bare() -> float:
    command = [sys.executable, "-c", "import pulumi"]
    return p50([seconds(partial(subprocess.run, command, check=True)) for _ in range(RUNS)])


def measured(ground: Playground) -> dict[str, float]:
    return {name: seconds(partial(ground.invoke, *words)) for name, words in COMMANDS}


def main() -> None:
    ctypes.CDLL(None).prctl(_ADOPTS_ORPHANS, 1, 0, 0, 0)
    base = bare()
    figures = [Figure("import pulumi", base, "s", note=f"the baseline; median of {RUNS}")]
    for kind, python in (("from a shell", nullcontext()), ("in tests", warm_python())):
        say(kind)
        with python as program:
            os.environ.pop(VARIABLE, None)
            if program is not None:
                os.environ[VARIABLE] = str(program)
            with playground(ROOT) as ground:
                for name, value in measured(ground).items():
                    note = f"{value / base:.1f} x the baseline"
                    figures.append(Figure(f"{name}, {kind}", value, "s", note=note))
    show("starts: processor seconds", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
