"""Starts a script, and ends with its exit code when nothing of it is left running: what is read afterwards
does not change any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from . import processes
from .masking import masked
from .measure import uptime
from .prepare import job_of, link_home, prepared
from .secret_values import values_of
from .storage import StorageError

NOT_STARTED = 126


def run(command: Sequence[str], state: Path, environment: Mapping[str, str]) -> int:
    """Run `command` in a process group of its own. The group's number and the machine's uptime go into
    `state`/control, for the agent.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # who ends the script ends its group; this one comes after it
    processes.become_subreaper()
    if environment.get("NEUROCAAS_INSTANCE_ID") or environment.get("NEUROCAAS_RUN_FOLDER") == "/":
        # as on each machine; without a sandbox a local machine's home can be somebody's own
        root = os.geteuid() == 0
        for line in link_home(
            Path(environment["userhome"]), Path(environment["neurocaasrootdir"]), move=root
        ):
            sys.stderr.write(f"{line}\n")
    try:
        secrets = values_of(job_of(environment), environment)
        variables = {**environment, **prepared(environment, state), **secrets}
        with masked(secrets) as (out, err):
            return _attended(command, variables, state, out, err)
    except (OSError, StorageError) as error:
        sys.stderr.write(f"The analysis script could not be started: {error}\n")
        return NOT_STARTED


def _attended(command: Sequence[str], variables: Mapping[str, str], state: Path, out: int, err: int) -> int:
    """The script's exit code, when nothing of it is left running; its output goes to the descriptors `out`
    and `err`. Raises OSError where it cannot be started."""
    script = subprocess.Popen(command, env=variables, stdout=out, stderr=err, preexec_fn=_as_a_script)
    with suppress(OSError, ValueError), (state / "control").open("w") as control:
        control.write(f"pid {script.pid} {_uptime()}\n")
    code = script.returncode = _waited_for(script.pid)
    if ended := processes.end(_left):
        sys.stderr.write(f"{processes.told(ended)}\n")
    return 128 - code if code < 0 else code


def _waited_for(pid: int) -> int:
    """The exit code of the child `pid`. Orphans that end before it are taken away, or they would fill the
    table of processes.
    """
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)


def _as_a_script() -> None:
    """In the child: a group of its own, and signals as they were."""
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def _left() -> list[processes.Process]:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # orphans that have ended
            pass
    return processes.below(os.getpid())


def _uptime() -> str:
    try:
        return str(uptime())
    except (OSError, ValueError):
        return ""
