"""The buckets that all analyses share: what is deployed (code, settings, scripts) and what is logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi

from components.bucket import PrivateBucket, PrivateBucketArgs
from components.options import child
from components.place import Place
from components.policies.document import Statement
from neurocaas.protocol.tags import STACK_TAG

SHARED_TAGS = {STACK_TAG: "shared", "stage": "shared"}
"""Of objects that are named by their content, in the place of the stack's own: stages that put the same
object there would take its tags from each other at every deploy."""

LOG_DAYS = 90
"""Days that logs in the bucket are kept. `logRetentionDays` of the stack is for CloudWatch's log groups."""


@dataclass(frozen=True, kw_only=True)
class SharedBucketsArgs:
    """`protect`: keep both buckets and their contents; default false. `log_statements`: further
    statements of the log bucket's policy, from its name."""

    place: Place
    protect: bool = False
    log_statements: Callable[..., Sequence[Statement]] | None = None


class SharedBuckets(pulumi.ComponentResource):
    """Artifact bucket (`code/`, `analyses/`, `provision/`) and log bucket (`image-builder/`,
    `cloudtrail/`).
    """

    artifacts: PrivateBucket
    logs: PrivateBucket

    def __init__(
        self, name: str, args: SharedBucketsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:storage:SharedBuckets", name, {}, opts)
        force = not args.protect
        self.artifacts = PrivateBucket(
            f"{name}-artifacts",
            PrivateBucketArgs(place=args.place, force_destroy=force, protect=args.protect),
            opts=child(self),
        )
        self.logs = PrivateBucket(
            f"{name}-logs",
            PrivateBucketArgs(
                place=args.place,
                force_destroy=force,
                protect=args.protect,
                expire_days=[("", LOG_DAYS)],
                statements=args.log_statements,
            ),
            opts=child(self),
        )
        self.register_outputs({"artifacts": self.artifacts.name, "logs": self.logs.name})
