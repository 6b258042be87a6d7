"""Buckets and disks: names that are free, what is blocked, and by which key disks are encrypted."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from account.buckets import BucketState, bucket_state
from blueprints.bucket_names import default_name
from console.account_checks.asking import code
from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, warn
from console.account_checks.wanted import Wanted

_OPEN = "BlockPublicPolicy", "RestrictPublicBuckets"


def public_access(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Whether the account lets a bucket be public, which only the catalogue is."""
    try:
        found = at.client("s3control").get_public_access_block(AccountId=at.account)
        blocked = [one for one in _OPEN if found["PublicAccessBlockConfiguration"].get(one)]
    except Exception as error:
        if code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        blocked = []
    if blocked and wanted.settings.get("publicCatalogue"):
        do = (
            "take publicCatalogue out of the settings of utils, or have the block lifted for the account "
            "(aws s3control put-public-access-block)"
        )
        yield fail(f"{' and '.join(blocked)} for the account", "none of both, for the public catalogue", do)
    elif blocked:
        yield ok("blocked for the account; no public catalogue is wanted")
    else:
        yield ok("the account blocks nothing; each bucket blocks for itself")


def disk_key(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """The key of volumes that name none. A customer's key must let the machines' starters use it."""
    key = str(at.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"])
    if key.endswith("alias/aws/ebs"):
        yield ok("alias/aws/ebs, of which nobody needs a right")
        return
    kms = at.client("kms")
    about = kms.describe_key(KeyId=key)["KeyMetadata"]
    if about.get("KeyManager") == "AWS":
        yield ok("AWS's own key for disks")
    elif about.get("KeyState") != "Enabled":
        do = "enable it, or take another: aws ec2 modify-ebs-default-kms-key-id"
        yield fail(f"a customer key that is {about.get('KeyState')}", "an enabled key", do)
    elif about["Arn"].split(":")[4] != at.account or not _delegates(kms, key, at.account):
        do = (
            "its administrator adds kms:CreateGrant, DescribeKey, Decrypt, ReEncrypt* and "
            "GenerateDataKeyWithoutPlaintext for this account, with kms:ViaService of ec2"
        )
        yield warn(
            "a customer key whose policy does not leave the rights to this account's IAM policies",
            "a key that the service's roles may use through EC2; else machines end at once",
            do,
        )
    else:
        yield ok("a customer key that this account's IAM policies may allow")


def _delegates(kms: Any, key: str, account: str) -> bool:
    """Whether the key's policy leaves it to the account ("Default key policy", KMS developer guide)."""
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    for statement in policy["Statement"]:
        who: Any = statement.get("Principal")
        who = who.get("AWS", []) if isinstance(who, dict) else who
        who = [who] if isinstance(who, str) else who
        actions = statement.get("Action", [])
        actions = [actions] if isinstance(actions, str) else actions
        if (
            statement["Effect"] == "Allow"
            and any(one == "*" or one == account or one.endswith(f":{account}:root") for one in who)
            and {"kms:*", "kms:CreateGrant"} & set(actions)
        ):
            return True
    return False


def bucket_names(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Names are one set for all of AWS: another account may have one."""
    stacks: dict[str, list[str]] = defaultdict(list)
    for one in wanted.blueprints:
        default = default_name(one.name, one.stage, at.account, at.region)
        stacks[one.bucket or default].append(one.stack)
    s3, free, ours = at.client("s3"), 0, 0
    for bucket, mine in sorted(stacks.items()):
        do = f"leave `bucket:` out for {mine[0]}: the service chooses a free name; or set one nobody has"
        if len(mine) > 1:
            yield fail(f"{bucket}, of {' and '.join(mine)}", "a bucket for each stack", do)
        state = bucket_state(s3, bucket, at.account)
        if state is BucketState.TAKEN:
            yield fail(f"{bucket} ({mine[0]}) belongs to another account", "a name that is free", do)
        free, ours = free + (state is BucketState.FREE), ours + (state is BucketState.OURS)
    if free or ours or not stacks:
        yield ok(f"{free} free, {ours} in this account")
