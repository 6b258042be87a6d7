"""Starts a script, and ends with its exit code when nothing of it is left running: what is read afterwards does not change any more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from . import processes
from .measure import uptime
from .storage import LOCAL_ROOT, Location, StorageError, open_storage

CONFIG, CONFIG_FILE = "NEUROCAAS_CONFIG", "config.json"
NOT_STARTED = 126


def run(command: Sequence[str], state: Path, environment: Mapping[str, str]) -> int:
    """Run `command` in a process group of its own. The group's number and the machine's uptime go into `state`/control, for the agent."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # who ends the script ends its group; this one comes after it
    processes.become_subreaper()
    try:
        script = subprocess.Popen(command, env={**environment, **_config(environment, state)}, preexec_fn=_as_a_script)
    except OSError as error:
        sys.stderr.write(f"The analysis script could not be started: {command[0]}: {error.strerror}\n")
        return NOT_STARTED
    with suppress(OSError, ValueError), (state / "control").open("w") as control:
        control.write(f"pid {script.pid} {_uptime()}\n")
    code = script.wait()
    if ended := processes.end(_left):
        sys.stderr.write(f"{processes.told(ended)}\n")
    return 128 - code if code < 0 else code


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


def _config(environment: Mapping[str, str], state: Path) -> dict[str, str]:
    """The configuration as JSON, where the machine's first program has not left it: the job's, else that of the folder which stands for the
    bucket. Nothing when it cannot be had."""
    if environment.get(CONFIG):
        return {}
    with suppress(OSError, ValueError, KeyError, StorageError):  # by hand there may be none, or one that is no JSON
        if environment.get("NEUROCAAS_JOB_FILE"):
            values = json.loads(Path(environment["NEUROCAAS_JOB_FILE"]).read_bytes())["config"]
        elif environment.get(LOCAL_ROOT):
            place = Location.parse(environment["configpath"], environment["bucketname"])
            values = json.loads(open_storage(environment).read(place).decode("utf-8-sig"))
        else:
            return {}
        path = state / CONFIG_FILE
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return {CONFIG: str(path)}
    return {}
