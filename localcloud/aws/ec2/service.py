"""Puts our EC2 operations into MiniStack, and ends machines that no fleet takes care of."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.ec2 import (
    images,
    instances,
    launch,
    limits,
    records,
    snapshots,
    templates,
    types,
)
from localcloud.aws.protocol import ec2query
from localcloud.images.catalogue import BASE_IMAGES

Operation = Callable[[Context, dict[str, Any]], dict[str, Any]]

SHOW_TERMINATED_SECONDS = 60.0

OPERATIONS: dict[str, Operation] = {
    "RunInstances": launch.run_instances,
    "DescribeInstances": instances.describe_instances,
    "DescribeInstanceStatus": instances.describe_instance_status,
    "DescribeInstanceAttribute": instances.describe_instance_attribute,
    "ModifyInstanceAttribute": instances.modify_instance_attribute,
    "TerminateInstances": instances.terminate_instances,
    "StopInstances": instances.stop_instances,
    "StartInstances": instances.start_instances,
    "GetConsoleOutput": instances.get_console_output,
    "DescribeImages": images.describe_images,
    "CreateImage": snapshots.create_image,
    "RegisterImage": images.register_image,
    "DeregisterImage": images.deregister_image,
    "DescribeInstanceTypes": types.describe_instance_types,
    "DescribeInstanceTypeOfferings": types.describe_instance_type_offerings,
    "DescribeSpotPriceHistory": types.describe_spot_price_history,
    "GetEbsDefaultKmsKeyId": limits.get_ebs_default_kms_key_id,
    "GetEbsEncryptionByDefault": limits.get_ebs_encryption_by_default,
    "CreateLaunchTemplate": templates.create_launch_template,
    "CreateLaunchTemplateVersion": templates.create_launch_template_version,
    "DescribeLaunchTemplates": templates.describe_launch_templates,
    "DescribeLaunchTemplateVersions": templates.describe_launch_template_versions,
    "ModifyLaunchTemplate": templates.modify_launch_template,
    "DeleteLaunchTemplate": templates.delete_launch_template,
    "DeleteLaunchTemplateVersions": templates.delete_launch_template_versions,
}
OWN_DRY_RUN = {"RunInstances", "TerminateInstances", "StopInstances", "StartInstances"}
"""Operations that check everything before they say that they would have succeeded."""
TAGGING = ("CreateTags", "DeleteTags")


def install(context: Context) -> None:
    """Replace MiniStack's handlers of :data:`OPERATIONS`; offer the base images and their public
    parameters.
    """
    for name, operation in OPERATIONS.items():
        hooks.ec2._ACTION_MAP[name] = functools.partial(_serve, context, name, operation)
    for name in TAGGING:
        hooks.ec2._ACTION_MAP[name] = functools.partial(_tag, context, hooks.ec2._ACTION_MAP[name])
    hooks.ec2._docker_touched = lambda: False  # our images are not containers
    hooks.ec2._cleanup_terminated = records.forget_old  # an hour, not a minute
    hooks.ec2._STUB_AMIS.clear()
    for image in BASE_IMAGES:
        for parameter in image.ssm_parameters:
            hooks.ssm._PUBLIC_AMI_PARAMETERS[parameter] = image.image_id
    context.admin.operations[("POST", "instances")] = functools.partial(_report, context)
    context.admin.operations[("POST", "images")] = functools.partial(snapshots.report, context)


def _serve(context: Context, name: str, operation: Operation, params: dict[str, Any]) -> hooks.Reply:
    try:
        request = ec2query.parse(name, params)
        if request.get("DryRun") and name not in OWN_DRY_RUN:
            raise ec2query.Ec2Error(
                "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412
            )
        return ec2query.render(name, operation(context, request))
    except ec2query.Ec2Error as error:
        return error.reply()


def _tag(context: Context, original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    reply = original(params)
    context.store.touch()  # the metadata service of a running machine shows its tags
    return reply


async def _report(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """POST instances: what the fleet says about a machine."""
    wanted, state = request["id"], request["state"]
    if state not in records.CODES:
        raise AdminError(400, f"{state!r} is not a state of an instance. States: {', '.join(records.CODES)}.")
    for account, region, record in records.everywhere():
        if record["InstanceId"] == wanted:
            reason = request.get("reason") or {}
            if not reason and state in ("shutting-down", "stopping"):
                code = "Client.InstanceInitiatedShutdown"
                reason = {"code": code, "message": f"{code}: Instance initiated shutdown"}
            with hooks.scope(account, region):
                moved = records.set_state(
                    context, record, state, reason.get("code", ""), reason.get("message", "")
                )
            return {"state": record["State"]["Name"], "moved": moved}
    raise AdminError(404, f"There is no instance {wanted}.")


def fleet_view(seconds: float = SHOW_TERMINATED_SECONDS) -> list[dict[str, Any]]:
    """All instances that the fleet should know, those that ended within ``seconds`` included."""

    limit = time.time() - seconds
    return [
        records.for_fleet(account, region, record)
        for account, region, record in records.everywhere()
        if not record["_local"].get("fate")  # it never starts
        and (record["State"]["Name"] != "terminated" or record.get("_terminated_at", 0) > limit)
    ]


def finish_without_fleet(context: Context) -> None:
    """Complete what is stopping or shutting down."""
    for account, region, record in list(records.everywhere()):
        final = {"shutting-down": "terminated", "stopping": "stopped"}.get(record["State"]["Name"])
        if final:
            with hooks.scope(account, region):
                records.set_state(context, record, final)
