"""`invoke dev.*`, `invoke ssh`, `invoke print-key`: development instances from the command line. Each is a
line over NeuroCaaSAMI.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from neurocaas.protocol.lines import to_stdout

if TYPE_CHECKING:
    from image_builder.develop_blueprint import NeuroCaaSAMI

Shell = Callable[[str, str], int | None]
"""A shell (or, with a second argument that is not empty, one command line) in the machine of that id, when it
is one of this computer:
its exit status; None when the machine is elsewhere."""

_ANALYSIS = {"analysis": "The analysis's name: a folder of blueprints/."}
_JSON = {"json": "One JSON object on standard output; messages go to standard error."}
_INDEX = {"index": "Which test job: 0 is the first; -1, the default, the most recent."}


@task(
    help={
        **_ANALYSIS,
        **_JSON,
        "ami": (
            "An id (ami-…), or ubuntu22, ubuntu24, dlami22, dlami24. Default: the image that the blueprint "
            "records, else its parent."
        ),
        "volume_size": "GiB of the disk; default: the blueprint's volume_gib.",
        "timeout": "Minutes after which the instance is stopped (its disk stays).",
        "dry_run": "Check everything, start nothing.",
    }
)
def launch(
    c: Context,
    analysis: str,
    ami: str = "",
    volume_size: int = 0,
    timeout: int = 60,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Start a development instance: a machine with your image's system, to try things on.

    One for each developer and analysis.
    """
    devami = _open(analysis, json)
    instance = devami.launch_devinstance(ami or None, volume_size or None, timeout, DryRun=dry_run)
    if json:
        _dump({"InstanceId": instance, "ip": devami.ip})


@task(help={**_ANALYSIS, **_JSON})
def state(c: Context, analysis: str, json: bool = False) -> None:
    """Show the development instance: its id, state, address and lifetime."""
    devami = _open(analysis, json)
    found = devami.get_instance_state()
    if json:
        _dump(found)
    elif found:
        to_stdout(f"{found['InstanceId']}  {found['Name']}  {found['ip'] or 'no address'}")
        devami.get_lifetime()


@task(help=_ANALYSIS)
def lifetime(c: Context, analysis: str) -> None:
    """Show how long the instance has been on, and when it will be stopped."""
    _declared(_open(analysis)).get_lifetime()


@task(help={**_ANALYSIS, "minutes": "Minutes to add to the timeout."})
def extend(c: Context, analysis: str, minutes: int = 60) -> None:
    """Give the instance more time."""
    _declared(_open(analysis)).extend_lifetime(minutes)


@task(help={**_ANALYSIS, "instance": "The id (i-…) of an instance of yours."})
def assign(c: Context, analysis: str, instance: str) -> None:
    """Work on an instance that exists, in place of the one that this computer remembers."""
    devami = _open(analysis)
    devami.assign_instance(instance)
    to_stdout(f"{instance}  {devami.ip or 'no address: it does not run'}")


@task(
    name="change-owner",
    help={
        **_ANALYSIS,
        "owner": "ARN of the developer who takes it over.",
        "yes": "Do it; without this, only check.",
    },
)
def change_owner(c: Context, analysis: str, owner: str, yes: bool = False) -> None:
    """Hand the instance over to another developer."""
    _declared(_open(analysis)).change_owner(owner, DryRun=not yes)


@task(help=_ANALYSIS)
def ip(c: Context, analysis: str) -> None:
    """Print the address of the running instance."""
    from image_builder.dev.errors import DevelopmentError

    devami = _declared(_open(analysis))
    if not devami.ip:
        raise DevelopmentError(
            f"instance {devami.instance} has no address", "one that runs", f"`invoke dev.start {analysis}`"
        )
    to_stdout(devami.ip)


@task(help={**_ANALYSIS, "timeout": "Minutes after which it is stopped again."})
def start(c: Context, analysis: str, timeout: int = 60) -> None:
    """Start the stopped instance again, with a new timeout."""
    _declared(_open(analysis)).start_devinstance(timeout)


@task(help=_ANALYSIS)
def stop(c: Context, analysis: str) -> None:
    """Switch the instance off. Its disk stays (and costs a little); `dev.start` goes on with it."""
    _declared(_open(analysis)).stop_devinstance()


@task(help={**_ANALYSIS, "force": "Do not ask, even when no image was made of the work on it."})
def terminate(c: Context, analysis: str, force: bool = False) -> None:
    """End the instance and delete its disk. Asks when no image was made of it."""
    if _declared(_open(analysis)).terminate_devinstance(force).endswith("No state change."):
        raise Exit(code=1)


@task(name="create-ami", help={**_ANALYSIS, "name": "Name of the image."})
def create_ami(c: Context, analysis: str, name: str) -> None:
    """Make an image of the instance's disk as it is.

    Better: record provisioning scripts and bake them (`invoke bake-ami`).
    """
    _declared(_open(analysis)).create_devami(name)


@task(
    name="update-blueprint",
    help={
        **_ANALYSIS,
        "ami": "Id of an image; default: the last one made with dev.create-ami.",
        "message": "Why; it goes into both commits.",
    },
)
def update_blueprint(c: Context, analysis: str, ami: str = "", message: str = "") -> None:
    """Write an image into the blueprint, between two git commits of that file alone."""
    _open(analysis).update_blueprint(ami or None, message or None)


@task(help={**_ANALYSIS, **_JSON, "submit_file": "A submit.json: dataname, configname, timestamp."})
def submit(c: Context, analysis: str, submit_file: str, json: bool = False) -> None:
    """Test the image: run a submission on the instance, with the manager's command line."""
    job = _open(analysis, json).submit_job(submit_file)
    if json:
        _dump(job)


@task(help={**_ANALYSIS, **_JSON, **_INDEX})
def status(c: Context, analysis: str, index: int = -1, json: bool = False) -> None:
    """Show the status of a test job: Pending, InProgress, Success, Failed …"""
    found = _indexed(_open(analysis, json).job_status, index)
    if json:
        _dump({"index": index, "status": found})


@task(help={**_ANALYSIS, **_JSON, **_INDEX})
def output(c: Context, analysis: str, index: int = -1, json: bool = False) -> None:
    """Show what a test job wrote on its standard output and standard error."""
    found = _indexed(_open(analysis, json).job_output, index)
    if json:
        _dump(found)


@task(
    name="print-key",
    help={
        "out": "The file to make, outside version control, for instance ~/.ssh/neurocaas.pem.",
        "region": "Region of the stack `utils`; default: that of its outputs.",
    },
)
def print_key(c: Context, out: str, region: str = "") -> None:
    """Write the developers' private SSH key to a new file that only you can read (mode 0400)."""
    import boto3

    from account.secret_file import new_file
    from image_builder.commands import stack_outputs
    from image_builder.dev import access

    path = new_file(out)
    utils = stack_outputs(_root(), "utils")
    access.write_key(
        path,
        utils["private_key_parameter"],
        boto3.Session(region_name=region or utils["region"]).client("ssm"),
    )
    to_stdout(f"{path}")


def access_commands(shell: Shell) -> Collection:
    """`ssh` and `print-key`. `shell` enters a machine of this computer."""

    @task(
        help={
            **_ANALYSIS,
            "command": "One command line, in place of a shell.",
            "key": (
                "Private key file (invoke print-key): use SSH, with port 22 open to this computer's address "
                "while it runs."
            ),
            "user": "User to log in as with --key; some images want ec2-user or root.",
            "address": "With --key: the range to open port 22 for, in place of this computer's address.",
        }
    )
    def ssh(
        c: Context, analysis: str, command: str = "", key: str = "", user: str = "ubuntu", address: str = ""
    ) -> None:
        """A shell on the development instance: through SSM (no open port), or with --key through SSH."""
        from image_builder.dev import access

        devami = _declared(_open(analysis, quiet=True))
        if not devami.check_running():
            raise Exit(
                f"error: instance {devami.instance} does not run\n  do: `invoke dev.start {analysis}`", code=1
            )
        devami.touched()
        code = shell(str(devami.instance), command)
        if code is None and key:
            devami.open_ssh(address or None)
            try:
                code = access.over_ssh(Path(key), user, str(devami.ip), command)
            finally:
                devami.close_ssh()
        if code is None:
            code = access.over_ssm(str(devami.instance), command)
        raise Exit(code=code)

    made = Collection()
    for command in (ssh, print_key):
        made.add_task(command)
    return made


def collection() -> Collection:
    """The collection `dev`."""
    every: list[Any] = [
        launch, state, lifetime, extend, assign, change_owner, ip, start, stop, terminate,
        create_ami, update_blueprint, submit, status, output,
    ]  # fmt: skip
    made = Collection("dev")
    for command in every:
        made.add_task(command)
    return made


def _open(analysis: str, quiet: bool = False) -> NeuroCaaSAMI:
    from image_builder.develop_blueprint import NeuroCaaSAMI

    return NeuroCaaSAMI(
        _root() / "blueprints" / analysis, say=(lambda text: sys.stderr.write(text + "\n")) if quiet else None
    )


def _declared(devami: NeuroCaaSAMI) -> NeuroCaaSAMI:
    """The console, when it has an instance."""
    from image_builder.dev.errors import DevelopmentError

    if not devami.refresh():
        raise DevelopmentError(
            f"no development instance of '{devami.analysis}'",
            "one that was launched",
            f"`invoke dev.launch {devami.analysis}`",
        )
    return devami


def _indexed(call: Callable[[int], Any], index: int) -> Any:
    from image_builder.dev.errors import DevelopmentError

    try:
        return call(index)
    except IndexError as error:
        what, _, allowed = str(error).partition("; allowed: ")
        raise DevelopmentError(what, allowed, "`invoke dev.submit` starts a test job") from None


def _dump(value: Any) -> None:
    from image_builder.dev.testing import dumps

    sys.stdout.write(dumps(value))


def _root() -> Path:
    return Path(__file__).resolve().parents[2]
