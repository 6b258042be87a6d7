"""A server with the calls of S3 that a transfer makes, over real connections: for clients that are killed,
and networks that are away. It counts what it gets and gives, to the byte, and keeps objects in files.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CHUNK = 1 << 16


class Store:
    """`received` and `sent`: bytes of bodies. `parts`: how often each part of each upload has come wholly.
    `ranges`: how often each range was sent wholly. `after`: is told of each body that has come or gone,
    before it is answered. `listable`: whether ListParts is allowed. `away`: connections are closed without an
    answer, also those under way. `slow`: seconds before each piece of a body."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock = folder, threading.Lock()
        self.objects: dict[str, tuple[Path, str]] = {}
        self.uploads: dict[str, dict[int, tuple[Path, str]]] = {}
        self.parts: Counter[int] = Counter()
        self.ranges: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.received = self.sent = self.number = self.under_way = self.most_under_way = 0
        self.listable, self.away, self.slow = True, False, 0.0
        self.after: Callable[[str, str], None] = lambda what, which: None

    def file(self) -> Path:
        with self.lock:
            self.number += 1
            return self.folder / str(self.number)

    def content(self, key: str) -> bytes:
        return self.objects[key][0].read_bytes()

    def put(self, key: str, body: bytes) -> None:
        path = self.file()
        path.write_bytes(body)
        self.objects[key] = (path, hashlib.md5(body).hexdigest())


class GoneError(Exception):
    """The network is away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_: Any) -> None: ...

    def _serve(self) -> None:
        store = self.store
        with store.lock:
            store.under_way += 1
            store.most_under_way = max(store.most_under_way, store.under_way)
        try:
            if store.away:
                raise GoneError
            self._answer()
        except (GoneError, ConnectionError, BrokenPipeError):
            self.close_connection = True
        finally:
            with store.lock:
                store.under_way -= 1

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        method = self.command
        if method == "GET" and not key:
            self._name("list")
            self._reply(200, self._listing(query.get("prefix", "")))
        elif method == "POST" and "uploads" in query:
            self._name("create")
            upload = f"upload-{self.store.file().name}"
            self.store.uploads[upload] = {}
            self._reply(200, f"<R><UploadId>{upload}</UploadId></R>")
        elif "uploadId" in query and query["uploadId"] not in self.store.uploads:
            self._body()
            self._fault(404, "NoSuchUpload")
        elif method == "PUT" and "uploadId" in query:
            self._part(query["uploadId"], int(query["partNumber"]))
        elif method == "GET" and "uploadId" in query:
            self._name("list_parts")
            self._list_parts(query["uploadId"])
        elif method == "POST":
            self._name("complete")
            self._complete(query["uploadId"], key, self._body()[0].read_text())
        elif method == "DELETE":
            self._name("abort")
            del self.store.uploads[query["uploadId"]]
            self._reply(204, "")
        elif method == "PUT":
            self._name("put")
            path, digest = self._body()
            if self.headers.get("If-None-Match") and key in self.store.objects:
                self._fault(412, "PreconditionFailed")
                return
            self.store.objects[key] = (path, digest)
            self._reply(200, "", ETag=f'"{digest}"')
        else:
            self._name("head" if method == "HEAD" else "get")
            self._get(key)

    def _name(self, name: str) -> None:
        with self.store.lock:
            self.store.requests[name] += 1

    def _body(self) -> tuple[Path, str]:
        """The body in a file, and its MD5."""
        path, digest, left = self.store.file(), hashlib.md5(), int(self.headers.get("Content-Length", 0))
        with path.open("wb") as out:
            while left:
                chunk = self.rfile.read(min(left, CHUNK))
                if not chunk or self.store.away:
                    raise GoneError
                time.sleep(self.store.slow)
                out.write(chunk)
                digest.update(chunk)
                left -= len(chunk)
                with self.store.lock:
                    self.store.received += len(chunk)
        return path, digest.hexdigest()

    def _part(self, upload: str, number: int) -> None:
        path, digest = self._body()
        with self.store.lock:
            self.store.uploads[upload][number] = (path, digest)
            self.store.parts[number] += 1
        self.store.after("part", str(number))
        self._reply(200, "", ETag=f'"{digest}"')

    def _list_parts(self, upload: str) -> None:
        if not self.store.listable:
            self._fault(403, "AccessDenied")
            return
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{digest}&quot;</ETag>"
            f"<Size>{path.stat().st_size}</Size></Part>"
            for number, (path, digest) in sorted(self.store.uploads[upload].items())
        )
        self._reply(200, f"<R><IsTruncated>false</IsTruncated>{parts}</R>")

    def _complete(self, upload: str, key: str, asked: str) -> None:
        if key in self.store.objects:
            self._fault(412, "PreconditionFailed")
            return
        numbers = [int(number) for number in re.findall(r"<PartNumber>(\d+)", asked)]
        parts = self.store.uploads.pop(upload)
        whole = self.store.file()
        with whole.open("wb") as out:
            for number in numbers:
                out.write(parts[number][0].read_bytes())
        joined = b"".join(bytes.fromhex(parts[number][1]) for number in numbers)
        etag = f"{hashlib.md5(joined).hexdigest()}-{len(numbers)}"
        self.store.objects[key] = (whole, etag)
        self._reply(200, f"<R><ETag>&quot;{etag}&quot;</ETag></R>")

    def _get(self, key: str) -> None:
        if key not in self.store.objects:
            self._fault(404, "NoSuchKey")
            return
        path, etag = self.store.objects[key]
        size = path.stat().st_size
        if self.headers.get("If-Match", f'"{etag}"').strip('"') != etag:
            self._fault(412, "PreconditionFailed")
            return
        asked = self.headers.get("Range", "")
        begin, _, end = asked.removeprefix("bytes=").partition("-")
        first, last = int(begin or 0), int(end or size - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", f'"{etag}"')
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        with path.open("rb") as content:
            content.seek(first)
            left = last - first + 1
            while left:
                chunk = content.read(min(left, CHUNK))
                if self.store.away:
                    raise GoneError
                time.sleep(self.store.slow)
                self.wfile.write(chunk)
                left -= len(chunk)
                with self.store.lock:
                    self.store.sent += len(chunk)
        with self.store.lock:
            self.store.ranges[asked] += 1
        self.store.after("range", asked)

    def _listing(self, prefix: str) -> str:
        with self.store.lock:
            found = sorted((key, *one) for key, one in self.store.objects.items() if key.startswith(prefix))
        root = ET.Element("ListBucketResult")
        ET.SubElement(root, "IsTruncated").text = "false"
        for key, path, etag in found:
            one = ET.SubElement(root, "Contents")
            for name, text in (("Key", key), ("ETag", f'"{etag}"'), ("Size", str(path.stat().st_size))):
                ET.SubElement(one, name).text = text
        return ET.tostring(root, encoding="unicode")

    def _fault(self, status: int, code: str) -> None:
        self._reply(status, "" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>")

    def _reply(self, status: int, body: str, **headers: str) -> None:
        raw = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Clients that are killed are no errors."""


@contextmanager
def s3_server(folder: Path) -> Iterator[tuple[Store, str]]:
    """The server's store and address, for the time of a `with`."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder)
    server = _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"store": store}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield store, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
