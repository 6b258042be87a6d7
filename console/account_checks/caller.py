"""Who asks, from where, and at what time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, warn
from console.account_checks.wanted import Wanted, region_of
from console.shareable import masked_account

REFUSED_S = 300
"""Seconds of difference at which AWS refuses a signed request (IAM user guide, "Signature Version 4")."""
NOTICED_S = 30


def who(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    kind, _, name = at.arn.split(":", 5)[5].partition("/")
    said = f"{kind} {name.partition('/')[0]}".strip() + f" of account {masked_account(at.account)}"
    if kind == "root":
        allowed = "a role or a user: nothing limits the root user, and nobody can take its rights away"
        yield warn(said, allowed, "make an administrator's role (IAM Identity Center), and use that")
    else:
        yield ok(said)


def region(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    stacks = region_of(wanted.root, wanted.stack or "utils")
    if stacks and at.region != stacks:
        do = f"export AWS_REGION={stacks}, or: pulumi config set aws:region {at.region} --stack utils"
        yield fail(f"{at.region}, but the stacks are in {stacks}", "the region of the stacks", do)
        return
    yield ok(at.region)


def clock(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    headers = at.identity.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    there = parsedate_to_datetime(headers["date"])
    skew = abs((datetime.now(UTC) - there).total_seconds())
    got = f"{skew:.0f} s from AWS's"
    do = "set the clock by NTP (timedatectl set-ntp true)"
    if skew >= REFUSED_S:
        yield fail(got, f"less than {REFUSED_S} s: AWS refuses signatures of another time", do)
    elif skew >= NOTICED_S:
        yield warn(got, f"less than {NOTICED_S} s", do)
    else:
        yield ok(got)
