"""What `errorlog` costs: scripts of 300 and 10,000 commands with it and without it, as builtins and as programs."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show, wants_json

UTILS = ROOT / "runtime" / "instance" / "contrib" / "ncap_utils"
COUNTS = (300, 10_000)
AIM_PERCENT = 1.0
FIRST_IMPLEMENTATION = "the first implementation took 13.4 s for 300"
# What a line of a script does -> the line, and how often each script is run.
KINDS = {"builtins": ("x=$((x + 1))", 11), "programs": ("/bin/true", 7), "programs of 10 ms": ("/bin/sleep 0.01", 3)}


def seconds(script: Path, state: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(["bash", str(script)], env={**os.environ, "NEUROCAAS_STATE": str(state)}, check=True)
    return time.perf_counter() - begun


def main() -> None:
    figures = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        state = Path(folder)
        for kind, (line, runs) in KINDS.items():
            for count in COUNTS if kind != "programs of 10 ms" else COUNTS[:1]:
                say(f"{count} {kind}")
                body = "x=0\n" + f"{line}\n" * count
                plain, logged = state / "plain.sh", state / "logged.sh"
                plain.write_text(f"source {UTILS}/workflow.sh\nset -e\n{body}")
                logged.write_text(f"source {UTILS}/workflow.sh\nerrorlog\n{body}")
                pairs = [(seconds(plain, state), seconds(logged, state)) for _ in range(runs)]
                without, with_it = min(one for one, _ in pairs), min(other for _, other in pairs)  # what else runs here only adds
                aim = None if kind == "builtins" else AIM_PERCENT
                note = f"{without:.4f} s -> {with_it:.4f} s; best of {runs}; {FIRST_IMPLEMENTATION if count == COUNTS[0] else 'as above'}"
                figures.append(Figure(f"{count} {kind}", 100 * (with_it / without - 1), "%", aim, note))
                if kind == "builtins":
                    figures.append(Figure(f"{count} {kind}, each", 1e6 * (with_it - without) / count, "us"))
    show("errorlog", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
