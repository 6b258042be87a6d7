"""A VPC endpoint keeps the policy that it is given, as EC2's does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from localcloud.aws import hooks
from localcloud.aws.protocol import ec2query

_POLICY = "PolicyDocument"


def install() -> None:
    """Wrap MiniStack's handlers: its own keep a policy only when it is changed, and tell none."""
    for name, handler in (("CreateVpcEndpoint", _create), ("ModifyVpcEndpoint", _modify)):
        hooks.ec2._ACTION_MAP[name] = functools.partial(handler, hooks.ec2._ACTION_MAP[name])
    hooks.ec2._vpce_fields_xml = functools.partial(_told, hooks.ec2._vpce_fields_xml)


def _create(original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    there = set(hooks.ec2._vpc_endpoints)
    reply = original(params)
    policy = ec2query.parse("CreateVpcEndpoint", params).get(_POLICY)
    for made in set(hooks.ec2._vpc_endpoints) - there:
        if policy:
            hooks.ec2._vpc_endpoints[made] = {**hooks.ec2._vpc_endpoints[made], _POLICY: policy}
    return reply


def _modify(original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    request = ec2query.parse("ModifyVpcEndpoint", params)
    if request.get("ResetPolicy"):
        hooks.ec2._vpc_endpoints.get(request.get("VpcEndpointId"), {}).pop(_POLICY, None)
    return original(params)


def _told(original: Callable[..., str], endpoint: dict[str, Any], tag: str = "item") -> str:
    text = original(endpoint, tag)
    policy, end = endpoint.get(_POLICY), f"</{tag}>"
    if not policy:
        return text
    return text.removesuffix(end) + f"<policyDocument>{escape(policy)}</policyDocument>{end}"
