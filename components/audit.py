"""Who reads and writes users' data: CloudTrail's data events of the analyses' buckets.

Not there unless asked for: AWS charges by the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.bucket import PrivateBucket
from components.names import PREFIX
from components.options import child
from components.place import Place

NAME = f"{PREFIX}-data"
FOLDER = "cloudtrail"
BUCKETS = 250
"""Data resources of a trail (CloudTrail user guide, "Quotas")."""


def trail_arn(place: Place) -> str:
    """Known before the trail is made: the log bucket's policy names it."""
    return place.arn("cloudtrail", f"trail/{NAME}")


@dataclass(frozen=True, kw_only=True)
class DataTrailArgs:
    """`logs`: bucket that lets the trail in. `buckets`: names of those that are watched, at most 250; they
    need not be there yet.
    """

    place: Place
    logs: PrivateBucket
    buckets: Sequence[str]

    def __post_init__(self) -> None:
        if not 1 <= len(self.buckets) <= BUCKETS:
            raise ValueError(f"auditData watches 1 to {BUCKETS} buckets of analyses, got {len(self.buckets)}")


class DataTrail(pulumi.ComponentResource):
    """A trail that records every call on an object of these buckets, with the caller, and proves that no
    record was changed since.
    """

    def __init__(self, name: str, args: DataTrailArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:logging:DataTrail", name, {}, opts)
        aws.cloudtrail.Trail(
            name,
            name=NAME,
            s3_bucket_name=args.logs.name,
            s3_key_prefix=FOLDER,
            enable_log_file_validation=True,
            include_global_service_events=False,
            event_selectors=[
                {
                    "read_write_type": "All",
                    "include_management_events": False,
                    "data_resources": [
                        {
                            "type": "AWS::S3::Object",
                            "values": [f"{args.place.bucket(one)}/" for one in args.buckets],
                        }
                    ],
                }
            ],
            # CloudTrail writes a test file on creation, which the bucket must already accept.
            opts=child(self, depends_on=[args.logs.ready]),
        )
        self.register_outputs({})
