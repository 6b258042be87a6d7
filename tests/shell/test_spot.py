"""A spot machine that AWS takes back, and the attempt after it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.shell.machines import Machine


class Metadata:
    """The part of the metadata service that says what kind of machine this is and when it goes."""

    def __init__(self) -> None:
        self.life = "spot"
        self.asked: list[str] = []
        self.action: dict[str, str] | None = None
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self._answer(200, "TOKEN")

            def do_GET(self) -> None:
                name = self.path.removeprefix("/latest/meta-data/")
                metadata.asked.append(name)
                if self.headers["X-aws-ec2-metadata-token"] != "TOKEN":
                    self._answer(401, "")
                elif name == "instance-life-cycle":
                    self._answer(200, metadata.life)
                elif metadata.action is None:
                    self._answer(404, "")
                else:
                    self._answer(200, json.dumps(metadata.action))

            def _answer(self, code: int, text: str) -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    made = Metadata()
    yield made
    made.server.shutdown()
    made.server.server_close()


SCRIPT = """
cat "$CHECKPOINT_DIR"/step 2>/dev/null && exit 0
mkdir -p "$CHECKPOINT_DIR/deep"
echo 7 > "$CHECKPOINT_DIR/step"; echo x > "$CHECKPOINT_DIR/deep/more"
sleep 50
"""


def test_the_checkpoint_outlives_the_machine(machine: Machine, metadata: Metadata) -> None:
    metadata.action = {"action": "terminate", "time": "2026-01-31T12:00:00Z"}
    script = machine.script(SCRIPT)
    extra = {"NEUROCAAS_INSTANCE_ID": "i-1", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
    running = subprocess.Popen(
        machine.arguments(script), env={**machine.environment, **extra}, stdout=subprocess.DEVNULL
    )
    saved = machine.job / "logs" / "data.zip" / "checkpoint" / "1" / "deep" / "more"
    status = machine.job / "logs" / "DATASET_NAME:data.zip_STATUS.txt"
    end = time.monotonic() + 20
    while not (saved.is_file() and status.is_file() and "interrupted" in machine.status()["reason"]):
        assert time.monotonic() < end
        time.sleep(0.02)
    running.terminate()  # as the machine's shutdown does
    running.wait(20)
    while "the checkpoint is saved" not in machine.status()["reason"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert machine.status()["status"] == "IN PROGRESS"  # the monitor starts another attempt
    assert "2026-01-31T12:00:00Z" in machine.status()["reason"]

    metadata.action = None
    done = machine.run(script, NEUROCAAS_ATTEMPT="2", **extra)
    assert done.returncode == 0, done.stderr
    assert "goes on from the checkpoint of 20" in done.stderr
    assert (machine.status()["status"], machine.status()["attempt"]) == ("SUCCESS", 2)
    assert (machine.job / "logs" / "data.zip" / "stdout.10000").read_text() == "7\n"


def test_an_attempt_without_a_checkpoint_begins_anew(machine: Machine) -> None:
    done = machine.run(machine.script('ls -A "$CHECKPOINT_DIR"\n'), NEUROCAAS_ATTEMPT="2")
    assert done.returncode == 0
    assert "begins without a checkpoint" in done.stderr


def test_other_machines_are_asked_once(machine: Machine, metadata: Metadata) -> None:
    metadata.life = "on-demand"
    extra = {"NEUROCAAS_INSTANCE_ID": "i-1", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
    assert machine.run(machine.script("sleep 1\nexit 3\n"), **extra).returncode == 3
    assert metadata.asked == ["instance-life-cycle"]
    assert machine.status()["status"] == "FAILED"
