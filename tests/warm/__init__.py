"""A Python whose processes start with the modules of other people loaded.

It is for the commands, the language hosts and the providers of tests, and for the functions of their local
clouds: their start is most of their time.

Each is a process of its own, forked from a server that has run nothing else: with the words, variables,
folder, streams, umask and signals that it was started with. It loads the project's modules itself, from its
own folder. A test whose point is such a process (that it is killed, for instance) has
`VARIABLE` out of its environment.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcloud.project import WARM_VARIABLE as VARIABLE

__all__ = ["TERMINAL", "VARIABLE", "warm_python"]

TERMINAL = "WARM_TERMINAL"
"""Set to anything: commands at a terminal are started so as well. Not for one that opens a shell there, or
asks at `/dev/tty`: the terminal is not that of its session.
"""

_HERE = Path(__file__).parent


@contextmanager
def warm_python(project: Path | None = None) -> Iterator[Path]:
    """A program to be called like this Python. With `project`, which does not change, what that folder's
    `tasks.py` imports is loaded beforehand as well.
    """
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        place, program = Path(folder) / "socket", Path(folder) / "python"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen(64)
            words = [sys.executable, str(_HERE / "server.py"), str(listener.fileno())]
            server = subprocess.Popen(
                [*words, *([str(project)] if project else ())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )
        base = Path(sys.executable).resolve()
        client = shlex.join([str(base), "-IS", str(_HERE / "client.py"), str(place), sys.executable])
        program.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
        program.chmod(0o755)
        try:
            yield program
        finally:
            server.communicate()  # it ends with its standard input, and with it all that it has started
