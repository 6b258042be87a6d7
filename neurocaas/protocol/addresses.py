"""Inputs by address and digest: files of archives in the world that a submission may name, where the
blueprint allows their host.

A name says all that pins the file: where it is, what it must be, and what it is called,

    https://{host}/{path}#sha256={64 hex digits}&size={bytes}/{name}

so that whoever reads a job's record knows what was read, and the last part is the file's name as in every
other name of a dataset. The manager never asks an address for anything; a machine fetches it, and keeps only
what has the digest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from neurocaas.protocol.names import file_fault, key_fault

HTTPS = "https://"
PREFIX = re.compile(r"https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}/(?:[A-Za-z0-9._~-]+/)*")
"""What a blueprint may allow: a host by its name, all of it or a folder."""

LARGEST = 1 << 44
"""Bytes that a file at an address may have (16 TiB, what S3's largest object has not)."""

FORM = "https://HOST/PATH#sha256=64-HEX-DIGITS&size=BYTES/NAME"
_NAME = re.compile(
    r"(https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63})(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)"
    r"#sha256=([0-9a-f]{64})&size=([1-9][0-9]{0,14})/([^/]+)"
)


@dataclass(frozen=True)
class Address:
    """A file in the world. `origin` is scheme and host, `path` begins with '/'; `size` in bytes."""

    origin: str
    path: str
    sha256: str
    size: int
    name: str

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def host(self) -> str:
        return self.origin[len(HTTPS) :]

    @property
    def dataname(self) -> str:
        """How a submission names it."""
        return f"{self.url}#sha256={self.sha256}&size={self.size}/{self.name}"


def is_address(path: str) -> bool:
    """Whether a name is meant as one of a file in the world."""
    return path.startswith(HTTPS)


def parse_address(dataname: str) -> Address:
    """Raises ValueError, whose text says what is wrong. No port, no user, no query (what is signed or secret
    would stand in every record of the job), no `..`."""
    found = _NAME.fullmatch(dataname)
    if found is None:
        raise ValueError(f"it is not of the form {FORM}")
    origin, path, sha256, size, name = found.groups()
    if any(part in (".", "..") for part in unquote(path).split("/")) or "\\" in unquote(path):
        raise ValueError("its path has '.' or '..' parts")
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError("its path has a '%' that is no escape")
    if (fault := key_fault(name) or file_fault(name)) is not None:
        raise ValueError(f"its name: {fault}")
    if int(size) > LARGEST:
        raise ValueError(f"its size is more than {LARGEST} bytes")
    if (fault := file_fault(dataname[len(origin) + 1 :])) is not None:  # records of the job have it as a key
        raise ValueError(f"its path: {fault}")
    return Address(origin, path, sha256, int(size), name)


def admitted(prefixes: Sequence[str], address: Address) -> bool:
    """Whether one of a blueprint's prefixes lets this address in. Escapes do not lead out of a folder: what
    decides is the path that they stand for."""
    plain = f"{address.origin}{unquote(address.path)}"
    return any(plain.startswith(prefix) and address.url.startswith(prefix) for prefix in prefixes)


def escaped_path(path: str) -> str:
    """A path as an address has it."""
    return quote(path, safe="/~!$&'()*+,;=:@%")
