"""The only road from a machine to the emulator: passes requests that the machine may make, refuses the rest,
and copies bodies fast.

A machine may send requests signed with the credentials of its own role, unsigned requests and presigned
addresses. It may not reach the emulator's private paths (they begin with ``/_``), nor sign with any other
key, even if it learned one.
"""

import contextlib
import re
import socket
import threading
import time
import xml.sax.saxutils
from collections.abc import Callable

from localcloud.sandbox.cloud import AGAIN_SECONDS, AWAY_SECONDS
from localcloud.sandbox.http1 import BadRequest, Head, Reader, response

_BUFFER = 1 << 20
_CREDENTIAL = re.compile(r"^AWS4-(?:HMAC|ECDSA-P256)-SHA256\s.*?Credential=([^/,\s]+)/")
_CREDENTIAL_V2 = re.compile(r"^AWS ([^:\s]+):")


class Relay:
    """Relays connections to ``host:port``. ``own_keys`` gives the access key ids that were issued to this
    machine.
    """

    def __init__(self, host: str, port: int, own_keys: Callable[[], set[str]]) -> None:
        self._address = (host, port)
        self._own_keys = own_keys

    def refusal(self, head: Head) -> str | None:
        """Why a request may not pass, or None."""
        segment = head.path.lstrip("/").split("/", 1)[0]
        if segment.startswith("_") or ".." in head.path.split("/"):
            return "this path is not part of AWS"
        authorization = head.headers.get("authorization")
        if authorization is None:
            return None
        match = _CREDENTIAL.match(authorization) or _CREDENTIAL_V2.match(authorization)
        if match is None:
            return "the Authorization header is not an AWS signature"
        if match[1] not in self._own_keys():
            return (
                f"the access key {match[1]} is not one of this instance's; use the credentials of its role "
                "(default credential chain)"
            )
        return None

    def _connect(self) -> socket.socket:
        """A connection to the emulator; one that was killed is waited for, so that its machines go on when it
        is there again.
        """
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return socket.create_connection(self._address)
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)

    def serve(self, guest: socket.socket) -> None:
        """Serve one connection of the machine until either side closes it."""
        reader = Reader(guest)
        upstream: socket.socket | None = None
        try:
            while True:
                try:
                    head = reader.head()
                    refused = self.refusal(head) if head else None
                except BadRequest as error:
                    guest.sendall(_error("400 Bad Request", "BadRequest", f"The request has {error}."))
                    return
                if head is None:
                    return
                if refused:
                    guest.sendall(
                        _error("403 Forbidden", "AccessDenied", f"Refused by the local cloud: {refused}.")
                    )
                    return
                if head.headers.get("upgrade"):
                    guest.sendall(
                        _error("400 Bad Request", "BadRequest", "Protocol upgrades are not passed on.")
                    )
                    return
                if upstream is None:
                    upstream = self._connect()
                    for side in (upstream, guest):
                        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=_copy_back, args=(upstream, guest), daemon=True).start()
                upstream.sendall(head.raw)
                if head.chunked:
                    _chunks(reader, upstream)
                else:
                    _body(reader, upstream, head.length)
        finally:
            if upstream is not None:
                with contextlib.suppress(OSError):
                    upstream.shutdown(socket.SHUT_RDWR)
                upstream.close()


def _body(reader: Reader, upstream: socket.socket, length: int) -> None:
    while length and reader.buffer:
        data = reader.take(length)
        upstream.sendall(data)
        length -= len(data)
    buffer = memoryview(bytearray(min(_BUFFER, length))) if length else memoryview(b"")
    while length:
        count = reader.connection.recv_into(buffer[: min(_BUFFER, length)])
        if not count:
            raise OSError("the guest closed its connection")
        upstream.sendall(buffer[:count])
        length -= count


def _chunks(reader: Reader, upstream: socket.socket) -> None:
    while True:
        line = reader.line()
        size_text = line.split(b";", 1)[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size_text):
            raise OSError("a chunk without a size")
        upstream.sendall(line)
        size = int(size_text, 16)
        if size == 0:
            while (trailer := reader.line()).strip():
                upstream.sendall(trailer)
            upstream.sendall(trailer)
            return
        _body(reader, upstream, size)
        upstream.sendall(reader.line())


def _copy_back(upstream: socket.socket, guest: socket.socket) -> None:
    buffer = memoryview(bytearray(_BUFFER))
    with contextlib.suppress(OSError):
        while count := upstream.recv_into(buffer):
            guest.sendall(buffer[:count])
    with contextlib.suppress(OSError):
        guest.shutdown(socket.SHUT_RDWR)


def _error(status: str, code: str, message: str) -> bytes:
    text = (
        '<?xml version="1.0" '
        f'encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{xml.sax.saxutils.escape(message)}</Message></Error>'
    )
    return response(status, text.encode(), {"Content-Type": "application/xml"}, close=True)
