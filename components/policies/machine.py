"""The machines of one group in one analysis: their own group's data and the code, nothing of another group,
and no record of the service."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies import outside
from components.policies.document import Policy, allow_own, document
from neurocaas.protocol.keys import EVIDENCE, INPUTS, JOBS, RESULTS
from neurocaas.protocol.outside import OutsideBucket, registered


def machine(
    place: Place,
    *,
    bucket: str,
    group: str,
    artifact_bucket: str,
    outside_buckets: Sequence[OutsideBucket] = (),
) -> Policy:
    """Prefixes end in '/', so `lab1` never reaches `lab10`. Of the registered outside buckets, those of the
    group.

    A machine's own place for evidence is its `aws:userid`, which for a role on an instance is the role's id
    and the instance's (IAM user guide, "IAM policy elements: Variables and tags"): it cannot write that of
    another machine, not even of its own group.
    """
    data = [f"{group}/{folder}/*" for folder in ("inputs", "configs", "results")]
    readable = [*data, f"{JOBS}/{group}/*"]
    return document(
        allow_own(
            place, "ReadData", ["s3:GetObject"], [place.objects(bucket, pattern) for pattern in readable]
        ),
        # The version that was submitted, also where another is there by now.
        allow_own(
            place,
            "ReadVersions",
            ["s3:GetObjectVersion"],
            [place.objects(bucket, pattern) for pattern in data],
        ),
        allow_own(
            place,
            "WriteResults",
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [place.objects(bucket, f"{group}/results/*")],
        ),
        allow_own(
            place,
            "GiveEvidence",
            ["s3:GetObject", "s3:PutObject"],
            [place.objects(bucket, f"{EVIDENCE}/${{aws:userid}}/*")],
        ),
        allow_own(
            place,
            "ListData",
            ["s3:ListBucket"],
            [place.bucket(bucket)],
            {"StringLike": {"s3:prefix": readable}},
        ),
        allow_own(place, "ReadCode", ["s3:GetObject"], [place.objects(artifact_bucket, "code/*")]),
        *outside.readable(place, registered(outside_buckets, group, INPUTS)),
        *outside.writable(place, registered(outside_buckets, group, RESULTS)),
    )
