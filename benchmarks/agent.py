"""The agent beside a script that says nothing for an hour, and beside one that prints each second: processor,
memory, requests to S3.

The hour is sped up: every interval of the agent is divided by `--faster N` (60), so that it does in a minute
all that it does in an hour. `--seconds N` (60) is how long each script really runs; `--faster 1` measures in
real time. An S3 in this process counts the requests, those for an order to stop tell how much of the hour has
passed for the agent.
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


def option(name: str) -> int:
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else 60


SECONDS, FASTER = option("--seconds"), option("--faster")
AIM_CPU_PERCENT, AIM_MIB = 0.5, 60.0
SCRIPTS = {
    "quiet": f"sleep {SECONDS}",
    "printing": (
        f"end=$((SECONDS + {SECONDS})); while [ $SECONDS -lt $end ]; do echo $SECONDS; sleep "
        f"{1 / FASTER:.4f}; done"
    ),
}

INTERVALS = {
    "watch.py": ["TICK = 0.5", "STATUS_EVERY, HEARTBEAT = 2.0, 30.0"],
    "stop.py": ["EVERY = 10.0"],
    "log_pieces.py": ["EVERY, SMALLEST, LARGEST = 60.0,"],
}
"""The lines of the agent that say how often it does something."""


def speed_up(machine: Machine) -> None:
    """Divide the intervals in the machine's copy of the agent."""
    for name, lines in INTERVALS.items():
        file = machine.tree / "agent" / name
        text = file.read_text(encoding="utf-8")
        for line in lines:
            if line not in text:
                raise RuntimeError(f"{name} has no line {line!r}")
            text = text.replace(line, re.sub(r"(\d+\.\d+)", rf"\1 / {FASTER}", line))
        file.write_text(text, encoding="utf-8")


def sample(pid: int) -> tuple[float, float]:
    """Processor seconds and peak memory (MiB) of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1024


def measure(machine: Machine, objects: Objects, script: str) -> tuple[float, float, float, float]:
    """Percent of a processor, MiB, requests and looks for a stop in a minute of the agent's, from two seconds
    after the first report to shortly before the end."""
    speed_up(machine)
    command = machine.arguments(machine.script(f"errorlog\n{script}\n"))
    with subprocess.Popen(
        command, env=objects.environment(machine.environment), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        agent = int(running.stdout.readline().split(",")[0])
        until(lambda: "PUT" in objects.requests)  # all that it needs is loaded then
        time.sleep(2)
        used, _ = sample(agent)
        begun, asked = time.monotonic(), len(objects.requests)
        time.sleep(max(1, SECONDS - 8))
        later, peak = sample(agent)
        minutes = (time.monotonic() - begun) * FASTER / 60
        requests = objects.requests[asked:]
        running.communicate()
    looks = sum(request == "GET" for request in requests)
    return 100 * (later - used) / (60 * minutes), peak, len(requests) / minutes, looks / minutes


def main() -> None:
    figures = []
    for name, script in SCRIPTS.items():
        say(f"{name}: {SECONDS} s, {FASTER} times as fast")
        with tempfile.TemporaryDirectory() as folder:
            machine = new_machine(Path(folder) / "machine")
            objects = Objects()
            objects.objects["mock/lab/configs/config.json"] = b"{}"
            percent, mib, requests, looks = measure(machine, objects, script)
        quiet = name == "quiet"
        figures.append(
            Figure(
                f"{name}: one processor",
                percent,
                "%",
                AIM_CPU_PERCENT if quiet else None,
                f"over {(SECONDS - 8) * FASTER / 60:.0f} min",
            )
        )
        figures.append(Figure(f"{name}: memory, peak", mib, "MiB", AIM_MIB if quiet else None))
        figures.append(
            Figure(
                f"{name}: S3 requests",
                requests,
                "/min",
                note=f"of them {looks:.1f} ask for an order to stop (6 when it keeps up)",
            )
        )
    show("agent", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
