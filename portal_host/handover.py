"""The session of the shell's person that the page gets: of the group's role where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from neurocaas import access
from neurocaas.errors import AnalysisError, aws_errors
from neurocaas.protocol.roles import lead_role, session_role

_HOURS = 1
"""A session of a role that another session takes lasts no longer (IAM user guide, "Role chaining")."""


@dataclass(frozen=True)
class HandedOver:
    """`config`: `config.json`. `about`: `group`, `person`, `lead`. `connections`: the origins that the page
    talks to."""

    config: Mapping[str, Any]
    about: Mapping[str, Any]
    fetch: Callable[[], Mapping[str, str]]
    connections: tuple[str, ...]


def session_of(group: str = "") -> HandedOver:
    """Raises AnalysisError without a group, or without credentials."""
    group = group or access.defaults().group
    if not group:
        raise AnalysisError("no group", "the name of your group", "invoke portal --group NAME")
    session: Any = access.session(group=group)
    sts = session.client("sts")
    with aws_errors():
        me = sts.get_caller_identity()
    region, partition = session.region_name or sts.meta.region_name, me["Arn"].split(":")[1]
    role, lead = _role(sts, partition, me, region, group)

    def fetch() -> Mapping[str, str]:
        return _temporary(session, sts, role, _name(me["Arn"]))

    fetch()  # now, while somebody looks at the terminal
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    config = {
        "region": region,
        "account": me["Account"],
        "signIn": {"kind": "handover"},
        **({"endpoint": endpoint} if endpoint else {}),
    }
    about = {"group": group, "person": _name(me["Arn"]), "lead": lead}
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    aws = (
        f"https://*.s3.{region}.{suffix}",
        f"https://s3.{region}.{suffix}",
        f"https://ssm.{region}.{suffix}",
    )
    return HandedOver(config, about, fetch, (endpoint,) if endpoint else aws)


def _name(arn: str) -> str:
    """The user's name, or that of the session."""
    return arn.rpartition("/")[2].rpartition(":")[2]


def _role(sts: Any, partition: str, me: Mapping[str, str], region: str, group: str) -> tuple[str, bool]:
    """The ARN of the group's role that this person may take, the leads' first; "" where the credentials are a
    session already, or there is no role: then they are used as they are."""
    if ":assumed-role/" in me["Arn"]:
        return "", me["Arn"].split("/")[1].endswith("+lead")
    for name, lead in ((lead_role(region, group), True), (session_role(region, group), False)):
        arn = f"arn:{partition}:iam::{me['Account']}:role/{name}"
        try:
            sts.assume_role(RoleArn=arn, RoleSessionName=_name(me["Arn"]), DurationSeconds=900)
        except sts.exceptions.ClientError:
            continue
        return arn, lead
    return "", False


def _temporary(session: Any, sts: Any, role: str, name: str) -> Mapping[str, str]:
    if role:
        taken = sts.assume_role(RoleArn=role, RoleSessionName=name, DurationSeconds=_HOURS * 3600)
        return _told(taken["Credentials"])
    held = session.get_credentials()
    frozen = held.get_frozen_credentials()
    if frozen.token:
        # what renews itself does so in time; others end when they end, and the page says so
        until = getattr(held, "_expiry_time", None) or datetime.now(UTC) + timedelta(minutes=15)
        return {
            "accessKeyId": frozen.access_key,
            "secretAccessKey": frozen.secret_key,
            "sessionToken": frozen.token,
            "expiration": until.isoformat(),
        }
    return _told(sts.get_session_token(DurationSeconds=_HOURS * 3600)["Credentials"])


def _told(keys: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "accessKeyId": keys["AccessKeyId"],
        "secretAccessKey": keys["SecretAccessKey"],
        "sessionToken": keys["SessionToken"],
        "expiration": keys["Expiration"].isoformat(),
    }
