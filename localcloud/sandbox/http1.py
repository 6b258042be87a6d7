"""Reading HTTP/1.1 requests from untrusted guests: strict about framing, because the relay decides by what it
reads.
"""

import socket
import urllib.parse
from dataclasses import dataclass

MAXIMUM_HEAD = 64 * 1024


class BadRequest(Exception):
    """The request cannot be understood in one way only; the connection is closed after the answer."""


@dataclass(frozen=True)
class Head:
    """The head of a request: the bytes as they came (blank line included), and what they mean."""

    raw: bytes
    method: str
    target: str
    headers: dict[str, str]
    length: int
    chunked: bool

    @property
    def keep_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        return "close" not in self.headers.get("connection", "").lower() and self.raw.split(b"\r\n", 1)[
            0
        ].endswith(b"HTTP/1.1")

    @property
    def path(self) -> str:
        """The decoded path of the request target, without query, with single slashes."""
        target = self.target
        if not target.startswith("/"):
            target = urllib.parse.urlsplit(target).path or "/"
        decoded = urllib.parse.unquote(urllib.parse.unquote(target.split("?", 1)[0]))
        return "/" + "/".join(part for part in decoded.split("/") if part not in ("", "."))

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string."""
        return urllib.parse.parse_qs(self.target.partition("?")[2], keep_blank_values=True)


class Reader:
    """A connection, read through a buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = b""

    def _more(self) -> bool:
        data = self.connection.recv(65536)
        self.buffer += data
        return bool(data)

    def line(self, limit: int = 4096) -> bytes:
        """One line, its end included. Raises BadRequest when it is too long or the connection ends."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > limit or not self._more():
                raise BadRequest("an unfinished line")
        text, _, self.buffer = self.buffer.partition(b"\n")
        return text + b"\n"

    def take(self, limit: int) -> bytes:
        """At most ``limit`` bytes that are already here, without waiting."""
        data, self.buffer = self.buffer[:limit], self.buffer[limit:]
        return data

    def head(self) -> Head | None:
        """The next request head, or None when the connection ends before one begins."""
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > MAXIMUM_HEAD:
                raise BadRequest("a head larger than 64 KiB")
            if not self._more():
                if self.buffer.strip():
                    raise BadRequest("an unfinished head")
                return None
        raw, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return _parse(raw + b"\r\n\r\n")


def _parse(raw: bytes) -> Head:
    text = raw[:-4].decode("latin-1")
    if "\n" in text.replace("\r\n", "") or "\r" in text.replace("\r\n", "") or "\0" in text:
        raise BadRequest("stray control characters in the head")
    first, *lines = text.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("a first line that is not METHOD TARGET HTTP/1.1")
    if not words[1].startswith(("/", "http://", "https://")):
        raise BadRequest("a target that is not a path")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(f"the header line {line[:80]!r}")
        key = name.lower()
        if key in headers and key in ("content-length", "transfer-encoding", "authorization", "host"):
            raise BadRequest(f"the header {name} twice")
        headers[key] = value.strip()
    coding = headers.get("transfer-encoding", "").lower()
    length = headers.get("content-length", "0")
    if coding not in ("", "chunked") or (coding and "content-length" in headers):
        raise BadRequest("an ambiguous body length")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(f"the Content-Length {length[:40]!r}")
    return Head(raw, words[0], words[1], headers, int(length), coding == "chunked")


def response(
    status: str, body: bytes, headers: dict[str, str] | None = None, *, close: bool = False
) -> bytes:
    """A whole answer. ``status`` is like ``404 Not Found``."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        "Server: EC2ws",
        *(f"{k}: {v}" for k, v in (headers or {}).items()),
    ]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
