"""Results of other analyses (`takes_from`): what a manager and the machines of one group may read of them."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies.document import Statement, allow_own
from neurocaas.protocol.chain import PROCESS, Source
from neurocaas.protocol.keys import JOBS, RESULTS


def manager(place: Place, sources: Sequence[Source], artifact_bucket: str) -> list[Statement]:
    """How the earlier job ended, what it wrote, and whose groups there are. A manager reads for all groups,
    as in its own bucket; of which the submission's must be is looked up in the settings, each time."""
    if not sources:
        return []
    buckets = [source.bucket for source in sources]
    keys = (f"*/{RESULTS}/job_*/{PROCESS}*", f"{JOBS}/*/job_*/end.txt", f"{JOBS}/*/job_*/job.json")
    return [
        allow_own(
            place,
            "ReadEarlierResults",
            ["s3:GetObject"],
            [place.objects(bucket, key) for bucket in buckets for key in keys],
        ),
        # Without a condition: S3 answers "no such key" only to those who may list the bucket.
        allow_own(place, "ListEarlierResults", ["s3:ListBucket"], [place.bucket(one) for one in buckets]),
        allow_own(
            place,
            "ReadTheirSettings",
            ["s3:GetObject"],
            [place.objects(artifact_bucket, f"analyses/{source.stack}/settings.json") for source in sources],
        ),
    ]


def machine(place: Place, sources: Sequence[Source], group: str) -> list[Statement]:
    """The group's own results there, and nothing of another's. `sources`: those that are the group's too."""
    if not sources:
        return []
    prefix = f"{group}/{RESULTS}/job_*"
    return [
        allow_own(
            place,
            "ReadEarlierResults",
            ["s3:GetObject"],
            [place.objects(source.bucket, prefix) for source in sources],
        ),
        allow_own(
            place,
            "ListEarlierResults",
            ["s3:ListBucket"],
            [place.bucket(source.bucket) for source in sources],
            {"StringLike": {"s3:prefix": [prefix]}},
        ),
    ]
