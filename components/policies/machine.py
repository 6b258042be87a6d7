"""The machines of one group in one analysis: their own group's data and the code, nothing of another group,
and no record of the service."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies import chains, outside
from components.policies.document import Policy, Statement, allow, allow_own, document
from components.policies.managed import managed_by_ssm
from neurocaas.protocol.chain import Source
from neurocaas.protocol.keys import EVIDENCE, INPUTS, JOBS, RESULTS
from neurocaas.protocol.outside import OutsideBucket, registered
from neurocaas.protocol.secrets import parameter_name


def machine(
    place: Place,
    *,
    bucket: str,
    group: str,
    artifact_bucket: str,
    outside_buckets: Sequence[OutsideBucket] = (),
    sources: Sequence[Source] = (),
    stack: str = "",
    secrets: Sequence[str] = (),
    kms_key_arn: str = "",
    held: bool = False,
) -> Policy:
    """Prefixes end in '/', so `lab1` never reaches `lab10`. Of the registered outside buckets, those of the
    group; of other analyses (`sources`), the group's results. `secrets`: names of those of the `stack` that
    its machines read, sealed with the key.
    `held`: a machine whose script has failed may be held, and is entered by Session Manager then.

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
        *chains.machine(place, sources, group),
        *(_secrets(place, stack, secrets, kms_key_arn) if secrets else ()),
        *(managed_by_ssm(place) if held else ()),
    )


def _secrets(place: Place, stack: str, names: Sequence[str], kms_key_arn: str) -> Sequence[Statement]:
    """The parameters of these secrets, and their decryption: SSM gives the parameter's ARN as the encryption
    context of a SecureString (Systems Manager user guide, "How Parameter Store uses AWS KMS")."""
    arns = [place.arn("ssm", f"parameter{parameter_name(stack, name)}") for name in sorted(names)]
    return (
        allow("ReadSecrets", ["ssm:GetParameters"], arns),
        allow(
            "OpenSecrets",
            ["kms:Decrypt"],
            [kms_key_arn],
            {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": arns}},
        ),
    )
