"""AWS takes spot machines back: a notice first, the end some time later (EC2 user guide, "Spot Instance
interruptions").

``POST /_localcloud/reclaim`` with ``{"id", "seconds"}`` does that with a running spot machine: its metadata
service and an event say so at once, and after ``seconds`` (120, as on AWS) it is terminated.
"""

from __future__ import annotations

import functools
import json
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records

NOTICE_SECONDS = 120.0
REASON = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination")


def install(context: Context) -> None:
    context.admin.operations[("POST", "reclaim")] = functools.partial(_reclaim, context)


def end_due(context: Context) -> None:
    """Terminate the machines whose notice is over."""
    for account, region, record in list(records.everywhere()):
        if record["_local"].get("reclaim_at", float("inf")) <= time.time() and record["State"]["Name"] in (
            "pending",
            "running",
        ):
            with hooks.scope(account, region):
                records.set_state(context, record, "shutting-down", *REASON)


async def _reclaim(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    wanted, seconds = request["id"], float(request.get("seconds", NOTICE_SECONDS))
    for account, region, record in records.everywhere():
        if record["InstanceId"] == wanted:
            state = record["State"]["Name"]
            if state != "running" or record.get("InstanceLifecycle") != "spot":
                kind = record.get("InstanceLifecycle", "on-demand")
                raise AdminError(
                    400,
                    f"{wanted} is a machine of the market {kind} and {state}. AWS takes "
                    "back spot machines that run.",
                )
            record["_local"]["reclaim_at"] = time.time() + seconds
            with hooks.scope(account, region):
                _warn(wanted)
            context.changed("ec2")
            return {"id": wanted, "time": records.reclaim_time(record)}
    raise AdminError(404, f"There is no instance {wanted}.")


def _warn(instance_id: str) -> None:
    """The event that goes with the notice (EventBridge, "EC2 Spot Instance Interruption Warning")."""
    hooks.emit_event(
        "aws.ec2",
        "EC2 Spot Instance Interruption Warning",
        json.dumps({"instance-id": instance_id, "instance-action": "terminate"}),
        [f"arn:aws:ec2:{hooks.region()}:{hooks.account()}:instance/{instance_id}"],
        str(uuid.uuid4()),
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
