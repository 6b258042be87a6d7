"""Development instances: what makes them reachable through SSM, the code, and the test data of the
developers' own group.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies.document import Policy, Statement, allow_own, document
from components.policies.managed import managed_by_ssm
from neurocaas.protocol.development import GROUP


def developer(place: Place, *, artifact_bucket: str) -> Policy:
    """Our own wording of the managed policy AmazonSSMManagedInstanceCore (AWS Managed Policy Reference),
    without what only SSM's other capabilities need, and the code of the analyses."""
    return document(
        allow_own(place, "ReadCode", ["s3:GetObject"], [place.objects(artifact_bucket, "code/*")]),
        *managed_by_ssm(place),
    )


def bucket_access(place: Place, *, bucket: str, developer_role_arn: str) -> Sequence[Statement]:
    """What the policy of an analysis bucket lets development instances do: what a machine of the group
    `debuggers` may, and nothing in the folders of other groups. Prefixes end in '/'."""
    readable = [f"{GROUP}/{folder}/*" for folder in ("inputs", "configs", "results")]
    statements = [
        allow_own(
            place,
            "DeveloperReads",
            ["s3:GetObject", "s3:GetObjectVersion"],
            [place.objects(bucket, pattern) for pattern in readable],
        ),
        allow_own(
            place,
            "DeveloperWrites",
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [place.objects(bucket, f"{GROUP}/results/*")],
        ),
        allow_own(
            place,
            "DeveloperLists",
            ["s3:ListBucket"],
            [place.bucket(bucket)],
            {"StringLike": {"s3:prefix": readable}},
        ),
    ]
    return [{**statement, "Principal": {"AWS": developer_role_arn}} for statement in statements]
