"""The agent beside a script that says nothing, and beside one that prints: processor, memory, and requests to S3 in a minute.

An S3 in this process counts the requests; `--seconds N` (60) is how long each script runs. An hour is that many times more:
nothing that the agent keeps grows with time.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import Figure, say, show, wants_json
from tests.shell.machines import Machine, new_machine, until
from tests.shell.services import Objects

SECONDS = int(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 60
AIM_CPU_PERCENT, AIM_MIB = 0.5, 60.0
SCRIPTS = {
    "quiet": f"sleep {SECONDS}",
    "printing": f"end=$((SECONDS + {SECONDS})); while [ $SECONDS -lt $end ]; do echo $SECONDS; sleep 0.1; done",
}


def sample(pid: int) -> tuple[float, float]:
    """Processor seconds and peak memory (MiB) of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1024


def measure(machine: Machine, objects: Objects, script: str) -> tuple[float, float, float]:
    """Percent of a processor, MiB, and requests in a minute, from two seconds after the first report to shortly before the end."""
    command = machine.arguments(machine.script(f"errorlog\n{script}\n"))
    with subprocess.Popen(command, env=objects.environment(machine.environment), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        agent = int(running.stdout.readline().split(",")[0])
        until(lambda: "PUT" in objects.requests)  # all that it needs is loaded then
        time.sleep(2)
        used, _ = sample(agent)
        begun, asked = time.monotonic(), len(objects.requests)
        time.sleep(max(1, SECONDS - 8))
        later, peak = sample(agent)
        passed = time.monotonic() - begun
        requests = len(objects.requests) - asked
        running.communicate()
    return 100 * (later - used) / passed, peak, 60 * requests / passed


def main() -> None:
    figures = []
    for name, script in SCRIPTS.items():
        say(f"{name}: {SECONDS} s")
        with tempfile.TemporaryDirectory() as folder:
            machine = new_machine(Path(folder) / "machine")
            objects = Objects()
            objects.objects["mock/lab/configs/config.json"] = b"{}"
            percent, mib, requests = measure(machine, objects, script)
        quiet = name == "quiet"
        figures.append(Figure(f"{name}: one processor", percent, "%", AIM_CPU_PERCENT if quiet else None, f"over {SECONDS - 8} s"))
        figures.append(Figure(f"{name}: memory, peak", mib, "MiB", AIM_MIB if quiet else None))
        figures.append(Figure(f"{name}: S3 requests", requests, "/min", note="of them 6 ask for an order to stop"))
    show("agent", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
