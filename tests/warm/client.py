"""Asks the server for a process, and stands for it: signals go to it, its end is ours.

`python -IS client.py SOCKET PYTHON WORD...` is `PYTHON WORD...`. It starts in ten milliseconds: it imports
next to nothing. What cannot be passed on (a terminal, a session, variables of Python itself) becomes
a Python of its own, as does every program that is not named here. With `WARM_TERMINAL` set a terminal is
passed on as well, for commands that only write to it and read from it.
"""

from __future__ import annotations

import os
import sys
from _signal import SIG_DFL, SIGHUP, SIGINT, SIGQUIT, SIGTERM, signal  # type: ignore[import-not-found]
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

MODULES = ("invoke", "localcloud.pulumi.provider")
IN_SESSION = ("invoke",)
"""It may ask at the terminal of its session; the engine's plugins know none."""
HOST = "from localcloud.pulumi.language import main"
WORKER = "/_worker.py"
"""What MiniStack calls the program of a function's process."""
PASSED_ON = (SIGHUP, SIGINT, SIGQUIT, SIGTERM)
TERMINAL = "WARM_TERMINAL"
KNOWN = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
"""Variables of Python that the server can apply afterwards."""
SIZE = 4


def is_warm(words: list[str]) -> bool:
    """Whether the server can start it."""
    program = words[:1] == ["-m"] and words[1] in MODULES
    host = words[:1] == ["-c"] and HOST in words[1]
    ours = all(name in KNOWN for name in os.environ if name.startswith("PYTHON"))
    worker = len(words) == 1 and words[0].endswith(WORKER)
    terminal = TERMINAL not in os.environ and any(os.isatty(number) for number in (0, 1, 2))
    return (program or host or worker) and ours and not terminal


def request(words: list[str]) -> bytes:
    """The process as the server wants it described."""
    mask = os.umask(0)
    os.umask(mask)
    fields = [b"%d" % mask, os.getcwdb(), b"%d" % len(words), *map(os.fsencode, words)]
    fields += [b"%s=%s" % pair for pair in os.environb.items()]
    return b"\0".join(fields)


def start(server: str, words: list[str]) -> int | None:
    """Have it started, and pass on what comes; the status with which it ended, or None without a server."""
    said = request(words)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    channel = socket(AF_UNIX, SOCK_STREAM)
    early: list[int] = []
    child: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        if child:
            os.kill(child[0], number)
        else:
            early.append(number)

    try:
        channel.connect(server)
        elsewhere = int.from_bytes(channel.recv(SIZE), "big") != os.getsid(0)
        if elsewhere and words[1:] and words[1] in IN_SESSION and TERMINAL not in os.environ:
            return None
        for number in PASSED_ON:
            signal(number, pass_on)
        channel.sendmsg([len(said).to_bytes(SIZE, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
        channel.sendall(said)
        child.append(int.from_bytes(channel.recv(SIZE), "big"))
        for number in early:
            os.kill(child[0], number)
        ended = channel.recv(SIZE)
    except (ConnectionError, FileNotFoundError):
        if not child:
            return None
        ended = b""
    return int.from_bytes(ended, "big") if ended else 9


def end(status: int) -> None:
    """End as it did."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in PASSED_ON:
            signal(number, SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def main() -> None:
    server, python, *words = sys.argv[1:]
    status = start(server, words) if is_warm(words) else None
    if status is None:
        os.execv(python, [python, *words])
    end(status)


if __name__ == "__main__":
    main()
