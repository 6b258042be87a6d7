"""Where a stack lives, and the ARNs that follow from that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Place:
    """Partition ("aws"), region and account of a stack."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this region and account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account without a region (IAM)."""
        return f"arn:{self.partition}:{service}::{self.account}:{resource}"

    def public_arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this region that may belong to another account (images, public parameters)."""
        return f"arn:{self.partition}:{service}:{self.region}::{resource}"

    def bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"

    def objects(self, bucket: str, pattern: str) -> str:
        """ARN of the objects whose key matches the pattern."""
        return f"arn:{self.partition}:s3:::{bucket}/{pattern}"
