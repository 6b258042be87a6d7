"""AWS IAM Identity Center: a person signs in on its page (RFC 8628, device authorization), and gets sessions
of the permission set that is assigned to them, for as long as the sign-in lasts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from neurocaas.configuration import Profile
from neurocaas.errors import AnalysisError, aws_errors, code_of
from neurocaas.sign_in import Show, SignedOut, open_page, show
from neurocaas.tokens import Kept

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPES = ("sso:account:access",)
"""With it, Identity Center gives a token that renews the other one."""
EARLY = 60.0
"""Seconds before its end from which a token counts as expired."""

Clock = Callable[[], float]


def kept(profile: Profile) -> Kept:
    """Where the sign-in is."""
    return Kept("identity-center", profile.start_url, profile.sso_region)


def sign_in(
    profile: Profile, *, browser: bool = True, say: Show = show, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Send the person to Identity Center's page, and keep what it gives."""
    import botocore.exceptions

    client = _client("sso-oidc", profile)
    with aws_errors(profile.start_url):
        known = client.register_client(clientName="neurocaas", clientType="public", scopes=list(SCOPES))
        ours = {"clientId": known["clientId"], "clientSecret": known["clientSecret"]}
        begun = client.start_device_authorization(**ours, startUrl=profile.start_url)
    page = begun.get("verificationUriComplete") or begun["verificationUri"]
    say(f"Sign in with your browser, and compare the code {begun['userCode']}:\n  {page}")
    if browser:
        open_page(page)
    wait, end = float(begun.get("interval", 5)), time.monotonic() + float(begun["expiresIn"])
    while time.monotonic() < end:
        try:
            with aws_errors(profile.start_url):
                token = client.create_token(**ours, grantType=DEVICE, deviceCode=begun["deviceCode"])
        except botocore.exceptions.ClientError as error:
            if code_of(error) == "SlowDownException":
                wait += 5
            elif code_of(error) != "AuthorizationPendingException":
                raise _refused(error) from None
            sleep(wait)
        else:
            _keep(profile, {**ours, **token})
            return
    raise AnalysisError("nobody has signed in in time", "a sign-in within some minutes", "try again")


def credentials(profile: Profile, now: Clock = time.time) -> dict[str, Any]:
    """A session of the person's permission set, as botocore takes it. Raises SignedOut."""
    import botocore.exceptions

    token = _token(profile, now)
    try:
        with aws_errors(profile.start_url):
            given = _client("sso", profile).get_role_credentials(
                roleName=profile.permission_set, accountId=profile.account, accessToken=token
            )["roleCredentials"]
    except botocore.exceptions.ClientError as error:
        if code_of(error) == "UnauthorizedException":
            raise SignedOut(profile.name, "your sign-in at Identity Center has ended") from None
        if code_of(error) in ("ForbiddenException", "ResourceNotFoundException"):
            raise AnalysisError(
                f"you have not the permission set {profile.permission_set} in the account {profile.account}",
                "one that is assigned to you in Identity Center",
                "ask your administrator to assign it, or correct the name: `neurocaas login`",
            ) from None
        raise _refused(error) from None
    end = datetime.fromtimestamp(given["expiration"] / 1000, timezone.utc)
    return {
        "access_key": given["accessKeyId"],
        "secret_key": given["secretAccessKey"],
        "token": given["sessionToken"],
        "expiry_time": end.isoformat(),
    }


def _token(profile: Profile, now: Clock) -> str:
    """The token that there is, or another for it when it has expired."""
    import botocore.exceptions

    place = kept(profile)
    found = place.read()
    if not found:
        raise SignedOut(profile.name, "you have not signed in at Identity Center")
    if found["expires"] - EARLY > now():
        return str(found["accessToken"])
    if found.get("refreshToken"):
        try:
            with aws_errors(profile.start_url):
                token = _client("sso-oidc", profile).create_token(
                    clientId=found["clientId"],
                    clientSecret=found["clientSecret"],
                    grantType="refresh_token",
                    refreshToken=found["refreshToken"],
                )
        except botocore.exceptions.ClientError:
            again = place.read()  # another command may have renewed it meanwhile, which ends the old one
            if again and again["accessToken"] != found["accessToken"]:
                return str(again["accessToken"])
        else:
            return _keep(profile, {**found, **token}, now)
    raise SignedOut(profile.name, "your sign-in at Identity Center has expired")


def _keep(profile: Profile, given: dict[str, Any], now: Clock = time.time) -> str:
    names = ("clientId", "clientSecret", "accessToken", "refreshToken")
    found = {name: given[name] for name in names if given.get(name)}
    kept(profile).write({**found, "expires": now() + float(given["expiresIn"])})
    return str(found["accessToken"])


def _client(service: str, profile: Profile) -> Any:
    """Its calls are not signed: the token says who asks. A proxy or an endpoint of the shell counts."""
    import botocore.session
    from botocore import UNSIGNED
    from botocore.config import Config

    core = botocore.session.Session()
    core.set_config_variable("profile", None)
    return core.create_client(
        service, region_name=profile.sso_region, config=Config(signature_version=UNSIGNED)
    )


def _refused(error: Any) -> AnalysisError:
    said = str(error.response["Error"].get("Message") or code_of(error))
    return AnalysisError(
        f"Identity Center refuses it: {said}",
        "the start page, its region, and a person who may sign in there",
        "check the settings that your administrator gave you: `neurocaas login --settings …`",
    )
