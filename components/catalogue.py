"""The public catalogue: a bucket of its own, of which anybody may read what was published, and nothing
else.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from checks.published import PREFIX
from components.bucket import PrivateBucket, PrivateBucketArgs
from components.options import child
from components.place import Place


@dataclass(frozen=True, kw_only=True)
class CatalogueArgs:
    """`place`: where the bucket is."""

    place: Place


class Catalogue(pulumi.ComponentResource):
    """The bucket; pages of any web site may ask it for objects. `url`: of what is below the public prefix,
    with a final "/".
    """

    bucket: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: CatalogueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:storage:Catalogue", name, {}, opts)
        bucket = PrivateBucket(
            name,
            PrivateBucketArgs(place=args.place, force_destroy=True, public_prefix=PREFIX),
            opts=child(self),
        )
        aws.s3.BucketCorsConfiguration(
            name,
            bucket=bucket.name,
            cors_rules=[
                {"allowed_methods": ["GET", "HEAD"], "allowed_origins": ["*"], "max_age_seconds": 3600}
            ],
            opts=child(self),
        )
        self.bucket = bucket.name
        host = args.place.host("s3")
        self.url = bucket.name.apply(lambda made: f"https://{made}.{host}/{PREFIX}")
        self.register_outputs({"bucket": self.bucket, "url": self.url})
