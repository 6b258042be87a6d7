"""What `errorlog` costs a command: the same commands with it and without it, in turns within one shell.

What else the machine does takes far more time than `errorlog`, so blocks of a few commands alternate many
times on one processor, and the block that only one in twenty is faster than counts on each side. The cost is
one of each command: scripts of 300 and of 10,000 commands have the same share of it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show, wants_json

UTILS = ROOT / "runtime" / "instance" / "contrib" / "ncap_utils"
AIM_PERCENT = 1.0

# What a line does -> the line, lines in a block, pairs of blocks.
KINDS = {
    "a builtin": ("x=$((x + 1))", 300, 100),
    "a program that does nothing": ("/bin/true", 4, 2000),
    "Python that does nothing": (f"{sys.executable} -I -S -c pass", 2, 400),
    "a program of 10 ms": ("/bin/sleep 0.01", 2, 400),
}

SCRIPT = """
source {utils}/workflow.sh
errorlog
record="$(trap -p DEBUG)"
trap - DEBUG
x=0
for ((pair = 0; pair < {pairs}; pair++)); do
    : >"$NEUROCAAS_STATE/commands"
    a=$EPOCHREALTIME
    {block}
    b=$EPOCHREALTIME
    eval "$record"
    c=$EPOCHREALTIME
    {block}
    d=$EPOCHREALTIME
    trap - DEBUG
    echo "$((${{b/./}} - ${{a/./}})) $((${{d/./}} - ${{c/./}}))"
done
"""


def measured(state: Path, line: str, lines: int, pairs: int) -> tuple[float, float]:
    """Microseconds of one command without and with `errorlog`."""
    script = state / "script.sh"
    script.write_text(SCRIPT.format(utils=UTILS, block="\n    ".join([line] * lines), pairs=pairs))
    done = subprocess.run(
        ["bash", str(script)],
        env={**os.environ, "NEUROCAAS_STATE": str(state)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    plain, logged = zip(*(map(int, row.split()) for row in done.stdout.splitlines()), strict=True)
    return _undisturbed(plain) / lines, _undisturbed(logged) / lines


def _undisturbed(values: Sequence[int]) -> float:
    return statistics.quantiles(values, n=20)[0]


def main() -> None:
    figures = []
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        for kind, (line, lines, pairs) in KINDS.items():
            say(f"{kind}: {pairs} pairs of {lines} commands")
            plain, logged = measured(Path(folder), line, lines, pairs)
            aim = None if kind == "a builtin" else AIM_PERCENT
            note = f"{plain:.1f} us and {logged - plain:.1f} us more; the first implementation: 45 ms more"
            figures.append(Figure(kind, 100 * (logged / plain - 1), "%", aim, note))
    show("errorlog", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
