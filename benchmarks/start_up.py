"""How long the front door takes to open: `invoke --list`, `--help` and `invoke validate`, beside a Python that does nothing."""

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


def seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> None:
    figures: list[Figure] = []
    bare = 0.0
    for name, command, aim in COMMANDS:
        say(name)
        seconds(command)  # the first run compiles
        value = p50([seconds(command) for _ in range(RUNS)])
        bare = bare or value
        figures.append(Figure(name, value, "s", aim, f"{value / bare:.1f} x a bare Python; median of {RUNS}"))
    show("start-up", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
