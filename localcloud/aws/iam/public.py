"""Objects that their bucket's policy gives to everybody: the one thing that needs no credentials here.

MiniStack's S3 judges a request without credentials by the bucket's policy and public access block, but only
one that IAM lets through. Reads of objects of a bucket that is there are let through; everything else without
credentials stays refused.
"""

from __future__ import annotations

from typing import Any

from localcloud.aws import hooks

_OBJECTS = "arn:aws:s3:::"


def install() -> None:
    """Leave reads without credentials to S3's own judgement."""
    evaluator = hooks.iam_evaluator
    original = evaluator.enforce

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        nobody = not access_key_id and evaluator._signed_request.get() is None
        if nobody and service == "s3" and iam_action == "s3:GetObject" and resource_arn.startswith(_OBJECTS):
            bucket = resource_arn.removeprefix(_OBJECTS).partition("/")[0]
            if hooks.s3._bucket_owner_account(bucket) is not None:
                return None
        return original(
            access_key_id,
            iam_action,
            service,
            region,
            resource_arn=resource_arn,
            service_context=service_context,
        )

    evaluator.enforce = enforce
