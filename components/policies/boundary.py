"""The permissions boundary: the most that any role of the program can ever have.

What a role really has is the intersection with its own policy. Nothing in here touches IAM but PassRole, and
no role can be taken but the monitor's writers, which are under the same boundary: so no role can widen itself
or another, and nothing reaches services that the program does not use.
"""

from __future__ import annotations

from checks.unscoped import UNSCOPED
from components.names import PREFIX
from components.place import Place
from components.policies.document import Policy, allow, allow_elsewhere, allow_own, allow_unscoped, document
from components.policies.manager import BUDGET_PARAMETERS
from components.policies.monitor import WRITER_PATH
from components.policies.volumes import sealed_volumes
from neurocaas.protocol import members
from neurocaas.protocol.budget_parameters import LIMIT


def boundary(place: Place) -> Policy:
    """At most 6,144 characters (IAM's limit for a managed policy), whatever analyses there are."""
    return document(
        # What a role may do in an outside bucket that a blueprint registers, which its own policy names
        # (`policies.outside`). Which these are is not known here: the boundary is older than the blueprint.
        allow_elsewhere(
            "Objects", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], [place.objects("*", "*")]
        ),
        allow_elsewhere("Lists", ["s3:ListBucket"], [place.bucket("*")]),
        allow_own(
            place,
            "OwnObjects",
            ["s3:GetObjectVersion", "s3:DeleteObject", "s3:ListMultipartUploadParts"],
            [place.objects("*", "*")],
        ),
        allow_own(place, "OwnVersions", ["s3:ListBucketVersions"], [place.bucket("*")]),
        allow(
            "Queues",
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
                "sqs:SendMessage",
            ],
            [place.arn("sqs", f"{PREFIX}-*")],
        ),
        allow("Notices", ["sns:Publish"], [place.arn("sns", f"{PREFIX}-*")]),
        allow(
            "Ledger",
            [
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:PutItem",
                "dynamodb:ConditionCheckItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:Query",
            ],
            [place.arn("dynamodb", f"table/{PREFIX}-*")],
        ),
        allow(
            "Logs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [
                place.arn("logs", f"log-group:/aws/lambda/{PREFIX}-*"),
                place.arn("logs", "log-group:/aws/imagebuilder/*"),
            ],
        ),
        allow(
            "Machines",
            ["ec2:RunInstances", "ec2:CreateTags", "ec2:StopInstances", "ec2:TerminateInstances"],
            [
                place.arn("ec2", "*"),
                place.shared_arn("ec2", "subnet/*"),
                place.public_arn("ec2", "image/*"),
                place.public_arn("ec2", "snapshot/*"),
            ],
        ),
        allow(
            "PassMachineRoles",
            ["iam:PassRole"],
            [place.global_arn("iam", f"role/{PREFIX}/*")],
            {"StringEquals": {"iam:PassedToService": place.principal("ec2")}},
        ),
        allow("Writers", ["sts:AssumeRole"], [place.global_arn("iam", f"role{WRITER_PATH}*")]),
        allow(
            "Images",
            [
                "ec2:DeregisterImage",
                "ec2:DisableImage",
                "ec2:EnableImage",
                "ec2:EnableImageDeprecation",
                "ec2:DisableImageDeprecation",
                "ec2:DescribeImageAttribute",
                "ec2:DeleteSnapshot",
                "ec2:DeleteTags",
            ],
            [place.public_arn("ec2", "image/*"), place.public_arn("ec2", "snapshot/*")],
        ),
        allow("Components", ["imagebuilder:GetComponent"], [place.arn("imagebuilder", "component/*")]),
        allow("BuiltImages", ["imagebuilder:DeleteImage"], [place.arn("imagebuilder", "image/*")]),
        allow("Keys", ["kms:Decrypt", "kms:GenerateDataKey"], [place.arn("kms", "key/*")]),
        *sealed_volumes(place),
        allow(
            "Parameters",
            ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            [place.arn("ssm", f"parameter/{PREFIX}/*"), place.public_arn("ssm", "parameter/aws/service/*")],
        ),
        allow(
            "Limits",
            ["ssm:PutParameter", "ssm:DeleteParameter"],
            [
                place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/*/{LIMIT}"),
                place.arn("ssm", f"parameter{members.changes_parameter('*')}"),
            ],
        ),
        allow(
            "Agent",
            ["ssm:UpdateInstanceInformation"],
            [place.arn("ec2", "instance/*"), place.arn("ssm", "managed-instance/*")],
        ),
        # What the developers' role may do on held machines.
        allow(
            "Shells",
            ["ssm:StartSession", "ssm:ResumeSession", "ssm:TerminateSession"],
            [
                place.arn("ec2", "instance/*"),
                place.arn("ssm", "document/SSM-SessionManagerRunShell"),
                place.public_arn("ssm", "document/AWS-StartNonInteractiveCommand"),
                place.arn("ssm", "session/*"),
            ],
        ),
        allow_unscoped("Unscoped", list(UNSCOPED)),
    )
