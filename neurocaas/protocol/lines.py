"""Lines that commands write: results on standard output, what goes on meanwhile on standard error."""

from __future__ import annotations

import sys

from neurocaas.protocol.printable import printable


def to_stdout(text: str = "") -> None:
    """A line as it is: of our own words, or a JSON document."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """A line with words of others in it (names, messages): nothing in it is obeyed by a terminal."""
    to_stdout(printable(text))


def to_stderr(text: str) -> None:
    """A line as it is, at once: others write there too."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
