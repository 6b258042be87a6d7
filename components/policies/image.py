"""Machines that build images, and the service that retires images.

Our own wording of the managed policies EC2InstanceProfileForImageBuilder, AmazonSSMManagedInstanceCore and
EC2ImageBuilderLifecycleExecutionPolicy (AWS Managed Policy Reference), without what baking here does not use.
"""

from __future__ import annotations

from components.place import Place
from components.policies.document import Policy, allow, allow_elsewhere, allow_own, allow_unscoped, document
from components.policies.managed import managed_by_ssm
from image_builder.golden import ARCHIVE

_MADE_BY_IMAGE_BUILDER = {"StringEquals": {"aws:ResourceTag/CreatedBy": "EC2 Image Builder"}}


def build_machine(place: Place, *, artifact_bucket: str, log_bucket: str) -> Policy:
    return document(
        allow("ReadComponents", ["imagebuilder:GetComponent"], [place.arn("imagebuilder", "component/*")]),
        allow(
            "OpenComponents",
            ["kms:Decrypt"],
            [place.arn("kms", "key/*")],
            {
                "ForAnyValue:StringEquals": {
                    "kms:EncryptionContextKeys": "aws:imagebuilder:arn",
                    "aws:CalledVia": [place.principal("imagebuilder")],
                }
            },
        ),
        # The service's own buckets: its runner and managed components (user guide, "Prerequisites").
        allow_elsewhere("ReadRunner", ["s3:GetObject"], [place.objects("ec2imagebuilder*", "*")]),
        allow_own(place, "ReadScripts", ["s3:GetObject"], [place.objects(artifact_bucket, "provision/*")]),
        # For the golden test, which runs what the stack has deployed.
        allow_own(
            place,
            "ReadAnalysis",
            ["s3:GetObject"],
            [
                place.objects(artifact_bucket, "analyses/*/settings.json"),
                place.objects(artifact_bucket, f"analyses/*/{ARCHIVE}"),
                place.objects(artifact_bucket, "code/*"),
            ],
        ),
        allow_own(place, "KeepLogs", ["s3:PutObject"], [place.objects(log_bucket, "image-builder/*")]),
        allow(
            "WriteLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            [place.arn("logs", "log-group:/aws/imagebuilder/*")],
        ),
        *managed_by_ssm(
            place,
            "imagebuilder:GetMarketplaceResource",
            "ssm:ListAssociations",
            "ssm:PutConfigurePackageResult",
            "ssm:PutInventory",
        ),
    )


def lifecycle(place: Place) -> Policy:
    return document(
        allow(
            "RetireImages",
            [
                "ec2:DeregisterImage",
                "ec2:DisableImage",
                "ec2:EnableImage",
                "ec2:EnableImageDeprecation",
                "ec2:DisableImageDeprecation",
                "ec2:DescribeImageAttribute",
            ],
            [place.public_arn("ec2", "image/*")],
            _MADE_BY_IMAGE_BUILDER,
        ),
        allow(
            "DeleteSnapshots",
            ["ec2:DeleteSnapshot"],
            [place.public_arn("ec2", "snapshot/*")],
            _MADE_BY_IMAGE_BUILDER,
        ),
        # What it marks an image with before it goes.
        allow(
            "MarkImages",
            ["ec2:CreateTags", "ec2:DeleteTags"],
            [place.public_arn("ec2", "image/*"), place.public_arn("ec2", "snapshot/*")],
            {**_MADE_BY_IMAGE_BUILDER, "ForAllValues:StringEquals": {"aws:TagKeys": ["DeprecatedBy"]}},
        ),
        # The service's own record of an image, which it deletes with the AMI.
        allow("DeleteImages", ["imagebuilder:DeleteImage"], [place.arn("imagebuilder", "image/*")]),
        allow_unscoped("FindImages", ["ec2:DescribeImages", "tag:GetResources"]),
    )
