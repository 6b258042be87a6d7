"""The buckets that all analyses share: what is deployed (code, settings, scripts) and what is logged."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.bucket import PrivateBucket, PrivateBucketArgs
from components.options import child
from components.place import Place


@dataclass(frozen=True, kw_only=True)
class SharedBucketsArgs:
    """`protect`: keep both buckets and their contents; default false. `log_days`: days that build logs are kept, default 90."""

    place: Place
    protect: bool = False
    log_days: int = 90


class SharedBuckets(pulumi.ComponentResource):
    """Artifact bucket (`code/`, `analyses/`, `provision/`) and log bucket (`image-builder/`)."""

    artifacts: PrivateBucket
    logs: PrivateBucket

    def __init__(self, name: str, args: SharedBucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:storage:SharedBuckets", name, {}, opts)
        force = not args.protect
        self.artifacts = PrivateBucket(
            f"{name}-artifacts", PrivateBucketArgs(place=args.place, force_destroy=force, protect=args.protect), opts=child(self)
        )
        self.logs = PrivateBucket(
            f"{name}-logs",
            PrivateBucketArgs(place=args.place, force_destroy=force, protect=args.protect, expire_days=[("", args.log_days)]),
            opts=child(self),
        )
        self.register_outputs({"artifacts": self.artifacts.name, "logs": self.logs.name})
