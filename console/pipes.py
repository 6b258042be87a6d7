"""Output to a reader that has gone (`invoke --list | head -1`): the task ends without a word, as other
programs do.
"""

import atexit
import contextlib
import io
import os
import sys
from typing import NoReturn

GONE = 141
"""Exit code: 128 and SIGPIPE, what a shell reports of a program that a broken pipe has ended."""


class _Output(io.TextIOWrapper):
    """A standard stream that turns a broken pipe into the end of the task. What the task cleans up on its way
    out is cleaned up.
    """

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._end()

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._end()

    def _end(self) -> NoReturn:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # what is still to be written, by us or by a child, must not fail again
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        raise SystemExit(GONE)


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
