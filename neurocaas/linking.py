"""An outside bucket as the service would use it: what of it can be looked at with the rights of whoever asks,
and what is missing. Nothing is changed but for one small object, which is written and taken away again where
results go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from neurocaas.protocol.keys import RESULTS
from neurocaas.protocol.linking import WHO, Lack, lacking
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.problems import Problem

MARKER = "neurocaas-link-check.txt"
_ABSENT = frozenset({"NoSuchBucket", "404", "NotFound"})


@dataclass
class LinkCheck:
    """`problems`: what keeps the service from using the bucket. `unknown`: what could not be looked at, and
    so is neither well nor ill. `tried`: what whoever asks could do, and not, with their own rights."""

    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)


def check(s3: Any, entries: Sequence[OutsideBucket], roles: Mapping[str, str]) -> LinkCheck:
    """Look at a bucket. `s3`: a client that expects no owner; `entries`: all of the one bucket."""
    found, bucket = LinkCheck(), entries[0].bucket
    own = _owned(s3, bucket, next(iter(roles.values())).split(":")[4])
    if own is None:
        do = "Correct outside_buckets in the blueprint, or make the bucket"
        found.problems.append(Problem("bucket", f"s3://{bucket}, which is not there", "a bucket", do))
        return found
    _policy(s3, entries, roles, own, found)
    _encryption(s3, bucket, found)
    if any(RESULTS in one.use for one in entries) and not own:
        _ownership(s3, bucket, found)
    for one in entries:
        found.tried += _tried(s3, one)
    return found


def _owned(s3: Any, bucket: str, account: str) -> bool | None:
    """Whether the bucket is of that account; None when there is no such bucket."""
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        return None if code_of(error) in _ABSENT else False
    return True


def _policy(
    s3: Any, entries: Sequence[OutsideBucket], roles: Mapping[str, str], own: bool, found: LinkCheck
) -> None:
    bucket = entries[0].bucket
    try:
        document = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError as error:
        if code_of(error) != "NoSuchBucketPolicy":
            found.unknown.append(
                f"the policy of {bucket}: you may not read it ({code_of(error)}); its owner can run this"
            )
            return
        document = {"Statement": []}
    except ValueError:
        found.unknown.append(f"the policy of {bucket}: it is no JSON")
        return
    for one in entries:
        for lack in lacking(document, one, roles, own=own):
            if lack.conditional:
                word = "denied" if lack.denied else "allowed"
                found.unknown.append(
                    f"{lack.action} on {lack.resource} is {word} to {WHO[lack.who]} under a condition, which "
                    "is not judged here"
                )
            else:
                found.problems.append(_problem(lack, roles))


def _problem(lack: Lack, roles: Mapping[str, str]) -> Problem:
    got = (
        f"a statement that denies {lack.action} on {lack.resource}"
        if lack.denied
        else f"no statement that allows {lack.action} on {lack.resource}"
    )
    do = (
        "Take that statement away, or except the role from it"
        if lack.denied
        else "Add the printed statements"
    )
    return Problem("bucket policy", got, f"{lack.action} for {roles[lack.who]} ({WHO[lack.who]})", do)


def _encryption(s3: Any, bucket: str, found: LinkCheck) -> None:
    """The service's roles have no right to other accounts' keys, nor to keys of this one."""
    try:
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    except ClientError as error:
        if code_of(error) != "ServerSideEncryptionConfigurationNotFoundError":
            found.unknown.append(f"how {bucket} encrypts: you may not look ({code_of(error)})")
        return
    for rule in rules:
        said = rule.get("ApplyServerSideEncryptionByDefault", {})
        if str(said.get("SSEAlgorithm", "")).startswith("aws:kms"):
            key = said.get("KMSMasterKeyID", "the account's own key")
            do = (
                "Set the bucket's default encryption to SSE-S3 (AES256), and copy the objects over themselves"
            )
            found.problems.append(
                Problem("encryption", f"objects sealed with {key}", "S3's own keys (AES256)", do)
            )


def _ownership(s3: Any, bucket: str, found: LinkCheck) -> None:
    """Where access lists are still in use, an object is its writer's (Amazon S3 user guide, "Controlling
    ownership of objects")."""
    try:
        rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        said = [str(rule["ObjectOwnership"]) for rule in rules]
    except ClientError as error:
        if code_of(error) != "OwnershipControlsNotFoundError":
            found.unknown.append(f"whose the objects of {bucket} become: you may not look ({code_of(error)})")
            return
        said = ["ObjectWriter"]
    if said != ["BucketOwnerEnforced"]:
        do = "Set the bucket's object ownership to BucketOwnerEnforced"
        got = (
            f"{', '.join(said)}: results would be the service's account's, and its owner could not read them"
        )
        found.problems.append(Problem("object ownership", got, "BucketOwnerEnforced", do))


def _tried(s3: Any, entry: OutsideBucket) -> Iterator[str]:
    """List, read, and write as whoever asks."""
    keys: list[str] = []
    try:
        listed = s3.list_objects_v2(Bucket=entry.bucket, Prefix=entry.prefix, MaxKeys=1)
        keys = [one["Key"] for one in listed.get("Contents", ())]
        yield f"list {entry.path}: you may" + ("" if keys else "; there is nothing in it yet")
    except ClientError as error:
        yield f"list {entry.path}: you may not ({code_of(error)})"
    for key in keys:
        try:
            s3.head_object(Bucket=entry.bucket, Key=key)
            yield f"read an object of {entry.path}: you may"
        except ClientError as error:
            yield f"read an object of {entry.path}: you may not ({code_of(error)})"
    if RESULTS in entry.use:
        key = f"{entry.prefix}{MARKER}"
        try:
            s3.put_object(Bucket=entry.bucket, Key=key, Body=b"")
        except ClientError as error:
            yield f"write to {entry.path}: you may not ({code_of(error)})"
            return
        try:
            s3.delete_object(Bucket=entry.bucket, Key=key)
            yield f"write to {entry.path}: you may"
        except ClientError as error:
            yield f"write to {entry.path}: you may; the empty {MARKER} stays there ({code_of(error)})"
