"""A stand-in for the emulator's side of the fleet: the admin API, AssumeRole, and a store of bytes. Keeps
fleet tests fast and independent.
"""

import base64
import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from localcloud.images.catalogue import BASE_IMAGES

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "fleet-test-token"


class FakeEmulator:
    """Serves on a free port of 127.0.0.1. ``events`` holds (time, kind, body) of everything the fleet
    posted.
    """

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.version = 1
        self.instances: dict[str, dict[str, Any]] = {}
        self.builds: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.objects: dict[str, bytes] = {}
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def _reply(self, body: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def do_GET(self) -> None:
                fake.requests.append(("GET", self.path, dict(self.headers)))
                if self.path.startswith("/_localcloud/"):
                    if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                        return self._reply(b"no", 403)
                    query = {
                        k: v[0]
                        for k, v in urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).items()
                    }
                    return self._reply(
                        json.dumps(fake.wait(int(query["since"]), float(query["timeout"]))).encode()
                    )
                found = fake.objects.get(self.path.split("?")[0])
                return self._reply(
                    found if found is not None else b"<Error><Code>NoSuchKey</Code></Error>",
                    200 if found is not None else 404,
                )

            def do_PUT(self) -> None:
                fake.requests.append(("PUT", self.path, dict(self.headers)))
                fake.objects[self.path.split("?")[0]] = self._body()
                self._reply(b"")

            def do_POST(self) -> None:
                body = self._body()
                fake.requests.append(("POST", self.path, dict(self.headers)))
                if self.path.startswith("/_localcloud/"):
                    fake.posted(self.path.rpartition("/")[2], json.loads(body))
                    return self._reply(b"{}")
                form = urllib.parse.parse_qs(body.decode())
                session = form.get("RoleSessionName", ["?"])[0]
                end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
                return self._reply(
                    "<AssumeRoleResponse "
                    f"xmlns='urn:x'><AssumeRoleResult><Credentials><AccessKeyId>ASIA{session[-8:].upper()}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
                    f"<SessionToken>token</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>".encode()
                )

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, since: int, timeout: float) -> dict[str, Any]:
        with self.condition:
            self.condition.wait_for(lambda: self.version > since, timeout)
            return {
                "version": self.version,
                "instances": [dict(i) for i in self.instances.values()],
                "builds": [dict(b) for b in self.builds.values()],
            }

    def changed(self) -> None:
        self.version += 1
        self.condition.notify_all()

    def posted(self, kind: str, body: dict[str, Any]) -> None:
        with self.condition:
            self.events.append((time.monotonic(), kind, body))
            if kind == "instances":
                self.instances[body["id"]]["state"] = body["state"]
                self.instances[body["id"]]["reason"] = body["reason"]
            else:
                self.builds[body["arn"]]["state"] = body["status"]
                if body["status"] in ("AVAILABLE", "FAILED", "CANCELLED"):
                    self.builds.pop(body["arn"])
            self.changed()

    def launch(self, number: int, script: str | bytes, **more: Any) -> str:
        identifier = f"i-{number:017x}"
        data = script.encode() if isinstance(script, str) else script
        record = {
            "id": identifier,
            "state": "pending",
            "image_id": BASE_IMAGES[0].image_id,
            "instance_type": "t3.micro",
            "user_data": base64.b64encode(data).decode(),
            "role_arn": "arn:aws:iam::000000000000:role/worker",
            "profile_arn": "arn:aws:iam::000000000000:instance-profile/worker",
            "launch_index": number,
            "reservation_id": "r-1",
            "private_ip": f"10.0.0.{number}",
            "availability_zone": "us-east-1a",
            "region": "us-east-1",
            "account": "000000000000",
            "tags": {"Name": f"machine-{number}"},
            "shutdown_behavior": "terminate",
            "launched_at": f"2026-01-01T00:00:{number:02d}Z",
            "http_tokens": "required",
            **more,
        }
        with self.condition:
            self.instances[identifier] = record
            self.changed()
        return identifier

    def set_state(self, identifier: str, state: str) -> None:
        with self.condition:
            self.instances[identifier]["state"] = state
            self.changed()

    def until_state(self, identifier: str, state: str, timeout: float = 20) -> None:
        with self.condition:
            if not self.condition.wait_for(lambda: self.instances[identifier]["state"] == state, timeout):
                raise AssertionError(
                    f"{identifier} is {self.instances[identifier]['state']}, not {state}: {self.events}"
                )

    def states(self, identifier: str) -> list[str]:
        return [
            body["state"] for _, kind, body in self.events if kind == "instances" and body["id"] == identifier
        ]


class RunningFleet:
    """The real daemon as a process, on a fake emulator."""

    def __init__(self, home: Path, emulator: FakeEmulator, environment: dict[str, str]) -> None:
        self.home, self.emulator = home, emulator
        home.mkdir(parents=True, exist_ok=True)
        cloud = {
            "endpoint": f"http://127.0.0.1:{emulator.port}",
            "region": "us-east-1",
            "account": "000000000000",
            "access_key_id": "AKIAROOT",
            "secret_access_key": "rootsecret",
            "admin_token": TOKEN,
        }
        (home / "cloud.json").write_text(json.dumps(cloud))
        self.environment = {
            **os.environ,
            "LOCALCLOUD_HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            **environment,
        }
        self.wrapper: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self.home / "fleet.log").open("ab")
        command = [*self.wrapper, sys.executable, "-m", "localcloud.fleet"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd="/")
        log.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def console(self, identifier: str) -> str:
        return (self.home / "console" / f"{identifier}.log").read_text()

    def console_until(self, identifier: str, text: str, timeout: float = 20) -> str:
        """The console of a machine as soon as it has a text."""
        deadline = time.monotonic() + timeout
        while text not in self.console(identifier):
            assert time.monotonic() < deadline, f"{text!r} does not come: {self.console(identifier)}"
            time.sleep(0.02)
        return self.console(identifier)


POOR = (
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount -t tmpfs none /sys/fs/cgroup && mount --bind /dev/null "$(command -v mkfs.ext4)" && exec "$@"',
    "-",
)
"""Starts a fleet (as root) on a host without control groups and without file systems in files."""


@contextlib.contextmanager
def running_fleet(home: Path, wrapper: Sequence[str] = (), **environment: str) -> Iterator[RunningFleet]:
    """A fleet that runs inside the ``with`` block."""
    fleet = RunningFleet(home, FakeEmulator(), environment)
    fleet.wrapper = list(wrapper)
    fleet.start()
    try:
        yield fleet
    finally:
        if fleet.process is not None and fleet.process.poll() is None:
            fleet.end()
        fleet.emulator.server.shutdown()
