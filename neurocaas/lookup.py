"""From the name of an analysis to its bucket, by the index of the group (`neurocaas.protocol.analyses`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.errors import AnalysisError, client_error, s3_errors, told_of_aws
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.analyses import DeployedAnalysis, listed, named


@dataclass(frozen=True)
class BucketOfAnalysis:
    """`account`: whose the bucket is, "" where nobody knows it."""

    bucket: str
    account: str


def known_to(session: Any, group: str) -> list[DeployedAnalysis]:
    """What the group may use. Nothing where there is no index, or none that these credentials may read;
    whether they are good for anything is told."""
    with s3_errors("", ""):
        try:
            return listed(session.client("ssm"), group)
        except client_error() as error:
            if told := told_of_aws(error, "Systems Manager"):
                raise told from error
            return []


def find(session: Any, group: str, name: str, s3: Callable[[], Any]) -> BucketOfAnalysis:
    """The bucket that `name` means: of an analysis, of a stack (`<analysis>-<stage>`), or itself. Raises
    AnalysisError, with the nearest name, for one that the group has not."""
    known = known_to(session, group)
    if one := named(known, name):
        return BucketOfAnalysis(one.bucket, one.account)
    account = _account(session)
    if not known or _reaches(s3(), name, group, account):
        return BucketOfAnalysis(name, account)
    raise unknown(name, group, known)


def _account(session: Any) -> str:
    """The account of the credentials; "" for some that the service does not know: S3 tells it."""
    with s3_errors("", ""), contextlib.suppress(client_error()):
        return str(session.client("sts").get_caller_identity()["Account"])
    return ""


def _reaches(s3: Any, bucket: str, group: str, account: str) -> bool:
    """Whether it is a bucket of the account in which the group has its folder."""
    from botocore.exceptions import ParamValidationError

    try:
        s3.list_objects_v2(Bucket=bucket, Prefix=f"{group}/", MaxKeys=1, ExpectedBucketOwner=account)
    except (client_error(), ParamValidationError):
        return False
    return True


def unknown(name: str, group: str, known: Sequence[DeployedAnalysis]) -> AnalysisError:
    """For a name that is none of an analysis of the group."""
    names = sorted({one.analysis for one in known})
    return AnalysisError(
        f"no analysis {name!r} for the group {group}",
        f"the analyses of the group: {', '.join(names)}",
        did_you_mean(
            name,
            [*names, *(one.stack for one in known)],
            "check the names of the analysis and of the group; `neurocaas analyses` lists them",
        ),
    )
