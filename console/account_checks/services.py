"""What AWS's services keep in an account: the roles that they make for themselves, and their preferences."""

from __future__ import annotations

import json
from collections.abc import Iterator

from console.account_checks.asking import code
from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, unknown, warn
from console.account_checks.wanted import Wanted
from neurocaas.protocol.settings import ON_DEMAND

SPOT_ROLE = "AWSServiceRoleForEC2Spot"
IMAGE_BUILDER_ROLE = "AWSServiceRoleForImageBuilder"
PREFERENCES = "SSM-SessionManagerRunShell"
"""The document with the account's preferences ("Session Manager document schema")."""


def spot_role(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Nobody but an administrator may have it made; a manager that starts the first spot machine may not."""
    users = sorted({one.stack for one in wanted.blueprints if one.instance.market != ON_DEMAND})
    if wanted.stack and not users:
        return
    if _there(at, SPOT_ROLE):
        yield ok(f"{SPOT_ROLE} is there")
        return
    do = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com (once an account, free)"
    if users:
        yield fail(f"no {SPOT_ROLE}; spot is used by {', '.join(users)}", "that role", do)
    else:
        yield warn(f"no {SPOT_ROLE}; no blueprint uses spot", "that role, before one does", do)


def image_builder_role(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Image Builder makes it with the first pipeline, if who deploys may."""
    if _there(at, IMAGE_BUILDER_ROLE):
        yield ok(f"{IMAGE_BUILDER_ROLE} is there")
    else:
        yield ok(f"no {IMAGE_BUILDER_ROLE} yet: made with the first pipeline (iam:CreateServiceLinkedRole)")


def _there(at: At, role: str) -> bool:
    try:
        at.client("iam").get_role(RoleName=role)
    except Exception as error:
        if code(error) != "NoSuchEntity":
            raise
        return False
    return True


def sessions(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Preferences that a shell on a development machine needs rights for, which its role has not."""
    try:
        document = at.client("ssm").get_document(Name=PREFERENCES)["Content"]
    except Exception as error:
        if code(error) != "InvalidDocument":
            raise
        yield ok("none are set")
        return
    inputs = json.loads(document).get("inputs") or {}
    kept = {"kmsKeyId": "a KMS key", "s3BucketName": "an S3 bucket", "cloudWatchLogGroupName": "a log group"}
    used = [text for name, text in kept.items() if inputs.get(name)]
    if used:
        do = "give the developers' role the rights for them, or take them out (docs/aws.md)"
        yield warn(f"sessions use {', '.join(used)}", "preferences without them", do)
    else:
        yield ok("nothing that needs a right")


def lambda_runtime(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Which botocore the runtime brings cannot be read from outside."""
    yield unknown(
        "AWS tells nobody which botocore Lambda's runtime has",
        "`invoke smoke` shows it: without conditional writes (botocore 1.35.2) no job begins",
        "botocore 1.35.2 or later",
    )
