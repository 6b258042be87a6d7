"""The page on 127.0.0.1, and the session that it is handed: to whoever has the one-time code, which the
browser gets in the address's fragment. No secret is in a query, a file or a log.
"""

from __future__ import annotations

import hmac
import json
import mimetypes
import secrets
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
CODE = "X-NeuroCAAS-Code"
"""The header of the code: a page of another origin could not send it without being asked first."""

Fetch = Callable[[], Mapping[str, str]]
"""Credentials as they are now, with their `expiration` (ISO 8601)."""


class Handovers:
    """The codes that a session is given for: each once, and with the session comes the next one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._valid = set[str]()

    def new(self) -> str:
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._valid.add(code)
        return code

    def take(self, code: str) -> bool:
        """Whether the code counts; it does not any more afterwards."""
        with self._lock:
            found = [one for one in self._valid if hmac.compare_digest(one.encode(), code.encode())]
            self._valid.difference_update(found)
        return bool(found)


class PortalServer(ThreadingHTTPServer):
    """`site`: the built files. `config`: what `config.json` says. `about`: `group`, `person`, `lead` of the
    session; `fetch` gives its credentials. `port` 0: a free one."""

    daemon_threads = True

    def __init__(
        self,
        site: Path,
        config: Mapping[str, Any],
        about: Mapping[str, Any],
        fetch: Fetch,
        headers: Mapping[str, str],
        port: int = 0,
    ) -> None:
        self.site, self.config, self.about, self.fetch, self.headers = site, config, about, fetch, headers
        self.handovers = Handovers()
        super().__init__((HOST, port), _Handler)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    @property
    def address(self) -> str:
        """The address to open, once."""
        return f"{self.origin}/#start={self.handovers.new()}"


class _Handler(BaseHTTPRequestHandler):
    server: PortalServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its base calls it so)
        """Nothing: addresses may say what people work on."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        if not self._is_for_us():
            self._answer(421, b"")
        elif path == "config.json":
            self._answer(200, json.dumps(self.server.config).encode(), "application/json")
        else:
            file = (self.server.site / path).resolve()
            if (
                self.server.site.resolve() in file.parents
                and file.is_file()
                and not file.name.startswith(".")
            ):
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._answer(200, file.read_bytes(), kind, lasting="assets/" in path)
            else:
                self._answer(404, b"")

    def do_POST(self) -> None:
        code, length = self.headers.get(CODE, ""), self.headers.get("Content-Length") or "0"
        own = self.headers.get("Origin") == self.server.origin
        if self.path != "/session" or length != "0" or not self._is_for_us():
            self.close_connection = True
            self._answer(404, b"")
        elif not own or not self.server.handovers.take(code):
            self._answer(403, b"")
        else:
            try:
                held = {**self.server.about, **self.server.fetch(), "renewal": self.server.handovers.new()}
            except Exception:  # noqa: BLE001  (the page says that there is no session; the shell knows more)
                self._answer(502, b"")
                return
            self._answer(200, json.dumps(held).encode(), "application/json")

    def _is_for_us(self) -> bool:
        """Whether the request names this server: a name of others that leads here (DNS rebinding) is none."""
        return self.headers.get("Host") == self.server.origin.removeprefix("http://")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain", *, lasting: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        # the names of assets have their digest
        self.send_header("Cache-Control", "max-age=31536000, immutable" if lasting else "no-store")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
