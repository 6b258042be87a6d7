"""Every call to a bucket of ours says that we expect it to be ours: S3 refuses it where a stranger has the
name (S3 user guide, "Verifying bucket ownership with bucket owner condition"). Said by the client itself, at
one place, so no call can forget it; also for the source of a copy, and for each part of a transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

VARIABLE = "NEUROCAAS_ACCOUNT"
"""Of a function, or a machine: the account whose buckets these are; empty: nothing is said."""

HEADER = "x-amz-expected-bucket-owner"


def every(bucket: str) -> bool:
    """For clients that see no bucket but ours."""
    return bool(bucket)


def expect_owner(client: Any, account: str | Callable[[], str], ours: Callable[[str], bool] = every) -> Any:
    """The botocore client of S3, which from now on expects each bucket that is `ours` to be of the account.
    A function as `account` is asked when it is first needed. An empty account says nothing."""
    known: list[str] = []

    def owner() -> str:
        if not known:
            known.append(account if isinstance(account, str) else account())
        return known[0]

    def say(params: Mapping[str, Any], model: Any, **_: Any) -> dict[str, Any] | None:
        members, more = model.input_shape.members if model.input_shape else {}, {}
        if "ExpectedBucketOwner" in members and ours(str(params.get("Bucket", ""))) and owner():
            more["ExpectedBucketOwner"] = owner()
        if "ExpectedSourceBucketOwner" in members and ours(_source(params.get("CopySource"))) and owner():
            more["ExpectedSourceBucketOwner"] = owner()
        return {**more, **params} if more else None

    client.meta.events.register("provide-client-params.s3", say)
    return client


def _source(copied: Any) -> str:
    """The bucket of a copy's source, as boto3 takes it: a mapping, or "bucket/key"."""
    if isinstance(copied, Mapping):
        return str(copied.get("Bucket", ""))
    return str(copied or "").lstrip("/").partition("/")[0]
