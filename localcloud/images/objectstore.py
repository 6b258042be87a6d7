"""What documents reach on a clean root in the place of AWS: a role, and an S3 that is one archive or a
folder.
"""

import contextlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from localcloud.sandbox import peers


class _Server(http.server.ThreadingHTTPServer):
    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Only what this process started may ask: every user of the host can connect."""
        return peers.made_below(os.getpid(), request)


@contextlib.contextmanager
def object_store(archive: bytes | None, objects: Path | None = None) -> Iterator[str]:
    """A metadata service with a role, and a store: every object is ``archive``, or ``BUCKET/KEY`` a file
    below ``objects``.
    """
    keys = {"AccessKeyId": "replay", "SecretAccessKey": "replay", "Token": "replay"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _place(self) -> Path | None:
            """The file of an object; None where there is no store, and outside of it."""
            if objects is None:
                return None
            place = (objects / unquote(self.path.partition("?")[0]).lstrip("/")).resolve()
            return place if place.is_relative_to(objects.resolve()) else None

        def do_PUT(self) -> None:
            data, place = self.rfile.read(int(self.headers.get("Content-Length") or 0)), self._place()
            if self.path == "/latest/api/token":
                self._answer(b"token")
            elif place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
                self._answer(b"")
            else:
                self._answer(b"<Error><Code>AccessDenied</Code></Error>", 403)

        def do_POST(self) -> None:
            self._answer(b'{"__type": "ParameterNotFound"}', 400)

        def do_GET(self) -> None:
            prefix, _, role = self.path.partition("/security-credentials/")
            place, query = self._place(), parse_qs(self.path.partition("?")[2])
            if prefix == "/latest/meta-data/iam":
                self._answer(json.dumps(keys).encode() if role else b"replay")
            elif archive is not None:
                self._answer(archive)
            elif place is not None and place.is_dir() and "prefix" in query:
                names = sorted(
                    file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()
                )
                found = (
                    f"<Contents><Key>{escape(name)}</Key></Contents>"
                    for name in names
                    if name.startswith(query["prefix"][0])
                )
                self._answer(f"<ListBucketResult>{''.join(found)}</ListBucketResult>".encode())
            elif place is not None and place.is_file():
                self._answer(place.read_bytes())
            else:
                self._answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
