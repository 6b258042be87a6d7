"""Describe, start, stop, terminate, attributes, console."""

from __future__ import annotations

import base64
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import limits, records
from localcloud.aws.ec2.filters import Values, matches, page
from localcloud.aws.protocol.ec2query import Ec2Error

CONSOLE_BYTES = 65536
BY_USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")

FILTERS: dict[str, Values] = {
    "instance-id": lambda r: [r["InstanceId"]],
    "instance-state-name": lambda r: [r["State"]["Name"]],
    "instance-state-code": lambda r: [r["State"]["Code"]],
    "instance-type": lambda r: [r["InstanceType"]],
    "image-id": lambda r: [r["ImageId"]],
    "client-token": lambda r: [r.get("ClientToken")],
    "reservation-id": lambda r: [r["_local"]["reservation_id"]],
    "launch-index": lambda r: [r["AmiLaunchIndex"]],
    "launch-time": lambda r: [r["LaunchTime"]],
    "key-name": lambda r: [r.get("KeyName")],
    "availability-zone": lambda r: [r["Placement"]["AvailabilityZone"]],
    "subnet-id": lambda r: [r["SubnetId"]],
    "vpc-id": lambda r: [r["VpcId"]],
    "private-ip-address": lambda r: [r["PrivateIpAddress"]],
    "private-dns-name": lambda r: [r["PrivateDnsName"]],
    "iam-instance-profile.arn": lambda r: [(r.get("IamInstanceProfile") or {}).get("Arn")],
    "iam-instance-profile.id": lambda r: [(r.get("IamInstanceProfile") or {}).get("Id")],
    "instance.group-id": lambda r: [g["GroupId"] for g in r["SecurityGroups"]],
    "instance.group-name": lambda r: [g["GroupName"] for g in r["SecurityGroups"]],
    "architecture": lambda r: [r["Architecture"]],
    "owner-id": lambda r: [hooks.account()],
    "root-device-name": lambda r: [r["RootDeviceName"]],
    "root-device-type": lambda r: [r["RootDeviceType"]],
    "state-reason-code": lambda r: [r.get("StateReason", {}).get("Code")],
    "instance-lifecycle": lambda r: [r.get("InstanceLifecycle")],
    "metadata-options.http-tokens": lambda r: [r["MetadataOptions"]["HttpTokens"]],
}

STATUS_FILTERS: dict[str, Values] = {
    name: FILTERS[name] for name in ("availability-zone", "instance-state-name", "instance-state-code")
} | {
    f"{kind}-status.{what}": lambda r, good=good: [
        good if r["State"]["Name"] == "running" else "not-applicable"
    ]
    for kind in ("system", "instance")
    for what, good in (("status", "ok"), ("reachability", "passed"))
}
"""Of DescribeInstanceStatus. Machines here are never impaired."""


def _chosen(request: dict[str, Any], names: dict[str, Values]) -> list[dict[str, Any]]:
    records.forget_old()
    wanted = request.get("InstanceIds", [])
    found = (
        [records.find(identifier) for identifier in wanted] if wanted else list(records.instances().values())
    )
    return [r for r in found if matches(r, records.tags(r["InstanceId"]), request.get("Filters", []), names)]


def describe_instances(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstances: instances in their reservations; terminated ones for an hour."""
    items, token = page(_chosen(request, FILTERS), request)
    reservations: dict[str, list[dict[str, Any]]] = {}
    for record in items:
        reservations.setdefault(record["_local"]["reservation_id"], []).append(records.shown(record))
    shown = [
        {"ReservationId": r, "OwnerId": hooks.account(), "Groups": [], "Instances": i}
        for r, i in reservations.items()
    ]
    return {"Reservations": shown, "NextToken": token}


def describe_instance_status(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstanceStatus: running ones unless IncludeAllInstances."""
    chosen = [
        r
        for r in _chosen(request, STATUS_FILTERS)
        if request.get("IncludeAllInstances") or r["State"]["Name"] == "running"
    ]
    items, token = page(chosen, request)
    statuses = []
    for record in items:
        state = "ok" if record["State"]["Name"] == "running" else "not-applicable"
        detail = {
            "Status": state,
            "Details": [{"Name": "reachability", "Status": "passed"}] if state == "ok" else [],
        }
        statuses.append(
            {
                "InstanceId": record["InstanceId"],
                "AvailabilityZone": record["Placement"]["AvailabilityZone"],
                "InstanceState": record["State"],
                "InstanceStatus": detail,
                "SystemStatus": detail,
            }
        )
    return {"InstanceStatuses": statuses, "NextToken": token}


def describe_instance_attribute(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstanceAttribute."""
    record = records.find(request.get("InstanceId", ""))
    local, attribute = record["_local"], request.get("Attribute", "")
    values: dict[str, Any] = {
        "userData": ("UserData", {"Value": local["user_data"]} if local["user_data"] else {}),
        "instanceInitiatedShutdownBehavior": (
            "InstanceInitiatedShutdownBehavior",
            {"Value": local["shutdown_behavior"]},
        ),
        "disableApiTermination": ("DisableApiTermination", {"Value": local["disable_api_termination"]}),
        "instanceType": ("InstanceType", {"Value": record["InstanceType"]}),
        "rootDeviceName": ("RootDeviceName", {"Value": record["RootDeviceName"]}),
        "blockDeviceMapping": ("BlockDeviceMappings", record["BlockDeviceMappings"]),
        "sourceDestCheck": ("SourceDestCheck", {"Value": record["SourceDestCheck"]}),
        "groupSet": ("Groups", record["SecurityGroups"]),
        "ebsOptimized": ("EbsOptimized", {"Value": record["EbsOptimized"]}),
        "enaSupport": ("EnaSupport", {"Value": True}),
        "sriovNetSupport": ("SriovNetSupport", {"Value": "simple"}),
    }
    if attribute not in values:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.",
        )
    member, value = values[attribute]
    return {"InstanceId": record["InstanceId"], member: value}


def modify_instance_attribute(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """ModifyInstanceAttribute: shutdown behaviour, termination protection, and, of a stopped instance, type
    and user data.
    """
    record = records.find(request.get("InstanceId", ""))
    local = record["_local"]
    if "InstanceInitiatedShutdownBehavior" in request:
        local["shutdown_behavior"] = request["InstanceInitiatedShutdownBehavior"].get("Value", "stop")
    if "DisableApiTermination" in request:
        local["disable_api_termination"] = bool(request["DisableApiTermination"].get("Value"))
    if ("InstanceType" in request or "UserData" in request) and record["State"]["Name"] != "stopped":
        raise Ec2Error(
            "IncorrectInstanceState", f"The instance '{record['InstanceId']}' is not in the 'stopped' state."
        )
    if "InstanceType" in request:
        record["InstanceType"] = request["InstanceType"].get("Value", record["InstanceType"])
    if "UserData" in request:
        local["user_data"] = request["UserData"].get("Value", "")
    context.changed("ec2")
    return {}


def _move(
    context: Context, request: dict[str, Any], state: str, legal: tuple[str, ...], final: str, member: str
) -> dict[str, Any]:
    """Move all named instances or none. ``final``: the state in which nothing is left to do."""
    chosen = [records.find(identifier) for identifier in request.get("InstanceIds", [])]
    if not chosen:
        raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceId")
    for record in chosen:
        name = record["State"]["Name"]
        if name not in (*legal, state, final):
            raise Ec2Error(
                "IncorrectInstanceState",
                f"The instance '{record['InstanceId']}' is {name}, which does not allow this.",
            )
        if state == "shutting-down" and record["_local"]["disable_api_termination"]:
            raise Ec2Error(
                "OperationNotPermitted",
                f"The instance '{record['InstanceId']}' may not be terminated. "
                "Modify its 'disableApiTermination' instance attribute and try again.",
            )
    if request.get("DryRun"):
        raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    changes = []
    for record in chosen:
        before = dict(record["State"])
        code, message = BY_USER if state in ("shutting-down", "stopping") else ("", "")
        records.set_state(context, record, state, code, message, by_user=bool(code))
        changes.append(
            {
                "InstanceId": record["InstanceId"],
                "PreviousState": before,
                "CurrentState": dict(record["State"]),
            }
        )
    return {member: changes}


def terminate_instances(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """TerminateInstances; the fleet reports the end."""
    return _move(
        context,
        request,
        "shutting-down",
        ("pending", "running", "stopping", "stopped"),
        "terminated",
        "TerminatingInstances",
    )


def stop_instances(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """StopInstances; the fleet reports the end."""
    return _move(context, request, "stopping", ("pending", "running"), "stopped", "StoppingInstances")


def start_instances(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """StartInstances; the fleet boots it again."""
    answer = _move(context, request, "pending", ("stopped",), "running", "StartingInstances")
    for identifier in request["InstanceIds"]:
        limits.decide(context, records.find(identifier), "stopped")
    return answer


def get_console_output(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """GetConsoleOutput: the last 64 KB of what the machine wrote."""
    record = records.find(request.get("InstanceId", ""))
    file = context.settings.paths.console(record["InstanceId"])
    text = b""
    if file.exists():
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - CONSOLE_BYTES))
            text = log.read()
    return {
        "InstanceId": record["InstanceId"],
        "Timestamp": records.now(),
        "Output": base64.b64encode(text).decode(),
    }
