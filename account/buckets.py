"""Whose the name of a bucket is. S3 has one namespace for all accounts of a partition, so a name that is
free here can be somebody else's."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

_NONE = frozenset({"404", "NoSuchBucket", "NotFound"})
_NOT_FOR_US = frozenset({"301", "400", "403", "AccessDenied", "BadRequest", "PermanentRedirect"})
"""S3 answers HeadBucket without a text: 403 for a bucket of another owner, and for one's own without the
right to list it; 301 or 400 for a bucket of another region (S3 API reference, "HeadBucket")."""


class BucketState(StrEnum):
    """`free`: nobody has it. `ours`: the account has it. `taken`: somebody else has it."""

    FREE = "free"
    OURS = "ours"
    TAKEN = "taken"


def bucket_state(s3: Any, name: str, account: str) -> BucketState:
    """Whose the bucket `name` is, as far as these credentials can tell; `s3` is a boto3 client. Reads only.

    Raises the client's error for every answer that says nothing about the name.
    """
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except s3.exceptions.ClientError as error:
        code = str(error.response["Error"].get("Code", ""))
        if code in _NONE:
            return BucketState.FREE
        if code not in _NOT_FOR_US:
            raise
        return BucketState.OURS if name in _listed(s3) else BucketState.TAKEN
    return BucketState.OURS


def own_buckets(s3: Any) -> set[str]:
    """The account's buckets, in whatever region. Raises what the client raises."""
    pages = s3.get_paginator("list_buckets").paginate()
    return {one["Name"] for page in pages for one in page.get("Buckets", ())}


def _listed(s3: Any) -> set[str]:
    """The same; none without the right to list them."""
    try:
        return own_buckets(s3)
    except s3.exceptions.ClientError:
        return set()
