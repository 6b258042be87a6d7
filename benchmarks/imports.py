"""What an analyst waits for before anything begins: processor seconds of `from neurocaas import Analysis`, of
`neurocaas --help` and of a completion, in turns with a Python that does nothing and one that loads boto3.

Processor seconds are nearly the same on a busy machine; the ratios to the two others of the same run are the
same on a slower one.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json

RUNS = 15
PROGRAM = "from neurocaas.__main__ import program; program()"
COMPLETES = {"_NEUROCAAS_COMPLETE": "bash_complete", "COMP_WORDS": "neurocaas res", "COMP_CWORD": "1"}
NOTHING, BOTO3 = "python -c pass", "import boto3"
CASES: dict[str, tuple[list[str], dict[str, str], float | None]] = {
    NOTHING: (["-c", "pass"], {}, None),
    BOTO3: (["-c", "import boto3"], {}, None),
    "import neurocaas": (["-c", "import neurocaas"], {}, None),
    "from neurocaas import Analysis": (["-c", "from neurocaas import Analysis"], {}, 0.3),
    "neurocaas --help": (["-c", PROGRAM, "--help"], {}, 0.2),
    "neurocaas jobs --help": (["-c", PROGRAM, "jobs", "--help"], {}, 0.2),
    "TAB behind `neurocaas res`": (["-c", PROGRAM], COMPLETES, 0.2),
}
"""Words behind `python`, what is set, and the aim."""


def used(words: list[str], variables: dict[str, str]) -> float:
    """Processor seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    for words, variables, _ in CASES.values():
        used(words, variables)  # bytecode
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(RUNS):
        say(f"turn {turn + 1} of {RUNS}")
        for name, (words, variables, _) in CASES.items():
            found[name].append(used(words, variables))
    nothing, boto3 = p50(found[NOTHING]), p50(found[BOTO3])
    figures = [
        Figure(
            name,
            p50(some),
            "s",
            CASES[name][2],
            f"{p50(some) / nothing:.1f} times `{NOTHING}`, {p50(some) / boto3:.2f} of `{BOTO3}`",
        )
        for name, some in found.items()
    ]
    show("loading the analysts' package, processor seconds, median", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
