"""`invoke hold.*`: the machines that stay after a failure (`on_failure: hold 30m` of a blueprint), for who
develops the analysis.

Which machines are held is what EC2 says of their tag, which only the service sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from image_builder.dev.errors import DevelopmentError
from neurocaas.protocol.hold import TAG
from neurocaas.protocol.lines import say, to_stderr, to_stdout
from neurocaas.protocol.tags import ANALYSIS, GROUP, JOB

Shell = Callable[[str, str], int | None]


@dataclass(frozen=True)
class HeldMachine:
    """`until` ISO 8601."""

    instance: str
    analysis: str
    group: str
    job: str
    until: str
    instance_type: str

    def line(self) -> str:
        return (
            f"{self.instance}  {self.instance_type}  until {self.until}  job {self.job} of {self.group} in "
            f"{self.analysis}"
        )


def held_machines(ec2: Any) -> list[HeldMachine]:
    """Those of this account and region, the first to go first."""
    wanted = [
        {"Name": "tag-key", "Values": [TAG]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    found = []
    for page in ec2.get_paginator("describe_instances").paginate(Filters=wanted):
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}
                analysis, group, job, until = (tags.get(name, "") for name in (ANALYSIS, GROUP, JOB, TAG))
                found.append(HeldMachine(one["InstanceId"], analysis, group, job, until, one["InstanceType"]))
    return sorted(found, key=lambda one: (one.until, one.instance))


def chosen(ec2: Any, machine: str) -> HeldMachine:
    """The held machine of that id, or of that job. Raises DevelopmentError."""
    every = held_machines(ec2)
    fitting = [one for one in every if machine in (one.instance, one.job)]
    if len(fitting) != 1:
        there = ", ".join(f"{one.instance} (job {one.job})" for one in every[:10]) or "none is held now"
        what = "several machines of" if fitting else "no held machine or job"
        raise DevelopmentError(
            f"{what} {machine!r}",
            f"the id of a held machine, or of its job where that has one: {there}",
            "`invoke hold.list` shows them; blueprints that say `on_failure: hold 30m` have some",
        )
    return fitting[0]


def collection(shell: Shell) -> Collection:
    """The collection `hold`. `shell` enters a machine of this computer."""

    @task(name="list", help={"json": "One JSON document."})
    def list_(c: Context, json: bool = False) -> None:
        """Show the machines that stay after a failure, and until when."""
        every = held_machines(_ec2())
        if json:
            from json import dumps

            to_stdout(dumps([asdict(one) for one in every], indent=2))
            return
        for one in every:
            say(one.line())
        if not every:
            to_stderr("no machine is held")

    @task(
        name="shell",
        help={
            "machine": "Its id (i-…), or its job where one of its machines is held.",
            "command": "One command line instead of a shell.",
        },
    )
    def shell_(c: Context, machine: str, command: str = "") -> None:
        """Open a shell on a machine that stays after a failure: through SSM (no open port).

        Its script's files are as they were: $NEUROCAAS_OUTPUT, $CHECKPOINT_DIR and the logs.
        """
        from image_builder.dev import access

        one = chosen(_ec2(), machine)
        to_stderr(f"{one.line()}; `invoke hold.release --machine {one.instance}` ends it")
        code = shell(one.instance, command)
        raise Exit(code=access.over_ssm(one.instance, command) if code is None else code)

    @task(help={"machine": "Its id (i-…), or its job where one of its machines is held."})
    def release(c: Context, machine: str) -> None:
        """End a machine that stays after a failure, before its time: from now on it costs nothing."""
        ec2 = _ec2()
        one = chosen(ec2, machine)
        ec2.terminate_instances(InstanceIds=[one.instance])
        say(f"{one.instance} ends; what its hold has cost is settled within minutes")

    made = Collection("hold")
    every: list[Any] = [list_, shell_, release]
    for one in every:
        made.add_task(one)
    return made


def _ec2() -> Any:
    import boto3

    return boto3.client("ec2")
