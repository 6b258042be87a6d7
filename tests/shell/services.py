"""An S3 in this process for one machine: keeps what it is given, counts what it is asked, and can be away."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

KEYS = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Objects:
    """`away`: every request is answered with 503 as long as it is set. `requests` has the method of each,
    `refused` counts the 503s.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.refused = 0
        self.away = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._do()

            def do_HEAD(self) -> None:
                self._do()

            def do_PUT(self) -> None:
                self._do()

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = unquote(urlsplit(self.path).path).lstrip("/")
                service.requests.append(self.command)
                if service.away:
                    service.refused += 1
                    self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
                elif self.command == "PUT":
                    service.objects[key] = body
                    self._answer(200)
                elif key in service.objects:
                    self._answer(200, service.objects[key])
                else:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            def _answer(self, code: int, body: bytes = b"") -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def environment(self, machine: dict[str, str]) -> dict[str, str]:
        """Of a machine whose buckets are here."""
        kept = {name: value for name, value in machine.items() if name != "NEUROCAAS_LOCAL_BUCKET_ROOT"}
        return {**kept, **KEYS, "AWS_ENDPOINT_URL": self.url}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
