"""S3 clients that can write for one bucket and one group, and nowhere else.

The monitor's own role writes to no bucket. For writes it takes its writer's role, each time with a session
policy that leaves of the role's rights only what concerns one bucket and one group (IAM user guide, "Session
policies"): a mistake in the documents of one group, or in this code, cannot end in the folders of another.

Permissions: sts:AssumeRole on the writer's role. Environment: NEUROCAAS_WRITER_ROLE_ARN; empty: there is no
such role, and the clients have the function's own credentials.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import botocore.session
from botocore.config import Config

from neurocaas.protocol.keys import ACTIVE_PREFIX, JOBS, RESULTS
from neurocaas.protocol.names import GROUP_NAME, RESERVED_GROUPS
from neurocaas.protocol.owner import VARIABLE as ACCOUNT
from neurocaas.protocol.owner import expect_owner

VARIABLE = "NEUROCAAS_WRITER_ROLE_ARN"

SESSION_SECONDS = 3600
"""Longest session of a role that was taken by a role (IAM user guide, "Role chaining")."""

_EARLY = timedelta(minutes=5)
"""How long before its session ends a client is given out no more: longer than the function may run."""

_CLIENTS = 32
"""Clients that are kept: a sweep may write for many groups, and each client has some megabytes."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NO_SESSION_NAME = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_SESSION_NAME = 64
"""Longest name of a session (STS API reference, "AssumeRole")."""


class Writers:
    """Clients by bucket, group and outside buckets, each kept until its session nears its end. Threads may
    share one instance.
    """

    def __init__(
        self, session: botocore.session.Session, config: Config, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._session, self._config = session, config
        self._role = os.environ.get(VARIABLE, "")
        self._now = now or (lambda: datetime.now(timezone.utc))
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[str, ...], tuple[Any, datetime | None]] = OrderedDict()
        self._sts: Any = None

    def s3(self, bucket: str, group: str, outside: Iterable[str] = (), *, moving: bool = False) -> Any:
        """A botocore S3 client for the writes of one group in one analysis bucket. `outside`: names of
        further buckets, which the group's results go to; with these the client may also read the group's
        results, to copy them there. `moving`: it may read them, and remove what lies in the folders
        `process_results/` of jobs.

        Raises ValueError for names that are none of a bucket or a group: in a policy, a wildcard would be all
        of them.
        """
        further = tuple(sorted(set(outside)))
        key = (bucket, group, str(moving), *further) if self._role else further
        with self._lock:
            client, until = self._clients.get(key, (None, None))
            if client is None or (until is not None and self._now() >= until - _EARLY):
                client, until = self._made(bucket, group, further, moving)
                self._clients[key] = client, until
            self._clients.move_to_end(key)
            if len(self._clients) > _CLIENTS:
                self._clients.popitem(last=False)
            return client

    def _made(
        self, bucket: str, group: str, outside: tuple[str, ...], moving: bool
    ) -> tuple[Any, datetime | None]:
        account = os.environ.get(ACCOUNT, "")
        if not self._role:
            client = self._session.create_client("s3", config=self._config)
            return expect_owner(client, account, ours=lambda one: one not in outside), None
        if self._sts is None:
            self._sts = self._session.create_client("sts", config=self._config)
        taken = self._sts.assume_role(
            RoleArn=self._role,
            RoleSessionName=session_name(bucket, group),
            DurationSeconds=SESSION_SECONDS,
            Policy=session_policy(self._role, bucket, group, outside, moving=moving),
        )["Credentials"]
        client = self._session.create_client(
            "s3",
            config=self._config,
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
        )
        return expect_owner(client, account, ours=lambda one: one not in outside), taken["Expiration"]


def session_name(bucket: str, group: str) -> str:
    """What CloudTrail shows for the writes of a session."""
    return _NO_SESSION_NAME.sub("-", f"{group}@{bucket}")[:_SESSION_NAME]


def session_policy(
    role: str, bucket: str, group: str, outside: Iterable[str] = (), *, moving: bool = False
) -> str:
    """The policy of a session of `role` (its ARN), as text: at most 2,048 characters (STS API reference,
    "AssumeRole"). `bucket` is one of the role's account, those in `outside` are anybody's. Raises ValueError
    for names that are none of a bucket or a group."""
    if not GROUP_NAME.fullmatch(group) or group in RESERVED_GROUPS:
        raise ValueError(f"got the group {group!r}, allowed are names of groups; nothing was written")
    for name in (bucket, *outside):
        if not _BUCKET.fullmatch(name):
            raise ValueError(f"got the bucket {name!r}, allowed are names of buckets; nothing was written")
    _, partition, _, _, account, _ = role.split(":", 5)

    def objects(where: str, *prefixes: str) -> list[str]:
        return [f"arn:{partition}:s3:::{where}/{prefix}*" for prefix in prefixes]

    results, reports = f"{group}/{RESULTS}/", ACTIVE_PREFIX.split("/")[0]
    own = objects(bucket, results, f"{JOBS}/{group}/", f"{reports}/{group}/", ACTIVE_PREFIX)
    deletable = objects(bucket, ACTIVE_PREFIX, *([f"{results}*/process_results/"] if moving else []))
    statements = [_allow("s3:PutObject", own, account), _allow("s3:DeleteObject", deletable, account)]
    if outside:
        statements.append(_allow("s3:PutObject", [one for name in outside for one in objects(name, "")]))
    if outside or moving:
        statements.append(_allow("s3:GetObject", objects(bucket, results), account))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _allow(action: str, resources: list[str], account: str | None = None) -> dict[str, Any]:
    """`account`: only in buckets of that account."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resources}
    if account:
        statement["Condition"] = {"StringEquals": {"aws:ResourceAccount": account}}
    return statement
