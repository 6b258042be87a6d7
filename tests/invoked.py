"""`invoke` in a process of its own, without loading its modules again for each command.

For a project, one process loads what its `tasks.py` imports and is forked for each command. A command has its
own environment, working folder, streams and exit code, as from a shell. Only what Python itself reads when it
starts is not its own (`PYTHON…` variables, the locale): a test about those starts `python -m invoke`.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SECONDS = 120
"""A command may take so long."""
_MESSAGE = 1 << 20


def invoked(
    project: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`invoke WORDS` of the project in the folder, with nothing to read. Without `env`, with ours."""
    request = {"words": words, "env": dict(os.environ if env is None else env), "cwd": str(cwd or project)}
    with open(os.devnull) as nothing, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        _, channel = _server(project)
        streams = [file.fileno() for file in (nothing, said, told)]
        socket.send_fds(channel, [json.dumps(request).encode()], streams)
        code = int(channel.recv(_MESSAGE))
        texts = []
        for file in (said, told):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["invoke", *words], code, *texts)


@functools.cache
def _server(project: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process of a project, and the way to it; it ends when this one does."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            cwd=project,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    ours.settimeout(SECONDS)
    return process, ours


def _load(tasks: Path) -> None:
    for node in ast.parse(tasks.read_text()).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            importlib.import_module(node.module)


def _serve(channel: socket.socket) -> bool:
    """Whether this is a command to be run (True, in a new process), or all have been (False)."""
    while True:
        request, streams, _, _ = socket.recv_fds(channel, _MESSAGE, 3)
        if not request:
            return False
        child = os.fork()
        if child == 0:
            channel.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            wanted = json.loads(request)
            os.environ.clear()
            os.environ.update(wanted["env"])
            os.chdir(wanted["cwd"])
            sys.argv[1:] = wanted["words"]
            return True
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(child, 0)
        channel.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    _channel = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = os.getcwd()
    _load(Path("tasks.py"))
    import invoke
    from invoke.main import program

    sys.argv[0] = str(Path(invoke.__file__).with_name("__main__.py"))
    if _serve(_channel):
        program.run()
