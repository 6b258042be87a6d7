"""Hides secrets in what a script prints, before it reaches a file: no log, status or certificate has them."""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import quote

from neurocaas.protocol.secrets import SHORTEST, hidden

_READ = 1 << 16
_PATIENCE = 60
"""Seconds that the end waits for a process that holds the stream and cannot be killed."""


class Mask:
    """Takes pieces of a stream and gives them back with `hidden(name)` in the place of each value.

    Hidden are: the whole value, each of its lines that is long enough, and its forms in base64 and in
    addresses. What may be the beginning of one is held back until more has come, or `rest` is asked for;
    where the pieces end makes no difference. A script that writes its secret in another form, letter by
    letter for instance, is not found out.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        found = {form: hidden(name).encode() for name, value in values.items() for form in _forms(value)}
        needles = sorted(found, key=len, reverse=True)  # of two that begin alike, the longer one counts
        self._needles = needles
        self._instead = found
        self._pattern = re.compile(b"|".join(map(re.escape, needles)) or rb"(?!)", re.DOTALL)
        self._longest = max(map(len, needles), default=1)
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        text = self._held + piece
        return self._take(text, self._beginning(text))

    def rest(self) -> bytes:
        """What was held back: nothing comes any more."""
        return self._take(self._held, len(self._held))

    def _take(self, text: bytes, end: int) -> bytes:
        """`text` with values hidden, up to `end`, from which on all is held back. A value that begins before
        `end` and ends behind it is whole, and moves it."""
        done, position = [], 0
        while (found := self._pattern.search(text, position)) and found.start() < end:
            done += [text[position : found.start()], self._instead[found[0]]]
            position = found.end()
            if position > end:
                end = self._beginning(text, position)
        done.append(text[position:end])
        self._held = text[max(position, end) :]
        return b"".join(done)

    def _beginning(self, text: bytes, start: int = 0) -> int:
        """Where the first value may begin of which `text` has not all yet; its length where none may."""
        for place in range(max(start, len(text) - self._longest + 1), len(text)):
            tail = text[place:]
            if any(len(tail) < len(needle) and needle.startswith(tail) for needle in self._needles):
                return place
        return len(text)


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode("utf-8", "surrogateescape")
    lines = [line.strip() for line in raw.splitlines()]
    for plain in {raw, raw.strip(), *lines}:
        if len(plain) >= SHORTEST:
            yield plain
            yield base64.b64encode(plain)
            yield quote(plain, safe="").encode()


@contextmanager
def masked(values: Mapping[str, str], targets: Iterable[int] = (1, 2)) -> Iterator[list[int]]:
    """Descriptors for a script's output: what is written to each comes out at the descriptor of `targets` at
    the same place, masked. The body starts the script and waits until nothing of it is left. Without values
    they are the targets themselves."""
    if not values:
        yield list(targets)
        return
    ends, copiers = [], []
    for target in targets:
        end, start = os.pipe()
        ends.append(start)
        copiers.append(threading.Thread(target=_copy, args=(Mask(values), end, target), daemon=True))
    for copier in copiers:
        copier.start()
    try:
        yield ends
    finally:
        for start in ends:
            with suppress(OSError):
                os.close(start)
        for copier in copiers:
            copier.join(_PATIENCE)


def _copy(mask: Mask, source: int, target: int) -> None:
    """Until the other end is closed. What cannot be written (a full disk) is lost, as it is without a mask;
    reading goes on, or the script would stand still."""
    with os.fdopen(source, "rb", buffering=0) as stream:
        while piece := stream.read(_READ):
            _write(target, mask.feed(piece))
    _write(target, mask.rest())


def _write(target: int, text: bytes) -> None:
    view = memoryview(text)
    with suppress(OSError):
        while view:
            view = view[os.write(target, view) :]
