"""When large objects go by the AWS Common Runtime: never where it would reach another S3 than botocore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.instance.agent.crt import opened, safe
from runtime.instance.agent.s3 import S3Storage


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper().endswith("_PROXY") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        "[profile corner]\nservices = corner\n[services corner]\ns3 =\n  endpoint_url = http://127.0.0.1:1\n"
    )
    for name, value in {
        "CONFIG_FILE": str(tmp_path / "config"),
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, True),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, True),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, True),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:24566"}, False),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example.org"}, False),
        ({"AWS_PROFILE": "corner"}, False),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, False),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, False),
        ({"https_proxy": "http://proxy:3128"}, False),
        ({"AWS_CA_BUNDLE": "/etc/ssl/own.pem"}, False),
    ],
)
def test_it_is_taken_only_for_s3_itself(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    meta = S3Storage().client.meta
    assert safe(meta.endpoint_url, meta.region_name, os.environ) is expected


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "awscrt.auth", None)
    assert opened("https://s3.us-east-1.amazonaws.com", "us-east-1", lambda: ("x", "x", None), {}) is None
