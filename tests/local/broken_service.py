"""A cloud in which one service is broken: everything goes through to the local cloud, except for what is
signed for that service, which is refused.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
BROKEN = "ServiceIsBroken"


@contextmanager
def broken(endpoint: str, service: str) -> Iterator[str]:
    """The endpoint of such a cloud. `service`: its name in signatures, "sqs" for instance."""
    behind = urlsplit(endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scope = _SCOPE.search(self.headers.get("Authorization") or "")
            if scope and scope[1] == service:
                answer = f'{{"__type": "{BROKEN}", "message": "it is broken"}}'.encode()
                self._answer(400, {"Content-Type": "application/x-amz-json-1.0"}, answer)
                return
            connection = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=120)
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            given = connection.getresponse()
            content = given.read()
            kept = {name: one for name, one in given.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
            length = given.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(given.status, kept, content, length)
            connection.close()

        def _answer(
            self, status: int, headers: dict[str, str], content: bytes, length: str | None = None
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  (its names)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
