"""The analysts of one group: what the contract gives them in the bucket of an analysis, and nothing else.

They write inputs, configs and submissions and read configs and results. They cannot read inputs back (the service is no
storage), cannot touch results, and see no name of another group.
"""

from __future__ import annotations

from components.place import Place
from components.policies.document import Policy, allow, document

FOLDERS = ("inputs", "configs", "submissions", "results")
_WRITABLE = FOLDERS[:3]
_READABLE = ("configs", "results")


def analysts(place: Place, *, bucket: str, group: str) -> Policy:
    """Prefixes end in '/', so `lab1` never reaches `lab10`."""
    return document(
        allow(
            "Upload",
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            [place.objects(bucket, f"{group}/{folder}/*") for folder in _WRITABLE],
        ),
        allow("Fetch", ["s3:GetObject"], [place.objects(bucket, f"{group}/{folder}/*") for folder in _READABLE]),
        allow(
            "List",
            ["s3:ListBucket"],
            [place.bucket(bucket)],
            {"StringLike": {"s3:prefix": [f"{group}/", *(f"{group}/{folder}/*" for folder in FOLDERS)]}},
        ),
    )
