"""Plugins written in Python, a policy pack for instance: the language host runs them for the engine
(`LanguageRuntime.RunPlugin`).
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pulumi.runtime.proto import language_pb2

STOP_SECONDS = 5.0
"""Seconds that a plugin has to end by itself when the engine closes it."""


def run(request: Any, context: Any) -> Iterator[Any]:
    """Run the plugin with the Python of its own `virtualenv`, and pass on what it writes, line by line; its
    exit code comes last.
    """
    folder = Path(request.info.program_directory)
    python = _python(request.info)
    if not python.is_file():
        said = (
            f"got no Python environment {python} for the plugin in {folder}; "
            f"make one there (`python3 -m venv {python.parent.parent}`) and install what the plugin needs\n"
        )
        yield language_pb2.RunPluginResponse(stderr=said.encode())
        yield language_pb2.RunPluginResponse(exitcode=1)
        return
    variables = dict(pair.split("=", 1) for pair in request.env if "=" in pair) or dict(os.environ)
    child = subprocess.Popen(
        [str(python), "-u", str(folder / (request.info.entry_point or ".")), *request.args],
        cwd=request.pwd or folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    context.add_callback(child.terminate)  # the engine has closed the plugin
    said_by: queue.Queue[tuple[str, bytes]] = queue.Queue()
    readers = [
        threading.Thread(target=_read, args=(name, pipe, said_by), daemon=True)
        for name, pipe in (("stdout", child.stdout), ("stderr", child.stderr))
        if pipe is not None
    ]
    try:
        for reader in readers:
            reader.start()
        ended = 0
        while ended < len(readers):
            name, line = said_by.get()
            if line:
                yield language_pb2.RunPluginResponse(**{name: line})  # type: ignore[arg-type]
            else:
                ended += 1
        yield language_pb2.RunPluginResponse(exitcode=child.wait())
    finally:
        _end(child)


def _python(info: Any) -> Path:
    """The `virtualenv` of the plugin's runtime options, relative to its folder."""
    return Path(info.root_directory, dict(info.options).get("virtualenv", "venv"), "bin", "python")


def _read(name: str, pipe: IO[bytes], said_by: queue.Queue[tuple[str, bytes]]) -> None:
    for line in iter(pipe.readline, b""):
        said_by.put((name, line))
    said_by.put((name, b""))


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
