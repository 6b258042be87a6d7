"""A bucket as all of ours are: private (but for a prefix that is published), versioned, encrypted, reached by
TLS only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import resources
from components.policies.document import Statement, rendered


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    """What a bucket needs.

    `bucket`: its name; default: a name of Pulumi's making. `force_destroy`: destroy takes the objects along;
    default false.
    `protect`: Pulumi refuses to destroy it; default false. `expire_days`: days after which objects go, by key
    prefix ("" = all).
    `old_version_days`: days that overwritten and deleted objects stay, at least 1, default 30.
    `public_prefix`: anybody may read the objects below it, and nobody may list them; default none.
    `statements`: further statements of its policy, from the bucket's name and the inputs in `grants` once
    these are known.
    `after`: what is made before it, and so deleted after it.
    """

    place: Place
    bucket: str | None = None
    force_destroy: bool = False
    protect: bool = False
    expire_days: Sequence[tuple[str, int]] = ()
    old_version_days: int = 30
    public_prefix: str | None = None
    statements: Callable[..., Sequence[Statement]] | None = None
    grants: dict[str, pulumi.Input[str]] | None = None
    after: Sequence[pulumi.Resource] = ()

    def __post_init__(self) -> None:
        if self.public_prefix is not None and not self.public_prefix.endswith("/"):
            raise ValueError(f"a public prefix must end in '/', got {self.public_prefix!r}")
        if self.old_version_days < 1 or any(days < 1 for _, days in self.expire_days):
            raise ValueError(
                f"days must be at least 1, got {self.old_version_days} and {dict(self.expire_days)}"
            )
        if self.force_destroy and self.protect:
            raise ValueError("a bucket cannot be both protected and destroyed with its objects")


class PrivateBucket(pulumi.ComponentResource):
    """A bucket with versioning, encryption (SSE-S3), no public access but to `public_prefix`, no ACLs, a
    TLS-only policy, and expiry of old versions.

    `ready` is the last of its parts: what writes to the bucket through another service depends on it. A
    further setting of `bucket` is deleted with it, as its own parts are: a bucket that cannot be deleted
    keeps its settings.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    bucket: aws.s3.Bucket
    ready: pulumi.Resource

    def __init__(
        self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:storage:PrivateBucket", name, {}, opts)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket,
            force_destroy=args.force_destroy,
            opts=child(self, protect=args.protect or None, depends_on=args.after),
        )
        part, public = child(self, deleted_with=bucket), args.public_prefix
        aws.s3.BucketVersioning(
            name, bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=part
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"},
                    "bucket_key_enabled": True,
                }
            ],
            opts=part,
        )
        aws.s3.BucketOwnershipControls(
            name, bucket=bucket.bucket, rule={"object_ownership": "BucketOwnerEnforced"}, opts=part
        )
        private = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=public is None,
            ignore_public_acls=True,
            restrict_public_buckets=public is None,
            opts=part,
        )
        aws.s3.BucketLifecycleConfiguration(name, bucket=bucket.bucket, rules=_rules(args), opts=part)
        extra = args.statements

        def policy(bucket_name: str, **grants: str) -> dict[str, object]:
            statements = list(extra(bucket=bucket_name, **grants)) if extra else []
            if public is not None:
                statements.append(resources.anybody_reads(args.place, bucket=bucket_name, prefix=public))
            return resources.bucket(args.place, name=bucket_name, statements=statements)

        self.ready = aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            policy=rendered(policy, bucket_name=bucket.bucket, **(args.grants or {})),
            # The policy would be refused, or judged public, while the block is being put in place.
            opts=child(self, deleted_with=bucket, depends_on=[private]),
        )
        self.bucket, self.name, self.arn = bucket, bucket.bucket, bucket.arn
        self.register_outputs({"name": self.name, "arn": self.arn})


def _rules(args: PrivateBucketArgs) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    rules: list[aws.s3.BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": args.old_version_days},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        }
    ]
    for number, (prefix, days) in enumerate(args.expire_days, 1):
        rules.append(
            {
                "id": f"expire-{number}",
                "status": "Enabled",
                "filter": {"prefix": prefix},
                "expiration": {"days": days},
            }
        )
    return rules
