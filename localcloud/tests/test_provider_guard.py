"""The provider stand-in talks to this machine and to nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.pulumi.provider.aws import Session, check_endpoint
from localcloud.pulumi.provider.errors import EndpointRefused, ProviderError

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:24566",
        "http://127.8.9.1:1",
        "http://[::1]:24566",
        "http://localhost:24566",
        "https://localhost",
    ],
)
def test_loopback_is_allowed(url: str) -> None:
    assert check_endpoint(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://s3.amazonaws.com",
        "http://10.0.0.1:4566",
        "http://0.0.0.0:4566",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com:80",
        "http://example.com/127.0.0.1",
        "http://127.0.0.1@example.com",
        "http://user@127.0.0.1:80",
        "http://2130706433",
        "http://127.1",
        "http://localhost:port",
        "ftp://127.0.0.1",
        "127.0.0.1:4566",
        "http://",
        "http://[::ffff:8.8.8.8]",
    ],
)
def test_everything_else_is_refused_in_three_parts(url: str | None) -> None:
    with pytest.raises(EndpointRefused) as refused:
        check_endpoint(url)
    got, allowed, do = str(refused.value).split("\n")
    assert "AWS_ENDPOINT_URL" in got
    assert "Allowed" in allowed
    assert "invoke local.up" in do


@given(
    st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9-]{1,10}){1,3}", fullmatch=True).filter(
        lambda host: not host.startswith("127.")
    )
)
def test_no_host_name_is_loopback_but_localhost(host: str) -> None:
    with pytest.raises(EndpointRefused):
        check_endpoint(f"http://{host}")


@pytest.mark.parametrize("url", ["https://sts.amazonaws.com", ""])
def test_it_does_not_start_with_such_an_endpoint(url: str) -> None:
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "localcloud.pulumi.provider", "127.0.0.1:1"],
        env=environment, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "AWS_ENDPOINT_URL" in done.stdout  # no port: the engine cannot go on, and shows this instead
    assert "\n" not in done.stdout
    assert "AWS_ENDPOINT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_credentials_come_from_the_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text("[default]\naws_access_key_id = file\naws_secret_access_key = file\n")
    (folder / "config").write_text("[default]\nregion = eu-west-1\nendpoint_url = https://example.com\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.amazonaws.com")
    with pytest.raises(ProviderError, match=r"never from ~/\.aws"):
        Session({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    client = Session({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **KEYS}).client("s3")
    assert client.meta.endpoint_url == "http://127.0.0.1:1"
    assert client.meta.region_name == "us-east-1"
    assert client.meta.config.proxies == {}
    assert client._request_signer._credentials.access_key == "key"


def test_a_client_is_made_once_for_a_service_and_region() -> None:
    session = Session({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **KEYS, "AWS_REGION": "eu-west-1"})
    assert session.client("sqs") is session.client("sqs", "eu-west-1")
    assert session.client("sqs") is not session.client("sqs", "eu-west-2")
