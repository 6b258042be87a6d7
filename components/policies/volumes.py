"""Encrypted volumes in an account whose default key for EBS is a key of its own."""

from __future__ import annotations

from components.place import Place
from components.policies.document import Statement, allow


def sealed_volumes(place: Place) -> list[Statement]:
    """For who starts machines: EC2 asks KMS in the caller's name to make the volume's data key, and to let
    the machine use it (EC2 user guide, "Amazon EBS encryption": permissions for a customer managed key).

    Only through EC2, and a grant only for EC2 itself. With AWS's own key `aws/ebs` none of it is asked. The
    key may be another account's: that of a shared image, or one that an organisation shares.
    """
    keys, by_ec2 = [place.shared_arn("kms", "key/*")], {"kms:ViaService": place.host("ec2")}
    return [
        allow(
            "SealVolumes",
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            keys,
            {"StringEquals": by_ec2},
        ),
        allow(
            "GrantVolumes",
            ["kms:CreateGrant"],
            keys,
            {"StringEquals": by_ec2, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]
