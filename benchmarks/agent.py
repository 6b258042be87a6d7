"""The agent beside a script that says nothing, and beside one that prints: processor, memory, and requests to S3 in a minute.

A stand-in for S3 in this process counts the requests; `--seconds N` (60) is how long each script runs. An hour is that many times more:
nothing that the agent keeps grows with time.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import Figure, say, show, wants_json
from tests.shell.machines import Machine, new_machine

SECONDS = int(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 60
AIM_CPU_PERCENT, AIM_MIB = 0.5, 60.0
SCRIPTS = {
    "quiet": f"sleep {SECONDS}",
    "printing": f"end=$((SECONDS + {SECONDS})); while [ $SECONDS -lt $end ]; do echo $SECONDS; sleep 0.1; done",
}


class Counter(BaseHTTPRequestHandler):
    """Takes every object, has none."""

    requests: list[str] = []
    protocol_version = "HTTP/1.1"

    def _answer(self, code: int, body: bytes = b"") -> None:
        self.requests.append(self.command)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        self._answer(200)

    def log_message(self, *_: object) -> None:
        pass


def sample(pid: int) -> tuple[float, float]:
    """Processor seconds and peak memory (MiB) of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak is not None
    return ticks / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1024


def measure(machine: Machine, url: str, script: str) -> tuple[float, float, float]:
    """Percent of a processor, MiB, and requests in a minute, from two seconds after the start to shortly before the end."""
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    kept = {name: value for name, value in machine.environment.items() if name != "NEUROCAAS_LOCAL_BUCKET_ROOT"}
    command = machine.arguments(machine.script(f"errorlog\n{script}\n"))
    with subprocess.Popen(command, env={**kept, **keys, "AWS_ENDPOINT_URL": url}, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        agent = int(running.stdout.readline().split(",")[0])
        time.sleep(2)
        used, _ = sample(agent)
        begun, asked = time.monotonic(), len(Counter.requests)
        time.sleep(max(1, SECONDS - 4))
        later, peak = sample(agent)
        passed = time.monotonic() - begun
        requests = len(Counter.requests) - asked
        running.communicate()
    return 100 * (later - used) / passed, peak, 60 * requests / passed


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    figures = []
    for name, script in SCRIPTS.items():
        say(f"{name}: {SECONDS} s")
        with tempfile.TemporaryDirectory() as folder:
            machine = new_machine(Path(folder) / "machine")
            percent, mib, requests = measure(machine, f"http://127.0.0.1:{server.server_address[1]}", script)
        quiet = name == "quiet"
        figures.append(Figure(f"{name}: one processor", percent, "%", AIM_CPU_PERCENT if quiet else None, f"over {SECONDS - 4} s"))
        figures.append(Figure(f"{name}: memory, peak", mib, "MiB", AIM_MIB if quiet else None))
        figures.append(Figure(f"{name}: S3 requests", requests, "/min", note="of them 6 ask for an order to stop"))
    show("agent", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
