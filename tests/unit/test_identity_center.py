"""Signing in at IAM Identity Center: against its own clients, with answers as its API reference has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from neurocaas import AnalysisError, access, identity_center
from neurocaas.configuration import Profile
from neurocaas.places import CONFIG
from neurocaas.sign_in import SignedOut

MINE = Profile(
    name="lab1", way="identity-center", start_url="https://d-90.awsapps.com/start", sso_region="eu-west-1",
    account="111122223333", permission_set="NeuroCAAS", region="us-east-1", group="lab1",
)  # fmt: skip
OURS = {"clientId": "c", "clientSecret": "cs"}
BEGUN: dict[str, Any] = {
    "deviceCode": "d", "userCode": "WDJB-MJHT", "verificationUri": "https://device.sso.eu-west-1.amazonaws.com/",
    "verificationUriComplete": "https://device.sso.eu-west-1.amazonaws.com/?user_code=WDJB-MJHT",
    "expiresIn": 600, "interval": 1,
}  # fmt: skip


class Center:
    """Both clients, and what they are asked and answer, in order."""

    def __init__(self) -> None:
        self.clients = {name: identity_center._client(name, MINE) for name in ("sso-oidc", "sso")}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def begins(self) -> None:
        oidc = self.stubs["sso-oidc"]
        asked = {"clientName": "neurocaas", "clientType": "public", "scopes": ["sso:account:access"]}
        oidc.add_response("register_client", OURS, asked)
        oidc.add_response("start_device_authorization", BEGUN, {**OURS, "startUrl": MINE.start_url})

    def gives(self, token: str, seconds: int = 3600, renewal: str = "r1") -> None:
        given = {"accessToken": token, "expiresIn": seconds, "refreshToken": renewal}
        asked = {**OURS, "grantType": identity_center.DEVICE, "deviceCode": "d"}
        self.stubs["sso-oidc"].add_response("create_token", given, asked)

    def renews(self, old: str, token: str, renewal: str) -> None:
        given = {"accessToken": token, "expiresIn": 3600, "refreshToken": renewal}
        asked = {**OURS, "grantType": "refresh_token", "refreshToken": old}
        self.stubs["sso-oidc"].add_response("create_token", given, asked)

    def refuses(self, service: str, call: str, code: str) -> None:
        self.stubs[service].add_client_error(call, code, f"{code}, as it says")

    def opens(self, token: str) -> None:
        end = int((time.time() + 3600) * 1000)
        given = {"accessKeyId": "A", "secretAccessKey": "s", "sessionToken": "t", "expiration": end}
        asked = {"roleName": "NeuroCAAS", "accountId": "111122223333", "accessToken": token}
        self.stubs["sso"].add_response("get_role_credentials", {"roleCredentials": given}, asked)


@pytest.fixture
def center(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Center]:
    monkeypatch.setenv(CONFIG, str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in access.KEYS_IN_SHELL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(identity_center, "open_page", lambda _: None)
    one = Center()
    monkeypatch.setattr(identity_center, "_client", lambda service, _: one.clients[service])
    yield one
    for stub in one.stubs.values():
        stub.assert_no_pending_responses()


def signed_in(center: Center, token: str = "t1", seconds: int = 3600) -> None:
    center.begins()
    center.gives(token, seconds)
    identity_center.sign_in(MINE, say=lambda _: None, sleep=lambda _: None)


def test_a_person_signs_in_on_the_page_and_has_their_permission_set(center: Center) -> None:
    told, slept = list[str](), list[float]()
    center.begins()
    center.refuses("sso-oidc", "create_token", "AuthorizationPendingException")
    center.refuses("sso-oidc", "create_token", "SlowDownException")
    center.gives("t1")
    identity_center.sign_in(MINE, say=told.append, sleep=slept.append)
    assert "WDJB-MJHT" in told[0]
    assert BEGUN["verificationUriComplete"] in told[0]
    assert slept == [1.0, 6.0], "slower, as it has asked for"
    center.opens("t1")
    given = identity_center.credentials(MINE)
    assert given["access_key"] == "A"
    assert datetime.fromisoformat(given["expiry_time"]) > datetime.now(UTC)


def test_the_sign_in_renews_itself_and_the_old_token_is_not_used_again(center: Center) -> None:
    signed_in(center)
    hour = time.time()
    for number in range(1, 13):
        center.renews(f"r{number}", f"t{number + 1}", f"r{number + 1}")
        center.opens(f"t{number + 1}")
        hour += 3600
        identity_center.credentials(MINE, lambda hour=hour: hour)  # type: ignore[misc]


def test_a_sign_in_that_cannot_be_renewed_says_to_sign_in_again(center: Center) -> None:
    with pytest.raises(SignedOut, match="you have not signed in"):
        identity_center.credentials(MINE)
    signed_in(center)
    center.refuses("sso-oidc", "create_token", "InvalidGrantException")
    with pytest.raises(SignedOut, match="`neurocaas login --name lab1`"):
        identity_center.credentials(MINE, lambda: time.time() + 7200)
    center.refuses("sso", "get_role_credentials", "UnauthorizedException")
    with pytest.raises(SignedOut, match="has ended"):
        identity_center.credentials(MINE)


def test_two_commands_that_renew_at_once_both_go_on(center: Center) -> None:
    signed_in(center)
    place, client = identity_center.kept(MINE), center.clients["sso-oidc"]
    now = time.time() + 7200

    def other_was_first(**_: Any) -> None:
        place.write({**place.read(), "accessToken": "t2", "expires": now + 3600})

    client.meta.events.register("provide-client-params.sso-oidc.CreateToken", other_was_first)
    center.refuses("sso-oidc", "create_token", "InvalidGrantException")
    center.opens("t2")
    assert identity_center.credentials(MINE, lambda: now)["access_key"] == "A"


@pytest.mark.parametrize("code", ["ForbiddenException", "ResourceNotFoundException"])
def test_who_has_not_the_permission_set_is_told_so(center: Center, code: str) -> None:
    signed_in(center)
    center.refuses("sso", "get_role_credentials", code)
    with pytest.raises(AnalysisError, match="you have not the permission set NeuroCAAS") as caught:
        identity_center.credentials(MINE)
    assert "do: " in str(caught.value)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "InvalidClientException"])
def test_a_sign_in_that_is_refused_is_told(center: Center, code: str) -> None:
    center.begins()
    center.refuses("sso-oidc", "create_token", code)
    with pytest.raises(AnalysisError) as caught:
        identity_center.sign_in(MINE, say=lambda _: None, sleep=lambda _: None)
    assert "do: " in str(caught.value)
    with pytest.raises(SignedOut):
        identity_center.credentials(MINE)
