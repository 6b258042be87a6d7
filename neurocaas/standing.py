"""Who somebody is for the service: the person, the groups and their roles, until when, and what the groups'
budgets have left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from neurocaas import access
from neurocaas.configuration import Profile
from neurocaas.errors import AnalysisError, UnreachableError, aws_errors
from neurocaas.lookup import known_to
from neurocaas.membership import name_of

SOURCES = {
    "aws-profile": "the profile {0.aws_profile} of the AWS tools",
    "process": "the program of credential_process",
    "identity-center": "IAM Identity Center, {0.start_url}",
    "openid": "the sign-in at {0.issuer}",
    "environment": "this shell",
    "local": "the local cloud at {0.endpoint_url}",
}


@dataclass(frozen=True)
class Left:
    """What a group may still spend on an analysis this month; `usd` None where these credentials cannot know
    it."""

    analysis: str
    usd: float | None
    source: str


@dataclass(frozen=True)
class Standing:
    """`person`: as whom the service sees the caller. `groups`: whether each is reached by these credentials.
    `expires`: when the session ends, an ISO time, "" when it has no end; `renewed`: whether another follows
    by itself. `profile`: "" for credentials of the shell."""

    person: str
    arn: str
    account: str
    region: str
    endpoint: str
    profile: str
    source: str
    group: str
    role: str
    expires: str
    renewed: bool
    groups: dict[str, bool]
    analyses: tuple[str, ...]
    budgets: tuple[Left, ...]


def standing(profile: Profile | None, group: str, *, budgets: bool = True, session: Any = None) -> Standing:
    """Asks the service. `session`: that of the profile in the group, when there is one already. Raises
    AnalysisError when it does not know the caller, or when the group is not the caller's."""
    session = session or (access.session_of(profile, group) if profile else access.session(group=group))
    with aws_errors("AWS STS"):
        if not session.region_name:  # STS answers without one, and nothing else does
            raise botocore.exceptions.NoRegionError
        caller = session.client("sts").get_caller_identity()
    arn = str(caller["Arn"])
    known = known_to(session, group) if group else []
    names = tuple(dict.fromkeys(one.analysis for one in known))
    return Standing(
        person=name_of(session, group) or _signed_in(profile) or arn.rpartition("/")[2] or arn,
        arn=arn,
        account=str(caller["Account"]),
        region=str(session.region_name or ""),
        endpoint=str(session.client("sts").meta.endpoint_url),
        profile=profile.name if profile else "",
        source=_source(profile),
        group=group,
        role=arn.split("/")[1] if ":assumed-role/" in arn else "",
        expires=_end(session),
        renewed=profile is not None and profile.way != "local",
        groups=_groups(profile, group, session),
        analyses=names,
        budgets=tuple(_left(name, group, session) for name in names) if budgets else (),
    )


def _signed_in(profile: Profile | None) -> str:
    """Who has signed in, as the provider says it."""
    if profile is None or profile.way != "openid":
        return ""
    from neurocaas import openid

    return openid.person(profile)


def _source(profile: Profile | None) -> str:
    if profile is None:
        named = access.shell_names_credentials()
        return f"{', '.join(named)} in this shell" if named else "the default of the AWS tools"
    return SOURCES[profile.way].format(access.here(profile))


def _end(session: Any) -> str:
    credentials = session.get_credentials()
    end = getattr(credentials, "_expiry_time", None)
    return end.isoformat() if end else ""


def _groups(profile: Profile | None, group: str, session: Any) -> dict[str, bool]:
    """Of all groups that the person was told: whether they are reached."""
    if profile is None:
        return {group: True} if group else {}
    found = {group: True} if group else {}
    for one in profile.all_groups:
        if one not in found:
            found[one] = _reached(lambda one=one: access.session_of(profile, one))  # type: ignore[misc]
    return found


def _reached(made: Callable[[], Any]) -> bool:
    try:
        with aws_errors("AWS STS"):
            made().client("sts").get_caller_identity()
    except UnreachableError:
        raise
    except AnalysisError:
        return False
    return True


def _left(analysis: str, group: str, session: Any) -> Left:
    from neurocaas.analysis import Analysis

    try:
        found = Analysis(analysis, group, session=session).budget()
    except UnreachableError:
        raise
    except AnalysisError as error:
        return Left(analysis, None, error.got)
    return Left(analysis, found.left, found.source)
