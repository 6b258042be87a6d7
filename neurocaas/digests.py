"""Digests of what is read in pieces, in hex; `hashlib.file_digest` came with Python 3.11."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

_PIECE = 1 << 20


class Readable(Protocol):
    """A file, or the body of an object in S3."""

    def read(self, size: int, /) -> bytes: ...


def sha256_of_stream(stream: Readable, *others: Any) -> str:
    """Of all that is left in it; `others` are digests (hashlib's) that are fed with the same."""
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
        for other in others:
            other.update(piece)
    return digest.hexdigest()
