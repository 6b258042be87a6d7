"""boto3 clients for the account of this shell. That of S3 expects buckets to be the account's own: the
commands that use it read, write and delete in the service's buckets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neurocaas.protocol.owner import every, expect_owner

if TYPE_CHECKING:
    from boto3.session import Session


def client(
    service: str,
    *,
    session: Session | None = None,
    ours: Callable[[str], bool] = every,
    **more: Any,
) -> Any:
    """As `boto3.client`, or as that of a session. `ours`: which buckets are the service's; all."""
    import boto3

    make: Any = (session or boto3).client
    made = make(service, **more)
    if service != "s3":
        return made
    return expect_owner(made, lambda: str(make("sts", **more).get_caller_identity()["Account"]), ours)
