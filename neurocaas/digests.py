"""Digests of what is read in pieces, in hex; `hashlib.file_digest` came with Python 3.11."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

_PIECE = 1 << 20


class Readable(Protocol):
    """A file, or the body of an object in S3."""

    def read(self, size: int, /) -> bytes: ...


def sha256_of_stream(stream: Readable) -> str:
    """Of all that is left in it."""
    return _fed(hashlib.sha256(), stream)


def md5_of_stream(stream: Readable) -> str:
    """Of all that is left in it; it finds damage, and proves nothing."""
    return _fed(hashlib.md5(usedforsecurity=False), stream)


def _fed(digest: Any, stream: Readable) -> str:
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return str(digest.hexdigest())
