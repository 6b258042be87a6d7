"""A machine whose clock is wrong still reads and writes: S3 says what time it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtime.instance.agent import skew
from runtime.instance.agent.s3 import S3Storage
from runtime.instance.agent.storage import Location, StorageError

PLACE = Location("lab", "results/x")


class Strict(BaseHTTPRequestHandler):
    """Refuses what is not signed within fifteen minutes of its time, as S3 does: a HEAD without a word; and
    all, for want of rights, below `denied/`."""

    protocol_version = "HTTP/1.1"  # which answers "Expect: 100-continue"
    times: list[datetime]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"content")

    def _answer(self, body: bytes) -> None:
        now = datetime.now(UTC)
        signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        type(self).times.append(signed)
        code = (
            "RequestTimeTooSkewed"
            if abs(signed - now) > timedelta(minutes=15)
            else "AccessDenied"
            if "/denied/" in self.path
            else ""
        )
        if code:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response_only(403 if code else 200)
        self.send_header("Date", format_datetime(now, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    monkeypatch.setattr(Strict, "times", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    values = {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(skew, "_offset", timedelta())
    yield Strict.times
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "wrong", [timedelta(0), timedelta(minutes=-20), timedelta(hours=7), timedelta(days=-9000)]
)
def test_a_wrong_clock_is_found_out_at_the_first_refusal(
    times: list[datetime], monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    machine = skew._machine
    monkeypatch.setattr(skew, "_machine", lambda remove_tzinfo: machine(remove_tzinfo) + wrong)
    storage = S3Storage()
    storage.write(PLACE, b"text")
    assert storage.read(PLACE) == b"content"
    assert len(times) == (3 if wrong else 2), "one refusal teaches it, and what follows is right at once"
    with pytest.raises(StorageError, match="AccessDenied"):
        storage.read(Location("lab", "denied/x"))
    assert len(times) == (4 if wrong else 3), "another refusal at the right time is not asked again"


def test_what_the_start_of_the_machine_has_found_out_is_known_from_the_first_request(
    times: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = skew._machine
    monkeypatch.setattr(skew, "_machine", lambda remove_tzinfo: machine(remove_tzinfo) - timedelta(hours=3))
    monkeypatch.setenv("NEUROCAAS_CLOCK_SKEW", "10800")
    S3Storage().write(PLACE, b"text")
    assert len(times) == 1
