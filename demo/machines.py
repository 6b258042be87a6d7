"""The machines of a finished job, as the administrator sees them: gone, with a compute report each."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from console.errors import UserError
from neurocaas.protocol.keys import report_key
from neurocaas.protocol.report import ComputeReport

PATIENCE = 30.0
"""Seconds that machines have to be gone, and their reports filed, after the job's end was announced."""


@dataclass
class MachinesEnd:
    """The filed compute reports and the images that the machines started from, both by instance id."""

    reports: dict[str, ComputeReport] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


def await_end(ec2: Any, s3: Any, bucket: str, group: str, instances: Sequence[str]) -> MachinesEnd:
    """Wait until every machine is terminated and its report is filed. Raises UserError when one outlives its
    job.
    """
    ended, wanted = MachinesEnd(), [one for one in instances if one]
    deadline = time.monotonic() + PATIENCE
    alive = list(wanted)
    while True:
        alive = [one for one in alive if not _is_gone(ec2, one, ended)]
        for instance in wanted:
            if instance not in ended.reports:
                report = _report(s3, bucket, report_key(group, instance))
                if report is not None:
                    ended.reports[instance] = report
        if not alive and len(ended.reports) == len(set(wanted)):
            return ended
        if time.monotonic() > deadline:
            if alive:
                raise UserError(
                    f"the job has ended, but its machines {', '.join(alive)} are still there after "
                    f"{PATIENCE:.0f} s",
                    "machines that end with their dataset",
                    f"read their console (`invoke local.logs {alive[0]}`), and end them with `invoke "
                    "local.down`",
                )
            return ended
        time.sleep(0.2)


def console_tail(ec2: Any, instance: str, lines: int = 20) -> list[str]:
    """The last lines of a machine's console; empty when it has none (any more)."""
    if not instance:
        return []
    try:
        return list(ec2.get_console_output(InstanceId=instance).get("Output", "").splitlines()[-lines:])
    except ClientError:
        return []


def clear(folder: Path) -> None:
    """Empty a results folder of an earlier run."""
    if folder.exists():
        shutil.rmtree(folder)


def _is_gone(ec2: Any, instance: str, ended: MachinesEnd) -> bool:
    try:
        found = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidInstanceID.NotFound":
            return True
        raise
    for reservation in found:
        for one in reservation["Instances"]:
            ended.images[instance] = one.get("ImageId", "")
            return bool(one["State"]["Name"] == "terminated")
    return True


def _report(s3: Any, bucket: str, key: str) -> ComputeReport | None:
    try:
        return ComputeReport.from_json(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
