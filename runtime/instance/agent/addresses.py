"""Fetching a file of the world by its address, of which only the content that was submitted is kept.

Who submits says the address, and the blueprint which hosts may be asked; a machine has rights in its account,
and addresses near it answer with them. So: TLS with a certificate of that host; no redirects, no proxy, no
credentials; only public addresses of the network, and the one that was looked at is the one that is asked, so
that a name cannot mean another a moment later. No more is read than the size that was stated, and a file
with another digest fails its dataset.
"""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from neurocaas.protocol.addresses import Address, parse_address
from neurocaas.protocol.status import DATA_CHANGED

from .storage import BLOCK, Seen, StorageError

TRIES = 6
"""So often in a row it is tried again where a connection breaks without a byte; the file goes on where it
was."""

SILENCE = 60.0
"""Seconds without a byte after which a connection counts as broken."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Public = Callable[[str], bool]


class _PassingError(Exception):
    """It may work in a moment."""


class PinnedConnection(http.client.HTTPSConnection):
    """A connection to one of some network addresses, with the certificate of a host."""

    def __init__(
        self, host: str, addresses: Sequence[str], port: int, context: ssl.SSLContext, timeout: float
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._addresses, self._tls = addresses, context

    def connect(self) -> None:
        plain = self._reached()
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def _reached(self) -> socket.socket:
        """The first that answers: machines may have no IPv6."""
        failure = OSError("it has no address")
        for address in self._addresses:
            try:
                return socket.create_connection((address, self.port), self.timeout)
            except OSError as error:
                failure = error
        raise failure


def is_public(address: str) -> bool:
    """Whether a network address is of the world: none of this machine, its network, its cloud's metadata, nor
    one that stands for such a one (IPv4 in IPv6, 6to4, Teredo, NAT64)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner: list[Any] = [found]
    if isinstance(found, ipaddress.IPv6Address):
        inner += [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in _NAT64:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        if found.ipv4_mapped is not None:
            inner.remove(found)  # it is what it stands for
    return all(one is None or (one.is_global and not one.is_multicast) for one in inner)


class AddressStorage:
    """`context`: whose certificates count. `public`: which network addresses may be asked. `port` of all
    hosts."""

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        public: Public = is_public,
        port: int = 443,
        timeout: float = SILENCE,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._context = context or ssl.create_default_context()
        self._public, self._port, self._timeout, self._sleep = public, port, timeout, sleep

    def download(self, dataname: str, target: Path, seen: Seen) -> None:
        """Write the file to `target`. Raises StorageError, `permanent` for what waiting does not help."""
        try:
            address = parse_address(dataname)
        except ValueError as error:
            raise StorageError(f"{dataname}: {error}. Name it anew.", permanent=True) from error
        digest, have, failures = hashlib.sha256(), 0, 0
        with target.open("wb") as out:
            while True:
                before = have
                try:
                    for block in self._blocks(address, have):
                        have += len(block)
                        if have > address.size:
                            raise _other(address, f"it has more than {address.size} bytes")
                        out.write(block)
                        digest.update(block)
                        seen(block)
                    if have == address.size:
                        break
                    raise _PassingError(f"it ended after {have} of {address.size} bytes")
                except (_PassingError, OSError, http.client.HTTPException) as error:
                    if isinstance(error, ssl.SSLCertVerificationError):
                        raise _refused(
                            address, f"its certificate is not that of the host ({error.reason})"
                        ) from error
                    failures = 1 if have > before else failures + 1
                    if failures == TRIES:
                        raise StorageError(
                            f"{address.url}: {error}. Tried {TRIES} times; run the job again."
                        ) from error
                    self._sleep(min(30.0, 2.0**failures))
        if digest.hexdigest() != address.sha256:
            raise _other(address, f"it has SHA-256 {digest.hexdigest()}, not {address.sha256}")

    def _blocks(self, address: Address, have: int) -> Iterator[bytes]:
        connection = PinnedConnection(
            address.host, self._resolved(address), self._port, self._context, self._timeout
        )
        try:
            headers = {"Accept-Encoding": "identity", "User-Agent": "neurocaas"}
            if have:
                headers["Range"] = f"bytes={have}-"
            connection.request("GET", address.path, headers=headers)
            answer = connection.getresponse()
            self._check(address, answer, have)
            while block := answer.read(BLOCK):
                yield block
        finally:
            connection.close()

    def _resolved(self, address: Address) -> list[str]:
        """The network addresses to ask. All that the name stands for must be public."""
        found = socket.getaddrinfo(address.host, self._port, type=socket.SOCK_STREAM)
        places = [str(one[4][0]) for one in found]
        private = [place for place in places if not self._public(place)]
        if private:
            raise _refused(address, f"{address.host} is {private[0]}, which is no address of the world")
        return places

    def _check(self, address: Address, answer: http.client.HTTPResponse, have: int) -> None:
        status = answer.status
        if 300 <= status < 400:
            raise _refused(address, f"it leads elsewhere ({status}), and redirects are not followed")
        if status in (408, 425, 429) or status >= 500:
            raise _PassingError(f"the host cannot answer now ({status})")
        if status == 416 or (have and status == 200):
            raise _refused(address, "the connection broke, and the host cannot go on in the middle of a file")
        if status != (206 if have else 200):
            raise StorageError(
                f"{address.url}: the host says {status} {answer.reason}. Allowed: a file that is open "
                "to all. Check the address.",
                missing=status in (404, 410),
                permanent=True,
            )
        if have and not (answer.getheader("Content-Range") or "").startswith(f"bytes {have}-"):
            raise _refused(address, "the host goes on at another place than was asked for")
        length = answer.getheader("Content-Length")
        if length is not None and length.isdigit() and int(length) != address.size - have:
            raise _other(address, f"it has {int(length) + have} bytes, not {address.size}")


def _other(address: Address, why: str) -> StorageError:
    return StorageError(
        f"{DATA_CHANGED}: {address.url}: {why}. Allowed: the file that was submitted. Name the file of "
        "now by its size and digest.",
        outdated=True,
    )


def _refused(address: Address, why: str) -> StorageError:
    return StorageError(
        f"{address.url}: {why}. Allowed: a public host that answers itself. Name the address of the file "
        "itself.",
        permanent=True,
    )
