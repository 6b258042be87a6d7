"""Standard output and standard error of a command, whoever reads them.

A reader that has gone (`neurocaas jobs | head -1`) ends the command without a word, as other programs do. A
reader without a character of ours (a Windows console of code page 1252, a log in ASCII) gets it in ASCII:
nothing that is printed can be what a command fails at, and two different names stay different.
"""

import atexit
import codecs
import contextlib
import errno
import io
import json
import os
import sys
from typing import NoReturn

GONE = 141
"""Exit code: 128 and SIGPIPE, what a shell reports of a program that a broken pipe has ended."""

_PLAIN = {
    "…": "...",
    "✓": "ok",
    "✗": "x",
    "×": "x",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "·": "-",
    "•": "*",
    "–": "-",
    "—": "-",
    "−": "-",
    "≈": "~",
    "\u00a0": " ",
    "█": "#",
    "░": ".",
    "━": "=",
    "╸": "=",
    "╺": "-",
    "─": "-",
    "│": "|",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
}
"""What we write for people, in ASCII. Everything else is of others, and is written out (`\\u65e5`)."""


class _Output(io.TextIOWrapper):
    """A standard stream that turns a broken pipe into the end of the task. What the task cleans up on its way
    out is cleaned up.
    """

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            if not _is_gone(error):
                raise
            self._end()

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            if not _is_gone(error):
                raise
            self._end()

    def _end(self) -> NoReturn:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # what is still to be written, by us or by a child, must not fail again
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        raise SystemExit(GONE)


def _is_gone(error: OSError) -> bool:
    """Windows says EINVAL of a pipe that nobody reads."""
    return error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL)


def end_with_the_reader() -> None:
    """Let standard output and standard error of this process do so, unless a program has put its own in their
    place.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            settings = {
                key: getattr(stream, key) for key in ("encoding", "errors", "line_buffering", "write_through")
            }
            output = _Output(stream.buffer, **settings)
            setattr(sys, name, output)
            atexit.register(_last_words, output)


def _last_words(output: _Output) -> None:
    """The task is done: what nobody has read is no failure of it."""
    with contextlib.suppress(SystemExit):
        output.flush()


def write_anything(*, json: bool = False) -> None:
    """Let standard output and standard error have every character. `json`: standard output is a JSON
    document, in which a character that cannot be written stands as its escape.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, or a program without a console
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    codecs.register_error("neurocaas", _in_ascii)
    codecs.register_error("neurocaas-json", _as_escape)
    for stream, errors in (
        (sys.stdout, "neurocaas-json" if json else "neurocaas"),
        (sys.stderr, "neurocaas"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start : error.end]
    written = (
        _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode() for character in found
    )
    return "".join(written), error.end


def _as_escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
