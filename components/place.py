"""Where a stack lives, and the ARNs that follow from that."""

from __future__ import annotations

from dataclasses import dataclass

_SUFFIXES = {"aws-cn": "amazonaws.com.cn"}
"""Domain of a partition's endpoints, where it is not `amazonaws.com` (AWS General Reference)."""

_OWN_PRINCIPALS = {"aws-cn": frozenset({"ec2"})}
"""Services whose principal ends in the partition's own domain. All others are called the same everywhere
(China: "Amazon EC2" in the IAM guide of the region).
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Partition ("aws"), region and account of a stack."""

    partition: str
    region: str
    account: str

    @property
    def suffix(self) -> str:
        """Domain of the services' endpoints in this partition."""
        return _SUFFIXES.get(self.partition, "amazonaws.com")

    def principal(self, service: str) -> str:
        """What policies call a service as somebody who acts: `ec2` is "ec2.amazonaws.com"."""
        own = service in _OWN_PRINCIPALS.get(self.partition, ())
        return f"{service}.{self.suffix if own else 'amazonaws.com'}"

    def host(self, service: str) -> str:
        """Host of a service's endpoint in this region; also what `kms:ViaService` calls the service."""
        return f"{service}.{self.region}.{self.suffix}"

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this region and account."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account without a region (IAM)."""
        return f"arn:{self.partition}:{service}::{self.account}:{resource}"

    def public_arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this region that may belong to another account (images, public parameters)."""
        return f"arn:{self.partition}:{service}:{self.region}::{resource}"

    def shared_arn(self, service: str, resource: str) -> str:
        """ARN of a resource in this region that this account uses and another one may own (shared subnets,
        keys of shared images).
        """
        return f"arn:{self.partition}:{service}:{self.region}:*:{resource}"

    def bucket(self, name: str) -> str:
        return f"arn:{self.partition}:s3:::{name}"

    def objects(self, bucket: str, pattern: str) -> str:
        """ARN of the objects whose key matches the pattern."""
        return f"arn:{self.partition}:s3:::{bucket}/{pattern}"
