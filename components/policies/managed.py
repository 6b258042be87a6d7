"""What makes a machine reachable through SSM."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies.document import Statement, allow, allow_unscoped


def managed_by_ssm(place: Place, *further: str) -> Sequence[Statement]:
    """The statements for a machine's agent of SSM, from the managed policy AmazonSSMManagedInstanceCore (AWS
    Managed Policy Reference). `further`: other actions that have no resource level."""
    return (
        allow(
            "BeManaged",
            ["ssm:UpdateInstanceInformation"],
            [place.arn("ec2", "instance/*"), place.arn("ssm", "managed-instance/*")],
        ),
        allow_unscoped(
            "TalkToService",
            [
                "ec2messages:AcknowledgeMessage",
                "ec2messages:DeleteMessage",
                "ec2messages:FailMessage",
                "ec2messages:GetEndpoint",
                "ec2messages:GetMessages",
                "ec2messages:SendReply",
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
                *further,
            ],
        ),
    )
