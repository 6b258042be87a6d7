"""Which credentials the commands and the library use: what the shell says, else a profile of `neurocaas
login`.

An option (`neurocaas --profile NAME`) or NEUROCAAS_PROFILE names a profile. Without them, credentials that
the shell names (AWS_PROFILE, a key pair, …) are used as they are; in a shell that names none, the default
profile counts. The credentials of a profile are a session of the group's role, and renew themselves for as
long as the sign-in lasts. A region and an endpoint in the shell win over those of a profile. A
default session that a program has made with boto3 counts where no profile does.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocaas import configuration
from neurocaas.configuration import Profile
from neurocaas.errors import AnalysisError, aws_errors, code_of
from neurocaas.protocol.members import sessions_of_caller
from neurocaas.protocol.roles import lead_role, session_role
from neurocaas.tokens import renewable

if TYPE_CHECKING:
    import boto3

PROFILE, GROUP, ANALYSIS, BUCKET = (
    "NEUROCAAS_PROFILE",
    "NEUROCAAS_GROUP",
    "NEUROCAAS_ANALYSIS",
    "NEUROCAAS_BUCKET",
)
"""Variables of the shell. NEUROCAAS_BUCKET is an older name of NEUROCAAS_ANALYSIS."""

KEYS_IN_SHELL = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables with which a shell names credentials."""

SECONDS = 3600
"""Of a session that a session of another role takes (IAM user guide, "Role chaining"): AWS gives no more, and
it renews itself."""

_USED = dict[str, None]()

Clock = Callable[[], float]


@dataclass(frozen=True)
class Defaults:
    """What is meant where nothing is said; "" where there is nothing."""

    group: str = ""
    analysis: str = ""
    region: str = ""


def profile_in_use(profile: str = "") -> Profile | None:
    """The profile whose credentials count; None where those of the shell do, or where there is none. Raises
    AnalysisError for a name that is not there."""
    named = profile or os.environ.get(PROFILE, "")
    if named:
        return configuration.load().profile(named)
    found = configuration.load().profile()
    if found is None or (shell_names_credentials() and found.way != "environment"):
        return None
    return found


def shell_names_credentials() -> tuple[str, ...]:
    """The variables by which this shell does it; none where it does not."""
    return tuple(name for name in KEYS_IN_SHELL if os.environ.get(name))


def defaults(profile: str = "") -> Defaults:
    """What is meant where an option does not say it: the shell's variables, else the profile's."""
    found = profile_in_use(profile)
    return Defaults(
        os.environ.get(GROUP, "") or (found.group if found else ""),
        os.environ.get(ANALYSIS, "") or os.environ.get(BUCKET, "") or (found.analysis if found else ""),
        shell_region() or (found.region if found else ""),
    )


def shell_region() -> str:
    """The region that this shell names, "" for none."""
    return os.environ.get("AWS_REGION", "") or os.environ.get("AWS_DEFAULT_REGION", "")


def session(profile: str = "", group: str = "") -> boto3.Session:
    """A boto3 session with the rights of the group, by default the profile's. It renews its credentials by
    itself. Nothing is asked before it is used."""
    found = profile_in_use(profile)
    if found is None:
        import boto3

        from neurocaas.bucket import own_session

        return boto3.DEFAULT_SESSION or own_session()
    if not (profile or os.environ.get(PROFILE) or os.environ.get("AWS_ENDPOINT_URL")):
        _remember(found)
    return session_of(found, group)


def not_obvious() -> list[str]:
    """Which clouds this process has used that are not AWS, and that nobody has named: the default profile
    has. A command says so behind what it was asked."""
    return list(_USED)


def _remember(profile: Profile) -> None:
    profile = here(profile)
    if profile.endpoint_url:
        name = "the local cloud" if profile.way == "local" else "the cloud"
        _USED[f"cloud: {name} at {profile.endpoint_url} (profile {profile.name})"] = None


def session_of(profile: Profile, group: str = "", *, seconds: int = SECONDS) -> boto3.Session:
    """The same for a profile, which need not be in the file."""
    profile = here(profile)
    return _session(profile, _credentials(profile, group or profile.group, seconds))


def base_of(profile: Profile) -> boto3.Session:
    """A session as the person, before a role of a group is taken. There is none for a sign-in whose token is
    given for that role itself."""
    profile = here(profile)
    return _session(profile, _base_credentials(profile))


def role_of(profile: Profile, group: str, *, partition: str = "", account: str = "") -> str:
    """The ARN of the role of a group."""
    name = (lead_role if profile.lead else session_role)(profile.region, group)
    return f"arn:{partition or profile.partition}:iam::{account or profile.account}:role/{name}"


def renewing(fetch: Callable[[], dict[str, Any]], clock: Clock = time.time) -> Any:
    """Credentials for botocore that are fetched when they are first needed, and again before they expire."""
    from datetime import datetime, timezone

    from botocore.credentials import DeferredRefreshableCredentials

    return DeferredRefreshableCredentials(
        refresh_using=fetch,
        method="neurocaas",
        time_fetcher=lambda: datetime.fromtimestamp(clock(), timezone.utc),
    )


def here(profile: Profile) -> Profile:
    """The profile with what the shell says of region and endpoint, and what runs on this computer."""
    if profile.way == "local":
        profile = _local(profile)
    return replace(
        profile,
        region=shell_region() or profile.region or _aws_region(profile),
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL", "") or profile.endpoint_url,
    )


def _aws_region(profile: Profile) -> str:
    import botocore.session

    with aws_errors():
        core = botocore.session.Session(profile=profile.aws_profile or None)
        found = core.get_config_variable("region")
    if not found:
        raise AnalysisError(
            f"no region in the profile {profile.name!r}",
            "the region of the service, for instance us-east-1",
            "sign in with `neurocaas login --region REGION`",
        )
    return str(found)


def _session(profile: Profile, credentials: Any) -> boto3.Session:
    import boto3

    from neurocaas.bucket import own_core

    core: Any = own_core()
    core.set_config_variable("profile", None)
    core.set_config_variable("region", profile.region)
    core._credentials = credentials
    endpoint = profile.endpoint_url

    class Session(boto3.Session):
        """One whose clients go to the endpoint of the profile."""

        def client(self, service_name: Any, *given: Any, **named: Any) -> Any:
            if endpoint and not named.get("endpoint_url"):
                named["endpoint_url"] = endpoint
            return super().client(service_name, *given, **named)

    return Session(botocore_session=core)


def forget() -> None:
    """Credentials that this process has had so far: somebody has signed in anew, or out."""
    _USED.clear()
    _credentials.cache_clear()
    _base_credentials.cache_clear()


@cache
def _credentials(profile: Profile, group: str, seconds: int) -> Any:
    """Credentials of a profile in a group; one object for all sessions, so that one renewal serves all."""
    if profile.as_is:
        return _base_credentials(profile)
    if not group:
        raise AnalysisError(
            "no --group", "one of your groups", "say which: --group NAME, or set NEUROCAAS_GROUP"
        )
    if profile.way == "openid":
        from neurocaas import openid

        return renewing(lambda: openid.session(profile, role_of(profile, group)))
    return renewing(lambda: _through_role(profile, group, seconds))


@cache
def _base_credentials(profile: Profile) -> Any:
    """As the person, before a role of a group is taken. botocore renews what can be renewed."""
    import botocore.session
    from botocore.credentials import Credentials, ProcessProvider

    if profile.way == "identity-center":
        from neurocaas import identity_center

        return renewing(lambda: identity_center.credentials(profile))
    if profile.way == "process":
        process = {"profiles": {"p": {"credential_process": profile.credential_process}}}
        return ProcessProvider("p", lambda: process).load()
    if profile.way == "local":
        access_key, secret = _local_keys(profile)
        return Credentials(access_key, secret, method="neurocaas")
    with aws_errors():
        core = botocore.session.Session(profile=profile.aws_profile or None)
        return core.get_credentials()


def _through_role(profile: Profile, group: str, seconds: int) -> dict[str, Any]:
    """A session of the group's role. Credentials that are one of it already stay as they are."""
    import botocore.exceptions

    base = base_of(profile)
    with aws_errors("AWS STS"):
        sts = base.client("sts")
        caller = sts.get_caller_identity()
        arn, account = str(caller["Arn"]), str(caller["Account"])
        if profile.account and profile.account != account:
            raise AnalysisError(
                f"credentials of the account {account}",
                f"the account {profile.account} of the profile {profile.name}",
                "use other credentials, or correct the profile: `neurocaas login`",
            )
        role = role_of(profile, group, partition=arn.split(":")[1], account=account)
        if f":assumed-role/{role.rpartition('/')[2]}/" in arn:
            return _as_they_are(base)
        for called in sessions_of_caller(arn):
            try:
                given = sts.assume_role(RoleArn=role, RoleSessionName=called, DurationSeconds=seconds)
            except botocore.exceptions.ClientError as error:
                if code_of(error) not in ("AccessDenied", "AccessDeniedException", "NoSuchEntity"):
                    raise
            else:
                return renewable(given)
    raise NoRole(arn, role, group)


class NoRole(AnalysisError):
    """Somebody may not take the role of a group."""

    def __init__(self, who: str, role: str, group: str) -> None:
        super().__init__(
            f"{who} may not take the role {role}",
            f"a member of the group {group}",
            "check the group and the region; your administrator sees and changes who is in a group in "
            "groups.yaml",
        )


def _as_they_are(base: Any) -> dict[str, Any]:
    """Credentials as a renewal gives them. What says no end is looked at again in an hour."""
    from datetime import datetime, timedelta, timezone

    credentials = base.get_credentials()
    now = credentials.get_frozen_credentials()
    end = getattr(credentials, "_expiry_time", None) or datetime.now(timezone.utc) + timedelta(
        seconds=SECONDS
    )
    return {
        "access_key": now.access_key,
        "secret_key": now.secret_key,
        "token": now.token,
        "expiry_time": end.isoformat(),
    }


def _cloud(profile: Profile) -> dict[str, Any]:
    """What the local cloud has written about itself."""
    path = Path(profile.cloud_file)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: str(found[name]) for name in ("endpoint", "region", "access_key_id", "secret_access_key")
        }
    except (OSError, ValueError, KeyError, TypeError):
        raise AnalysisError(
            f"no local cloud runs that {path} describes",
            "a local cloud that is up",
            "start it (`invoke local.up` in its folder), or choose another profile: `neurocaas profiles`",
        ) from None


def _local(profile: Profile) -> Profile:
    found = _cloud(profile)
    return replace(profile, endpoint_url=found["endpoint"], region=found["region"])


def _local_keys(profile: Profile) -> tuple[str, str]:
    found = _cloud(profile)
    return found["access_key_id"], found["secret_access_key"]
