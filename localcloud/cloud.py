"""The local cloud as a whole: start it, stop it, look at it, wipe it.

It is two processes, the *emulator* (control plane) and the *fleet* (machines). What runs is written in
``cloud.json``; what it holds is in the folders beside it and survives both a clean stop and ``kill -9``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud import account_properties, bubblewrap, memory, ports, private, processes
from localcloud import keys as keys_module
from localcloud.emulator_env import EmulatorMissing, emulator_python
from localcloud.paths import HOME_VARIABLE, Paths
from localcloud.processes import Process
from localcloud.project import VARIABLES, WARM_VARIABLE
from localcloud.running import ACCOUNT, DEFAULT_REGION, SCHEMA_VERSION, Cloud, CloudError
from localcloud.sandbox.hostaccess import passed_on
from localcloud.version import code_digest

__all__ = [
    "ACCOUNT",
    "DEFAULT_REGION",
    "Cloud",
    "CloudError",
    "EmulatorMissing",
    "down",
    "notes",
    "reset",
    "status",
    "up",
]

FLEET = "localcloud.fleet"
START_SECONDS = 30.0
RELEASE_SECONDS = 3.0
PASSED_ON = ("LOG_LEVEL", "BIND_HOST", account_properties.VARIABLE, WARM_VARIABLE, *VARIABLES)
PACKAGE_ROOT = Path(__file__).resolve().parent.parent


def up(paths: Paths, *, port: int | None = None, fleet: bool = True) -> Cloud:
    """Start what does not run yet and return the running cloud; does nothing when all runs from the code of
    this checkout.

    Args:
        port: on 127.0.0.1; default ``$LOCALCLOUD_PORT``, else the port of a cloud that was killed, else
            24566. Ignored when the cloud runs already.
        fleet: start the machines too; the control plane alone is enough for tests of it.

    Raises:
        CloudError: the port is taken, the home is another user's, or a process did not start; nothing is left
        running that was not before.
    """
    _close(paths)
    with private.umask(), _locked(paths):
        code = code_digest()
        cloud = Cloud.load(paths)
        if cloud is None or cloud.code != code:
            private.tighten(paths.home)
            before = Cloud.read(paths)
            left = _left_alone(before, code, port)
            # what a killed emulator left, or processes of the code before an update
            ended = _end(paths, spare=left)
            wanted = port or ports.wanted(before.port if before is not None else ports.DEFAULT_PORT)
            # The last thread of an emulator that was just killed may hold the port for a moment more.
            ports.await_free(wanted, RELEASE_SECONDS if ended or before is not None else 0.0)
            cloud = _start_emulator(paths, wanted, code)
            if left is not None and before is not None:
                cloud = _take_in(paths, cloud, before, left)
        if fleet and not (cloud.fleet and cloud.fleet.alive()):
            cloud = _start_fleet(paths, cloud)
        return cloud


def down(paths: Paths) -> bool:
    """Stop both processes and everything that they started. Returns whether something ran. All state is
    kept.
    """
    if not paths.home.is_dir():
        return _end(paths)
    with _locked(paths):
        ran = _end(paths)
        paths.cloud_file.unlink(missing_ok=True)
        return ran


def reset(paths: Paths) -> list[Path]:
    """Stop the cloud and delete everything it holds: buckets, users, functions, machines, images, logs.
    Returns what was deleted.

    The Pulumi state of local stacks goes too: it would describe resources that no longer exist.
    """
    down(paths)
    gone = []
    in_memory = memory.find(paths.home)
    for folder in (
        *((in_memory,) if in_memory else ()),
        paths.emulator,
        paths.fleet,
        paths.consoles,
        paths.images,
        paths.builds,
        paths.pulumi_state,
        paths.logs,
    ):
        if folder.exists():
            _delete(folder)
            gone.append(folder)
    return gone


def status(paths: Paths) -> dict[str, Any]:
    """What runs, as plain data: at least ``running`` and ``home``; processes, sandbox, memory, machines and
    builds when it runs.
    """
    cloud = Cloud.load(paths)
    if cloud is None:
        return {"running": False, "home": str(paths.home)}
    answer: dict[str, Any] = {
        "running": True,
        "home": str(paths.home),
        "endpoint": cloud.endpoint,
        "region": cloud.region,
        "account": cloud.account,
        "started": cloud.started,
        "sandbox": cloud.sandbox,
        "emulator": {"pid": cloud.emulator_pid, "healthy": False},
        "fleet": {"pid": cloud.fleet_pid, "healthy": False},
        "memory_mib": round(
            processes.memory(m for p in (cloud.emulator, cloud.fleet) if p for m in processes.family(p))
            / 2**20
        ),
    }
    with contextlib.suppress(OSError, ValueError):
        health = cloud.admin("GET", "health")
        answer["emulator"]["healthy"] = True
        answer["notes"] = notes(paths) if cloud.fleet_pid is not None else []
        answer["fleet"]["healthy"] = health["fleet_seen"] is not None and health["fleet_seen"] < 10
        answer["instances"] = health.get("instances", {})
        answer["builds"] = health.get("builds", {})
    return answer


def _close(paths: Paths) -> None:
    try:
        private.folder(paths.home)
    except PermissionError as error:
        raise CloudError(str(error)) from error


def notes(paths: Paths) -> list[str]:
    """What machines lack on this host, in words, as the fleet found it out when it started."""
    return [str(note) for note in _fleet_said(paths).get("notes", [])]


@contextlib.contextmanager
def _locked(paths: Paths) -> Iterator[None]:
    with paths.lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _library(paths: Paths) -> Path:
    """The folder from which the emulator's Python imports this package. An installed one lies among others,
    whose versions are not the emulator's: then it is a folder that has a link to it and nothing else.
    """
    if PACKAGE_ROOT.name not in ("site-packages", "dist-packages"):
        return PACKAGE_ROOT
    folder = paths.emulator / "library"
    folder.mkdir(exist_ok=True)
    link = folder / __package__
    link.unlink(missing_ok=True)
    link.symlink_to(PACKAGE_ROOT / __package__)
    return folder


def _start_emulator(paths: Paths, port: int, code: str) -> Cloud:
    _check_account(paths)
    python = emulator_python()
    region = os.environ.get("LOCALCLOUD_REGION") or DEFAULT_REGION
    paths.emulator.mkdir(parents=True, exist_ok=True)
    keys = keys_module.keys(paths)
    _rotate(paths.emulator_log)
    process = processes.spawn(
        [str(python), "-B", "-m", ports.EMULATOR],
        env={
            **_environment(paths, python),
            "TMPDIR": str(paths.emulator_tmp),
            "PYTHONPATH": str(_library(paths)),
            "LOCALCLOUD_PORT": str(port),
            "LOCALCLOUD_REGION": region,
            "LOCALCLOUD_ACCOUNT": ACCOUNT,
        },
        cwd=paths.emulator,
        log=paths.emulator_log,
        stdin=json.dumps(keys),
    )
    cloud = Cloud(
        schema_version=SCHEMA_VERSION, endpoint=f"http://{ports.LOOPBACK}:{port}", port=port, region=region,
        account=ACCOUNT,
        emulator_pid=process.pid, emulator_start=process.start, fleet_pid=None, fleet_start=None,
        sandbox=None,
        started=datetime.now(UTC).isoformat(timespec="seconds"), code=code, **keys,
    )  # fmt: skip
    try:
        _await(cloud, process, "emulator", paths.emulator_log, lambda health: True)
        cloud.write(paths)
    except BaseException:
        processes.stop([process])
        raise
    return cloud


def _check_account(paths: Paths) -> None:
    """Raises CloudError for properties of the account that cannot be, before anything starts."""
    try:
        account_properties.given(paths.account_file)
    except account_properties.PropertiesError as error:
        raise CloudError(str(error)) from error


def _left_alone(before: Cloud | None, code: str, port: int | None) -> Process | None:
    """The fleet whose emulator was killed: its machines go on, if its cloud comes back where it was."""
    if (
        before is None
        or before.emulator.alive()
        or before.code != code
        or before.fleet is None
        or not before.fleet.alive()
    ):
        return None
    return before.fleet if (port or ports.wanted(before.port)) == before.port else None


def _take_in(paths: Paths, cloud: Cloud, before: Cloud, fleet: Process) -> Cloud:
    """The cloud with the fleet that was left alone; without it when it does not come back (it is ended
    then).
    """
    whole = dataclasses.replace(cloud, fleet_pid=fleet.pid, fleet_start=fleet.start, sandbox=before.sandbox)
    try:
        if cloud.admin_token != before.admin_token:
            raise CloudError("The fleet has the token of an earlier state.")
        _await(whole, fleet, "fleet", paths.fleet_log, lambda health: health["fleet_seen"] is not None)
    except CloudError:
        processes.stop([fleet])
        return cloud
    whole.write(paths)
    return whole


def _start_fleet(paths: Paths, cloud: Cloud) -> Cloud:
    _rotate(paths.fleet_log)
    process = processes.spawn(
        [sys.executable, "-m", FLEET],
        # Bakes reach package registries the way that this shell does.
        env={
            **_environment(paths, Path(sys.executable)),
            **passed_on(os.environ),
            **bubblewrap.passed_on(),
            "PYTHONPATH": str(PACKAGE_ROOT),
        },
        cwd=paths.home,
        log=paths.fleet_log,
    )
    running = dataclasses.replace(cloud, fleet_pid=process.pid, fleet_start=process.start)
    running.write(paths)
    try:
        before = time.monotonic()
        _await(
            running, process, "fleet", paths.fleet_log,
            lambda h: h["fleet_seen"] is not None and h["fleet_seen"] < time.monotonic() - before,
        )  # fmt: skip
    except BaseException:
        processes.stop([process])
        cloud.write(paths)
        raise
    running = dataclasses.replace(running, sandbox=_fleet_said(paths).get("sandbox"))
    running.write(paths)
    return running


def _fleet_said(paths: Paths) -> dict[str, Any]:
    """What the fleet found out about this host before its first poll: ``sandbox``, ``limits``, ``notes`` …;
    empty when it said nothing.
    """
    try:
        said = json.loads((paths.fleet / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _environment(paths: Paths, python: Path) -> dict[str, str]:
    """What both processes see: nothing of the caller's own settings and secrets."""
    return {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(paths.home),
        "LANG": "C.UTF-8",
        HOME_VARIABLE: str(paths.home),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }


def _await(cloud: Cloud, process: Process, name: str, log: Path, ready: Any) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if not process.alive():
            break
        with contextlib.suppress(OSError, ValueError):
            health = cloud.admin("GET", "health", timeout=2.0)
            if ready(health):
                return health
        time.sleep(0.02)
    else:
        raise CloudError(
            f"The {name} did not answer within {START_SECONDS:.0f} s. Its last lines "
            f"are:\n{_tail(log)}\nSee {log}."
        )
    raise CloudError(f"The {name} ended while it was starting. Its last lines are:\n{_tail(log)}\nSee {log}.")


def _tail(log: Path, lines: int = 8) -> str:
    try:
        return "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "    (no log)"


def _rotate(log: Path, limit: int = 10 * 2**20) -> None:
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_name(log.name + ".1"))


def _end(paths: Paths, *, spare: Process | None = None) -> bool:
    """End the processes of this home, also those that ``cloud.json`` does not name, since it was damaged or
    the home deleted.

    ``spare`` and what belongs to it goes on.
    """
    home = {HOME_VARIABLE: str(paths.home)}
    roots = [*processes.find(FLEET, home), *processes.find(ports.EMULATOR, home)]
    cloud = Cloud.read(paths)
    if cloud is not None:
        roots += [p for p in (cloud.fleet, cloud.emulator) if p is not None and p not in roots]
    if spare is not None:
        kept = processes.family(spare)
        roots = [p for p in roots if p not in kept]
    ran = any(p.alive() for p in roots)
    for process in roots:  # machines first: their ends are still recorded
        processes.stop([process])
    return ran


def _delete(folder: Path) -> None:
    """Delete a tree in which scripts may have left folders without write permission."""

    def loosen(function: Any, path: str, error: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, onerror=None)
        else:
            os.unlink(path)

    shutil.rmtree(folder, onerror=loosen)
