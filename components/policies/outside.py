"""Storage bypass: what roles may do in the outside buckets that a blueprint registers. Prefixes are "" or end
in '/'.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies.document import Policy, Statement, allow_elsewhere, document
from neurocaas.protocol.outside import OutsideBucket


def readable(place: Place, buckets: Sequence[OutsideBucket]) -> list[Statement]:
    return (
        [
            allow_elsewhere("ReadOutside", ["s3:GetObject"], _objects(place, buckets)),
            _list("ListReadable", place, buckets),
        ]
        if buckets
        else []
    )


def writable(place: Place, buckets: Sequence[OutsideBucket]) -> list[Statement]:
    """Reading is part of it: what was written is looked at before it is written again."""
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    return (
        [
            allow_elsewhere("WriteOutside", actions, _objects(place, buckets)),
            _list("ListWritable", place, buckets),
        ]
        if buckets
        else []
    )


def monitor(place: Place, buckets: Sequence[OutsideBucket]) -> Policy:
    """For the monitor's writer, which copies the logs of a job to its results and writes their `end.txt`."""
    return document(allow_elsewhere("EndJobsOutside", ["s3:PutObject"], _objects(place, buckets)))


def _objects(place: Place, buckets: Sequence[OutsideBucket]) -> list[str]:
    return [place.objects(one.bucket, f"{one.prefix}*") for one in buckets]


def _list(sid: str, place: Place, buckets: Sequence[OutsideBucket]) -> Statement:
    """Without a condition on the prefix: S3 answers "no such key" only to those who may list the bucket."""
    return allow_elsewhere(sid, ["s3:ListBucket"], [place.bucket(one.bucket) for one in buckets])
