"""Signing in at a provider of OpenID Connect: against one on a loopback port, and AWS in this process."""

from __future__ import annotations

import os
import stat
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from neurocaas import AnalysisError, access, openid, sign_in
from neurocaas.configuration import Profile
from neurocaas.places import CONFIG
from neurocaas.protocol.roles import session_role
from tests.unit import sign_in_pages
from tests.unit.sign_in_pages import CLIENT, Provider

REGION, ACCOUNT = "us-east-1", "123456789012"
PASSED_ON: Any = {"mock_credentials": False, "passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{session_role(REGION, 'lab1')}"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    for name in (*access.KEYS_IN_SHELL, "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CONFIG, str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(openid, "open_page", sign_in_pages.browse)
    access.forget()
    with sign_in_pages.provider() as one, mock_aws(config={"core": PASSED_ON}):
        yield one


def profile(page: Provider, **more: Any) -> Profile:
    given = {
        "issuer": page.issuer,
        "client_id": CLIENT,
        "account": ACCOUNT,
        "region": REGION,
        "group": "lab1",
    }
    return Profile(name="lab1", way="openid", **{**given, **more})


def said() -> list[str]:
    return []


def test_a_person_signs_in_with_a_browser_and_has_the_groups_role(page: Provider, tmp_path: Path) -> None:
    told = said()
    mine = profile(page)
    openid.sign_in(mine, say=told.append)
    assert "Sign in with your browser" in told[0]
    assert page.issuer in told[0]
    assert openid.person(mine) == "bob@example.org"
    caller = access.session_of(mine).client("sts").get_caller_identity()["Arn"]
    assert caller.endswith(f"assumed-role/{session_role(REGION, 'lab1')}/bob-7")  # the claim sub
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(files) == 1
    if os.name == "posix":
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
        assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700


def test_on_another_device(page: Provider) -> None:
    told, slept = said(), list[float]()
    openid.sign_in(profile(page), device=True, say=told.append, sleep=slept.append)
    assert "WDJB-MJHT" in told[0]
    assert len(slept) == 1
    assert openid.session(profile(page), ROLE)["token"]


def test_a_session_is_kept_and_taken_again_without_the_provider(page: Provider) -> None:
    openid.sign_in(profile(page), say=said().append)
    first = openid.session(profile(page), ROLE)
    page.asked.clear()
    assert openid.session(profile(page), ROLE) == first
    assert page.asked == []


def test_another_sign_in_is_another_persons_and_has_no_session_of_the_first(page: Provider) -> None:
    openid.sign_in(profile(page), say=said().append)
    first = openid.session(profile(page), ROLE)
    openid.sign_in(profile(page), say=said().append)
    assert openid.session(profile(page), ROLE) != first


def test_a_job_is_followed_for_days_with_one_sign_in(page: Provider) -> None:
    """The provider's tokens last five minutes, and its token for renewal is good once."""
    openid.sign_in(profile(page), say=said().append)
    start, keys = time.time(), set[str]()
    for hour in range(30):
        page.clock = lambda hour=hour: start + hour * 3600  # type: ignore[misc]
        keys.add(openid.session(profile(page), ROLE, lambda hour=hour: start + hour * 3600)["access_key"])  # type: ignore[misc]
    assert len(keys) > 1
    assert page.asked.count("refresh_token") >= 1


def test_two_commands_that_renew_at_once_both_go_on(page: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, later = profile(page), time.time() + 7200
    page.clock = lambda: later
    openid.sign_in(mine, say=said().append)
    content = openid.kept(mine).read()
    openid.kept(mine).write({**content, "expires": 0.0})
    post = openid._post

    def raced(*given: Any) -> dict[str, Any]:
        monkeypatch.setattr(openid, "_post", post)  # the other command comes first
        openid.session(mine, ROLE, lambda: later)
        return post(*given)

    monkeypatch.setattr(openid, "_post", raced)
    assert openid.session(mine, f"{ROLE}+lead", lambda: later)["token"]


def test_what_has_expired_says_to_sign_in_again(page: Provider) -> None:
    mine = profile(page)
    with pytest.raises(sign_in.SignedOut, match="neurocaas login --name lab1"):
        openid.session(mine, ROLE)
    openid.sign_in(mine, say=said().append)
    page.renewals.clear()
    with pytest.raises(sign_in.SignedOut, match="has expired"):
        openid.session(mine, ROLE, lambda: time.time() + 13 * 3600)


def test_a_sign_in_that_the_page_refuses_is_told(page: Provider) -> None:
    page.refuses = "access_denied"
    with pytest.raises(AnalysisError, match="refuses the sign-in: access_denied"):
        openid.sign_in(profile(page), say=said().append)


def test_a_token_of_another_sign_in_or_for_another_program_is_refused(page: Provider) -> None:
    page.nonce = "another"
    with pytest.raises(AnalysisError, match="token of another sign-in"):
        openid.sign_in(profile(page), say=said().append)


def test_nobody_else_can_answer_in_the_place_of_the_browser(page: Provider) -> None:
    """Another program on this computer, or a page on the web, does not know the state."""
    with openid._Door(0, "/callback", "right") as door:
        address = f"http://127.0.0.1:{door.port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for path in (
            "/callback?code=evil&state=wrong",
            "/callback?code=evil",
            "/other?code=evil&state=right",
        ):
            with pytest.raises(urllib.request.HTTPError, match="404"):
                opener.open(address + path)
        assert door.wait(0.0) is None
        opener.open(f"{address}/callback?code=good&state=right").read()
        assert door.wait(5.0) == {"code": "good", "state": "right"}


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ("http://127.0.0.1:9", "no answer from http://127.0.0.1:9"),
        ("{issuer}/other", "answers with no JSON|describes|has no authorization_endpoint"),
    ],
)
def test_a_wrong_provider_is_told_in_three_parts(page: Provider, issuer: str, told: str) -> None:
    with pytest.raises(AnalysisError, match=told) as caught:
        openid.sign_in(profile(page, issuer=issuer.format(issuer=page.issuer)), say=said().append)
    assert "do: " in str(caught.value)


def test_a_provider_that_pretends_to_be_another_is_refused(page: Provider) -> None:
    mine = profile(page, issuer=page.issuer.replace("127.0.0.1", "localhost"))
    with pytest.raises(AnalysisError, match=r"describes 'http://127.0.0.1"):
        openid.sign_in(mine, say=said().append)
