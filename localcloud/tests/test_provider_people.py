"""Renaming groups and users in place: the emulator has no UpdateGroup and UpdateUser, so an in-process mock
stands in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.lifecycle import Lifecycle
from localcloud.pulumi.provider.table import TABLE

POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
)


class MockSession(Session):
    """A session whose clients are the mock's."""

    def client(self, service: str, region: str | None = None) -> Any:
        return boto3.client(
            service, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )  # type: ignore[call-overload]


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifecycle]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
        yield Lifecycle(
            MockSession({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **keys}), TABLE, region="us-east-1"
        )


@pytest.mark.parametrize("token", ["aws:iam/group:Group", "aws:iam/user:User"])
def test_name_and_path_change_in_place(life: Lifecycle, token: str) -> None:
    olds = {"name": "old", "path": "/"}
    news = {"name": "new", "path": "/labs/"}
    made, outputs = life.create(token, "x", olds, 0)
    assert life.diff(token, olds, news).replaces == ()
    outputs = life.update(token, "x", made, outputs, news, 0)
    assert outputs["name"] == "new"
    assert outputs["path"] == "/labs/"
    assert outputs["arn"].endswith("/labs/new")
    found = life.read(token, "x", made, news, outputs)
    assert found is not None
    assert found[1:] == (outputs, news)
    life.delete(token, "x", made, outputs, 0)
    assert life.read(token, "x", made, news, outputs) is None


def test_the_tags_of_a_user_who_is_renamed_change_too(life: Lifecycle) -> None:
    token = "aws:iam/user:User"
    made, outputs = life.create(token, "x", {"name": "old", "path": "/", "tags": {"a": "1", "b": "1"}}, 0)
    outputs = life.update(token, "x", made, outputs, {"name": "new", "path": "/", "tags": {"a": "2"}}, 0)
    assert (outputs["name"], outputs["tagsAll"]) == ("new", {"a": "2"})
    assert life.session.client("iam").list_user_tags(UserName="new")["Tags"] == [{"Key": "a", "Value": "2"}]


def test_a_user_with_everything_goes_when_forced(life: Lifecycle) -> None:
    token = "aws:iam/user:User"
    inputs = {"name": "someone", "path": "/", "forceDestroy": True}
    made, outputs = life.create(token, "x", inputs, 0)
    client = life.session.client("iam")
    client.create_access_key(UserName=made)
    client.put_user_policy(UserName=made, PolicyName="p", PolicyDocument=POLICY)
    client.create_login_profile(UserName=made, Password="A-long-passw0rd!")
    client.create_group(GroupName="lab")
    client.add_user_to_group(GroupName="lab", UserName=made)
    life.delete(token, "x", made, outputs, 0)
    assert life.read(token, "x", made, inputs, outputs) is None
