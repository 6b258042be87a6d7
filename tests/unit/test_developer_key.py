"""The developers' SSH key: made once, beside the stacks, and the present one of an account is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from account import developer_key
from account.developer_key import BEFORE, PRIVATE, PUBLIC, ensure, forget, new_private, public_half

KEY = "arn:aws:kms:us-east-1:111122223333:key/of-the-stack"


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("ssm", region_name="us-east-1")


def stored(ssm: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    return found


def test_both_halves_are_made_and_the_private_one_is_sealed_by_the_stacks_key(ssm: Any) -> None:
    public = ensure(ssm, KEY)
    private = stored(ssm, PRIVATE)
    assert private["Type"] == "SecureString"
    assert public == public_half(private["Value"]) == stored(ssm, PUBLIC)["Value"]
    (described,) = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [PRIVATE]}])[
        "Parameters"
    ]
    assert described["KeyId"] == KEY
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=PRIVATE)["TagList"]
    assert {"Key": "neurocaas:stack", "Value": "utils"} in tags


def test_a_second_deploy_changes_nothing(ssm: Any) -> None:
    first = ensure(ssm, KEY)
    before = stored(ssm, PRIVATE)
    assert ensure(ssm, "another-key") == first
    assert (stored(ssm, PRIVATE)["Value"], stored(ssm, PRIVATE)["Version"]) == (before["Value"], 1)


def test_the_key_of_the_version_before_is_kept(ssm: Any) -> None:
    private = new_private()
    ssm.put_parameter(Name=BEFORE, Type="SecureString", KeyId=KEY, Value=private)
    assert ensure(ssm, KEY) == public_half(private)
    assert stored(ssm, PRIVATE)["Value"] == private


def test_a_deploy_that_was_killed_in_the_middle_goes_on_with_the_same_key(
    ssm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(developer_key, "public_half", lambda private: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ensure(ssm, KEY)
    private = stored(ssm, PRIVATE)["Value"]
    assert ensure(ssm, KEY) == public_half(private)


def test_who_comes_second_takes_the_key_of_the_first(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_private()

    def late() -> str:
        ssm.put_parameter(Name=PRIVATE, Type="SecureString", Value=first)
        return new_private()

    with monkeypatch.context() as race:
        race.setattr(developer_key, "new_private", late)
        assert ensure(ssm, KEY) == public_half(first)


def test_nothing_is_left_when_it_is_forgotten(ssm: Any) -> None:
    ensure(ssm, KEY)
    assert sorted(forget(ssm)) == [PRIVATE, PUBLIC]
    assert forget(ssm) == []


def test_the_public_half_is_that_of_the_private_key() -> None:
    from cryptography.hazmat.primitives import serialization

    private = new_private()
    key = serialization.load_ssh_private_key(private.encode(), None)
    form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert public_half(private) == f"{key.public_key().public_bytes(*form).decode()} neurocaas"
    assert public_half(private) != public_half(new_private())


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"]
)
def test_other_text_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="not an OpenSSH private key"):
        public_half(text)
