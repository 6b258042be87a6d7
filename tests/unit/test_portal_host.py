"""The page's server on this computer: what it serves, and to whom it hands a session over."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from portal_host.headers import headers
from portal_host.serve import CODE, Handovers, PortalServer

SECRET = "a secret key"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PortalServer]:
    site = tmp_path / "site"
    (site / "assets").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html>")
    (site / "assets/a-1.js").write_text("1")
    (site / ".complete").touch()
    (tmp_path / "outside.txt").write_text("not of the site")
    about = {"group": "lab1", "person": "ann", "lead": False}
    keys = {"accessKeyId": "A", "secretAccessKey": SECRET, "sessionToken": "t", "expiration": "2099-01-01"}
    with PortalServer(site, {"region": "r"}, about, lambda: keys, headers(["https://s3"])) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def ask(server: PortalServer, method: str, path: str, **sent: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=sent)
    answer = connection.getresponse()
    return answer.status, dict(answer.headers), answer.read()


def hand_over(server: PortalServer, code: str, **sent: str) -> tuple[int, bytes]:
    status, _, body = ask(server, "POST", "/session", **{"Origin": server.origin, CODE: code, **sent})
    return status, body


def test_files_have_the_headers_and_nothing_else_is_served(server: PortalServer) -> None:
    status, sent, body = ask(server, "GET", "/")
    assert (status, body) == (200, b"<!doctype html>")
    policy = dict(one.split(" ", 1) for one in sent["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self' https://s3"
    assert sent["Cache-Control"] == "no-store"
    assert "immutable" in ask(server, "GET", "/assets/a-1.js")[1]["Cache-Control"]
    for path in ("/../outside.txt", "/%2e%2e/outside.txt", "/.complete", "/assets", "/none"):
        assert ask(server, "GET", path)[0] == 404, path


def test_a_code_is_for_one_session_which_brings_the_next_one(server: PortalServer) -> None:
    address = server.address
    assert "?" not in address
    code = address.partition("#start=")[2]
    status, body = hand_over(server, code)
    held = json.loads(body)
    assert (status, held["group"], held["secretAccessKey"]) == (200, "lab1", SECRET)
    assert hand_over(server, code)[0] == 403
    assert hand_over(server, held["renewal"])[0] == 200


def test_no_other_page_gets_the_session(server: PortalServer) -> None:
    code = server.handovers.new()
    for sent in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        status, body = hand_over(server, code, **sent)
        assert status != 200
        assert SECRET.encode() not in body
    assert ask(server, "GET", "/", Host="evil.example")[0] == 421
    assert hand_over(server, "")[0] == 403
    assert ask(server, "GET", "/session")[0] == 404
    assert hand_over(server, code)[0] == 200  # none of them has used it up


def test_codes_are_long_and_each_counts_once() -> None:
    handovers = Handovers()
    codes = {handovers.new() for _ in range(50)}
    assert len(codes) == 50
    assert min(map(len, codes)) >= 40
    assert [handovers.take(code) for code in codes] == [True] * 50
    assert not any(handovers.take(code) for code in codes)
