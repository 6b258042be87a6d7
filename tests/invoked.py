"""`invoke` in a process of its own, without loading its modules again for each command.

For a project, one process loads what its `tasks.py` imports and is forked for each command (`tests.warm`). A
command has its own environment, working folder, streams and exit code, as from a shell.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.warm import warm_python

SECONDS = 120
"""A command may take so long."""
_RUNNING = ExitStack()
atexit.register(_RUNNING.close)


def invoked(
    project: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`invoke WORDS` of the project in the folder, with nothing to read. Without `env`, with ours."""
    return subprocess.run(
        [str(_python(project)), "-m", "invoke", *words],
        env=dict(os.environ if env is None else env),
        cwd=cwd or project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@functools.cache
def _python(project: Path) -> Path:
    """The warm Python of a project, until this process ends."""
    return _RUNNING.enter_context(warm_python(project))
