"""What kind of AWS account the local cloud is: an easy one, unless somebody says otherwise.

Each property is one thing that real accounts have and a new, empty one does not show. They are read when the
control plane starts, from ``account.json`` in the cloud's home and then from the setting
``LOCALCLOUD_ACCOUNT_PROPERTIES`` (the same JSON object, which wins), and can be changed one at a time while
it runs (``localcloud.aws.account``). What nobody says is as in an easy account.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

VARIABLE = "LOCALCLOUD_ACCOUNT_PROPERTIES"
QUOTAS = ("vcpu", "ebs_gib", "roles", "instance_profiles", "groups")
LAUNCH_INDEX = ("counted", "zero")


class PropertiesError(Exception):
    """Properties that there are not, or values that they cannot have; all of them at once."""


@dataclass(frozen=True)
class LaunchBucket:
    """How many machines may be started at once, and how many more each second (EC2 developer guide, "Request
    throttling for the Amazon EC2 API", resource rate limiting: 1000 and 2).
    """

    size: int
    refill: float


@dataclass(frozen=True)
class Properties:
    """One account."""

    default_vpc: bool = True
    """False: the network 172.31.0.0/16 and its subnets are there, and are nobody's default."""
    spot_role: bool = True
    """Whether somebody has used spot machines before, so that ``AWSServiceRoleForEC2Spot`` is there."""
    spot_launch_index: str = "counted"
    """``zero``: all spot machines of a call have the launch index 0."""
    taken_buckets: tuple[str, ...] = ()
    """Names of buckets that other accounts have."""
    block_public_access: bool = False
    """Whether S3 blocks public access in the whole account, whatever a bucket's own settings are."""
    snapshot_gib: int | None = None
    """The size of the public images' root snapshots. None: what each image says."""
    root_device: str | None = None
    """The name of the public images' root device. None: what each image says."""
    default_ebs_key: str | None = None
    """The ARN of the customer key by which new volumes are encrypted. None: ``aws/ebs``."""
    role_delay_s: float = 0.0
    """For how many seconds Lambda cannot assume a new role yet."""
    instance_profile_delay_s: float = 0.0
    """For how many seconds EC2 does not know a new instance profile yet."""
    credentials_delay_s: float = 0.0
    """For how many seconds after its launch a machine's metadata service has no credentials."""
    launch_bucket: LaunchBucket | None = None
    """None: machines are started at any rate."""
    quotas: Mapping[str, int] = field(default_factory=dict)
    """``vcpu`` (of each family), ``ebs_gib``, ``roles``, ``instance_profiles``, ``groups``."""

    unverified_identities: bool = False
    """Whether tokens of identity providers (AssumeRoleWithWebIdentity) are believed unread: their claims
    count for trust policies, and nobody has looked at their signature. Everybody on this computer is then
    anybody of a provider that a role trusts. Else such a call, which is not signed, is refused.
    """

    def plain(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {**asdict(self), "taken_buckets": list(self.taken_buckets)}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one for one in value)


def _bucket(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"size", "refill"}
        and _count(value["size"])
        and _number(value["refill"])
    )


def _quotas(value: Any) -> bool:
    return isinstance(value, dict) and set(value) <= set(QUOTAS) and all(map(_count, value.values()))


_Rule = tuple[Callable[[Any], bool], str]
_BOOLEAN: _Rule = (lambda value: isinstance(value, bool), "true or false")
_SECONDS: _Rule = (_number, "a number of seconds")
_RULES: dict[str, _Rule] = {
    "default_vpc": _BOOLEAN,
    "spot_role": _BOOLEAN,
    "spot_launch_index": (lambda value: value in LAUNCH_INDEX, " or ".join(map(json.dumps, LAUNCH_INDEX))),
    "taken_buckets": (_names, "a list of names"),
    "block_public_access": _BOOLEAN,
    "snapshot_gib": (lambda value: _count(value) and value > 0, "a whole number of GiB"),
    "root_device": (
        lambda value: isinstance(value, str) and value.startswith("/dev/"),
        "the name of a device, as /dev/xvda",
    ),
    "default_ebs_key": (
        lambda value: isinstance(value, str) and value.startswith("arn:"),
        "the ARN of a key",
    ),
    "role_delay_s": _SECONDS,
    "instance_profile_delay_s": _SECONDS,
    "credentials_delay_s": _SECONDS,
    "launch_bucket": (_bucket, 'a size and a refill a second, as {"size": 1000, "refill": 2}'),
    "unverified_identities": _BOOLEAN,
    "quotas": (_quotas, f"whole numbers of {', '.join(QUOTAS)}"),
}


def parse(document: Any) -> Properties:
    """The properties that a JSON object says; null stands for what an easy account has.

    Raises:
        PropertiesError: it names something else, or gives what cannot be.
    """
    if not isinstance(document, dict):
        raise PropertiesError(
            f"Got {json.dumps(document)[:80]} as the properties of the account. A JSON object is needed, as "
            '{"default_vpc": false}.'
        )
    known = [one.name for one in fields(Properties)]
    wrong = [
        f"{name}: got this name; properties are {', '.join(known)}. Take one of them."
        for name in document
        if name not in known
    ]
    for name, (holds, allowed) in _RULES.items():
        value = document.get(name)
        if value is not None and not holds(value):
            wrong.append(f"{name}: got {json.dumps(value)}; it is {allowed}, or null for an easy account.")
    if wrong:
        raise PropertiesError("The properties of the account are wrong. " + " ".join(wrong))
    said: dict[str, Any] = {name: value for name, value in document.items() if value is not None}
    if "taken_buckets" in said:
        said["taken_buckets"] = tuple(said["taken_buckets"])
    if "launch_bucket" in said:
        said["launch_bucket"] = LaunchBucket(**said["launch_bucket"])
    return Properties(**said)


def given(file: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the file and the setting say, checked, as one JSON object.

    Raises:
        PropertiesError: one of them is no JSON, or says what cannot be.
    """
    together: dict[str, Any] = {}
    sources = [
        (str(file), file.read_text() if file.exists() else ""),
        (VARIABLE, environment.get(VARIABLE, "")),
    ]
    for source, text in sources:
        if not text.strip():
            continue
        try:
            document = json.loads(text)
            parse(document)
        except ValueError as error:
            raise PropertiesError(f"{source} is no JSON ({error}). Write one object into it.") from error
        except PropertiesError as error:
            raise PropertiesError(f"{source}: {error}") from error
        together |= document
    return together
