"""A provider of OpenID Connect on a loopback port, and a person who signs in there: the code flow with PKCE,
device authorization, and renewal with a token that is good once."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CLIENT = "neurocaas-cli"


def token(**claims: Any) -> str:
    """One that AWS would check and the local cloud does not: its signature is of nobody."""
    parts = ({"alg": "none"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)
        + "."
    )


class Provider:
    """`subject` signs in. `lasts`: seconds of its tokens. `refuses`: what the page says instead. `waits`: so
    often nobody has signed in yet on the other device. `says`: the issuer that its tokens name, where it
    stands for one with an address of its own."""

    def __init__(self, subject: str = "bob-7", lasts: float = 300) -> None:
        self.subject, self.lasts, self.refuses, self.waits = subject, lasts, "", 1
        self.codes, self.renewals, self.asked = dict[str, dict[str, str]](), set[str](), list[str]()
        self.issuer, self.nonce, self.says = "", "", ""
        self.clock = time.time

    @property
    def host(self) -> str:
        return self.issuer.removeprefix("http://")

    def get(self, path: str, values: dict[str, str]) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "device_authorization_endpoint": f"{self.issuer}/device",
            }
        if path != "/authorize":
            return 404, {"error": "not_found"}
        assert values["client_id"] == CLIENT
        assert values["code_challenge_method"] == "S256"
        if self.refuses:
            return 302, {"error": self.refuses, "state": values["state"]}
        code = secrets.token_urlsafe(8)
        self.codes[code] = values
        return 302, {"code": code, "state": values["state"]}

    def post(self, path: str, values: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(values.get("grant_type", path))
        if values.get("client_id") != CLIENT:
            return 401, {"error": "invalid_client"}
        if path == "/device":
            return 200, {
                "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": f"{self.issuer}/activate",
                "expires_in": 60, "interval": 0,
            }  # fmt: skip
        if values["grant_type"] == "authorization_code":
            asked = self.codes.pop(values["code"], None)
            proof = base64.urlsafe_b64encode(hashlib.sha256(values["code_verifier"].encode()).digest())
            if asked is None or proof.decode().rstrip("=") != asked["code_challenge"]:
                return 400, {"error": "invalid_grant"}
            assert values["redirect_uri"] == asked["redirect_uri"]
            return 200, self._given(nonce=self.nonce or asked["nonce"])
        if values["grant_type"] == "refresh_token":
            if values["refresh_token"] not in self.renewals:
                return 400, {"error": "invalid_grant", "error_description": "it has been used"}
            self.renewals.remove(values["refresh_token"])
            return 200, self._given()
        if self.waits:
            self.waits -= 1
            return 400, {"error": "authorization_pending"}
        return 200, self._given()

    def _given(self, **more: Any) -> dict[str, Any]:
        renewal = secrets.token_urlsafe(8)
        self.renewals.add(renewal)
        claims = {
            "iss": self.says or self.issuer,
            "aud": CLIENT,
            "sub": self.subject,
            "email": "bob@example.org",
        }
        end = int(self.clock() + self.lasts)
        return {
            "id_token": token(**claims, exp=end, **more),
            "refresh_token": renewal,
            "token_type": "Bearer",
        }


@contextmanager
def provider(**given: Any) -> Iterator[Provider]:
    one = Provider(**given)

    class Pages(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: Any, where: str = "") -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{where}?{urllib.parse.urlencode(body)}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            values = dict(urllib.parse.parse_qsl(parts.query))
            self._answer(*one.get(parts.path, values), where=values.get("redirect_uri", ""))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(*one.post(self.path, dict(urllib.parse.parse_qsl(body))))

        def log_message(self, *words: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    one.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def browse(page: str) -> None:
    """A browser that somebody signs in with: it goes where it is sent, in a thread of its own."""

    def go() -> None:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page, timeout=10).read()
        except urllib.error.HTTPError:
            pass  # a page that says no is a page

    threading.Thread(target=go, daemon=True).start()
