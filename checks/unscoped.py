"""The few actions that cannot be tied to a resource."""

from __future__ import annotations

_AGENT = (
    "the SSM agent talks to endpoints that have no resource (Service Authorization Reference, Systems "
    "Manager)"
)
_DESCRIBE = "EC2 Describe* actions have no resource level (Service Authorization Reference, EC2)"
UNSCOPED: dict[str, str] = {
    "ec2:DescribeInstances": _DESCRIBE,
    "ec2:DescribeInstanceStatus": _DESCRIBE,
    "ec2:DescribeImages": _DESCRIBE,
    "ec2:DescribeSpotPriceHistory": _DESCRIBE,
    "ec2messages:AcknowledgeMessage": _AGENT,
    "ec2messages:DeleteMessage": _AGENT,
    "ec2messages:FailMessage": _AGENT,
    "ec2messages:GetEndpoint": _AGENT,
    "ec2messages:GetMessages": _AGENT,
    "ec2messages:SendReply": _AGENT,
    "imagebuilder:GetMarketplaceResource": "it names no resource of the account (EC2InstanceProfileForImageBuilder)",  # noqa: E501
    "ssm:ListAssociations": _AGENT,
    "ssm:PutInventory": _AGENT,
    "ssm:PutConfigurePackageResult": _AGENT,
    "ssmmessages:CreateControlChannel": _AGENT,
    "ssmmessages:CreateDataChannel": _AGENT,
    "ssmmessages:OpenControlChannel": _AGENT,
    "ssmmessages:OpenDataChannel": _AGENT,
    "sts:DecodeAuthorizationMessage": "it names no resource (Service Authorization Reference, STS)",
    "tag:GetResources": "the tagging API searches all resources (Service Authorization Reference, Tagging)",
}
"""Every action that a policy may allow on resource "*", with the reason."""
