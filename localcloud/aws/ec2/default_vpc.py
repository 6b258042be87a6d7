"""An account without a default VPC, as landing zones make them.

MiniStack gives every account a VPC that is its default. Without one, that VPC and its subnets are ordinary
ones: whoever names them may use them, and what names no network is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.protocol import ec2query

NO_DEFAULT_VPC = (
    "VPCIdNotSpecified",
    "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
)
"""RunInstances without a subnet (aws/karpenter-provider-aws#7834)."""
NO_DEFAULT_VPC_FOR_GROUP = ("VPCIdNotSpecified", "No default VPC for this user")
"""CreateSecurityGroup without a VPC (aws/aws-cdk#3251)."""


def install(context: Context) -> None:
    """Make the networks of a request's account and region as the properties say, before it is served."""
    ensure_original = hooks.ec2._ensure_defaults_initialized

    def ensure() -> None:
        ensure_original()
        wanted = context.account.now.default_vpc
        default = hooks.ec2._vpcs.get(hooks.ec2._DEFAULT_VPC_ID)
        if default is not None and default.get("IsDefault") != wanted:
            default["IsDefault"] = wanted
            for subnet in hooks.ec2._subnets.values():
                if subnet["VpcId"] == default["VpcId"]:
                    subnet["DefaultForAz"] = wanted

    hooks.ec2._ensure_defaults_initialized = ensure
    hooks.ec2._ACTION_MAP["CreateSecurityGroup"] = functools.partial(
        _create_group, hooks.ec2._ACTION_MAP["CreateSecurityGroup"]
    )


def default_vpc() -> str | None:
    """The default VPC of the request's account and region, as the properties say now: also for a request
    of another service than EC2.
    """
    hooks.ec2._ensure_defaults_initialized()
    return next((vpc["VpcId"] for vpc in hooks.ec2._vpcs.values() if vpc.get("IsDefault")), None)


def _create_group(original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    """MiniStack puts a group that names no VPC into the one that it has made itself."""
    if not ec2query.parse("CreateSecurityGroup", params).get("VpcId"):
        vpc = default_vpc()
        if vpc is None:
            return ec2query.Ec2Error(*NO_DEFAULT_VPC_FOR_GROUP).reply()
        params = {**params, "VpcId": [vpc]}
    return original(params)
