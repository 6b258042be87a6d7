"""The commands of the local cloud as tasks of invoke, over :mod:`localcloud.cloud`."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.error
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from localcloud import cloud as cloud_module
from localcloud.cloud import Cloud, CloudError
from localcloud.paths import Paths, project_root
from localcloud.project import project
from localcloud.pulumi import environment as engine
from localcloud.pulumi.cli import CliUnavailable

StackNames = Callable[[], Iterable[str]]


def collection(stack_names: StackNames) -> Collection:
    """The collection ``local``. ``stack_names`` gives the stacks that ``up`` prepares where there is a Pulumi
    project; it is called when they are needed.
    """

    @task
    def up(context: Context) -> None:
        """Start the local cloud on 127.0.0.1 and prepare the Pulumi stacks.

        Does nothing when all runs already.
        """
        paths, root = Paths.find(), project_root()
        running = _or_exit(lambda: cloud_module.up(paths))
        if (root / "Pulumi.yaml").is_file():
            _or_exit(lambda: engine.prepare(paths, root, running, stack_names()))
        _say(
            f"The local cloud runs at {running.endpoint} (machines: {running.sandbox or 'unknown'}). "
            f"State: {paths.home}"
        )
        for note in cloud_module.notes(paths):
            _say(f"Note: {note}.")
        _say(f'To use it with pulumi, aws or boto3 in this shell:  eval "$({project().says("env")})"')

    @task
    def down(context: Context) -> None:
        """Stop the local cloud and everything that it started. All state is kept."""
        _say(
            "The local cloud is stopped."
            if _or_exit(lambda: cloud_module.down(Paths.find()))
            else "The local cloud was not running."
        )

    @task(help={"json": "one JSON object instead of a table"})
    def status(context: Context, json: bool = False) -> None:
        """Show what runs: endpoint, processes, machines, image builds, memory.

        Exit status 1 when it is not running.
        """
        found = cloud_module.status(Paths.find())
        _say(_json(found) if json else _table(found))
        if not found["running"]:
            raise Exit(code=1)

    @task(help={"yes": "do not ask"})
    def reset(context: Context, yes: bool = False) -> None:
        """Stop the local cloud and delete everything in it.

        Buckets, users, functions, machine images, logs, and the local stacks.
        """
        paths = Paths.find()
        _say(
            f"This deletes all that the local cloud in {paths.home} holds: buckets, users, functions, "
            "machine images, logs, local stacks."
        )
        if not yes and not _confirmed():
            raise Exit("Nothing was deleted.", code=1)
        for folder in _or_exit(lambda: cloud_module.reset(paths)):
            _say(f"deleted {folder}")

    @task(
        help={
            "what": "emulator, fleet, or the id of a machine (i-…): its console",
            "follow": "go on as it grows",
        }
    )
    def logs(context: Context, what: str, follow: bool = False) -> None:
        """Show a log of the local cloud: of the emulator, the fleet, or a machine."""
        paths = Paths.find()
        file = {"emulator": paths.emulator_log, "fleet": paths.fleet_log}.get(what)
        if file is None:
            file = paths.console(what)
            if "/" in what or not what.startswith("i-") or not file.exists():
                known = (
                    sorted(log.stem for log in paths.consoles.glob("i-*.log"))
                    if paths.consoles.is_dir()
                    else []
                )
                raise Exit(
                    f"There is no log of {what!r}. Logs: emulator, fleet, "
                    f"{', '.join(known[-10:]) or 'and no machine yet'}.",
                    code=1,
                )
        _show(file, follow)

    @task(
        help={
            "json": (
                "one JSON object instead of shell lines; an empty value means that the variable must not be "
                "set"
            )
        }
    )
    def env(context: Context, json: bool = False) -> None:
        """Print the environment of the local cloud for the shell: eval "$(localcloud env)"."""
        paths = Paths.find()
        running = Cloud.load(paths)
        if running is None:
            raise Exit(
                f"The local cloud is not running, so it has no environment. Start it: {project().says('up')}",
                code=1,
            )
        variables = engine.environment(paths, project_root(), running)
        _say(_json(variables) if json else shell_lines(variables))

    @task(
        help={
            "instance": "the id of a spot machine that runs (i-…)",
            "seconds": "from the notice to the end; on AWS 120",
        }
    )
    def reclaim(context: Context, instance: str, seconds: int = 120) -> None:
        """Take a spot machine back, as AWS does: the machine is told, and ends some time later."""
        running = Cloud.load(Paths.find())
        if running is None:
            raise Exit(
                f"The local cloud is not running, so it has no machine. Start it: {project().says('up')}",
                code=1,
            )
        try:
            told = running.admin("POST", "reclaim", {"id": instance, "seconds": seconds})
        except urllib.error.HTTPError as error:
            raise Exit(json.load(error)["error"], code=1) from error
        _say(f"{instance} ends at {told['time']}. Its metadata service says so now.")

    local = Collection("local")
    # invoke's own types say function or task, depending on the form of @task
    commands: list[Any] = [up, down, status, reset, logs, env, reclaim]
    for command in commands:
        command.__doc__ = command.__doc__.replace("$(localcloud env)", f"$({project().says('env')})")
        local.add_task(command)
    return local


def shell_lines(variables: dict[str, str]) -> str:
    """Lines for a POSIX shell that set the variables and unset those with an empty value."""
    return "\n".join(
        f"export {name}={shlex.quote(value)}" if value else f"unset {name}"
        for name, value in variables.items()
    )


def _or_exit(action: Callable[[], Any]) -> Any:
    """Errors that are for people end the command with their text; others are defects and show where they come
    from.
    """
    try:
        return action()
    except (CloudError, cloud_module.EmulatorMissing, CliUnavailable, engine.StackFileConflict) as error:
        raise Exit(str(error), code=1) from error


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        said = project().says("reset --yes")
        raise Exit(f"It is not asked for on a terminal, so it needs to be said: {said}", code=1)
    return input("Type 'yes' to go on: ").strip() == "yes"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _table(found: dict[str, Any]) -> str:
    if not found["running"]:
        return f"The local cloud in {found['home']} is not running. Start it: {project().says('up')}"

    def health(part: dict[str, Any]) -> str:
        return (
            "not started"
            if part["pid"] is None
            else f"pid {part['pid']}, {'healthy' if part['healthy'] else 'not answering'}"
        )

    def counts(states: dict[str, int]) -> str:
        return ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"

    rows = [
        ("endpoint", found["endpoint"]),
        ("region, account", f"{found['region']}, {found['account']}"),
        ("emulator", health(found["emulator"])),
        ("fleet", health(found["fleet"])),
        ("machines are", found["sandbox"] or "unknown"),
        ("machines", counts(found.get("instances", {}))),
        ("image builds", counts(found.get("builds", {}))),
        ("memory", f"{found['memory_mib']} MiB"),
        ("since", found["started"]),
        ("state", found["home"]),
    ]
    rows += [("note", note) for note in found.get("notes", [])]
    return "\n".join(f"{name:<16} {value}" for name, value in rows)


def _show(file: Path, follow: bool) -> None:
    if follow:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(exist_ok=True)
        try:
            subprocess.run(["tail", "-n", "40", "-F", str(file)], check=False)
        except KeyboardInterrupt:
            return
    elif file.exists():
        with file.open("rb") as log:
            while block := log.read(1 << 16):
                os.write(sys.stdout.fileno(), block)
    else:
        _say(f"{file} does not exist yet.")
