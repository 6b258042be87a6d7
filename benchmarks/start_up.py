"""How long the front door takes to open: `invoke --list`, `--help` and `invoke validate`, beside a Python
that does nothing.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json

RUNS = 15
PYTHON = sys.executable
LIST_AIM, VALIDATE_AIM = 0.3, 0.6
"""Seconds."""
COMMANDS: tuple[tuple[str, list[str], float | None], ...] = (
    ("python -c pass", [PYTHON, "-c", "pass"], None),
    ("import invoke", [PYTHON, "-c", "import invoke.program"], None),
    ("invoke --list", [PYTHON, "-m", "invoke", "--list"], LIST_AIM),
    ("invoke deploy --help", [PYTHON, "-m", "invoke", "--help", "deploy"], LIST_AIM),
    ("invoke validate", [PYTHON, "-m", "invoke", "validate"], VALIDATE_AIM),
    ("invoke validate --json", [PYTHON, "-m", "invoke", "validate", "--json"], VALIDATE_AIM),
)


def seconds(command: list[str]) -> tuple[float, float]:
    """Seconds that a command took, and those of a processor: the second figure is the same on a busy
    machine.
    """
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    figures: list[Figure] = []
    bare = 0.0
    for name, command, aim in COMMANDS:
        say(name)
        seconds(command)  # the first run compiles
        runs = [seconds(command) for _ in range(RUNS)]
        value, busy = (p50(list(one)) for one in zip(*runs, strict=True))
        bare = bare or value
        figures.append(
            Figure(
                name,
                value,
                "s",
                aim,
                f"{value / bare:.1f} x a bare Python; {busy:.2f} s of a processor; median of {RUNS}",
            )
        )
    show("start-up", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
