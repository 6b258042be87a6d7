"""Credentials of people: their forms, what is refused, and that a secret is nowhere but in its file."""

from __future__ import annotations

import configparser
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from invoke.context import Context
from moto import mock_aws

import console.cloud
from console import people
from console.credentials import Credentials, session
from console.errors import UserError, message

WHERE = {"region": "eu-west-1", "endpoint_url": "http://127.0.0.1:1"}
SESSION = Credentials("ASIA1", "se'cret", WHERE, "tok en", datetime(2026, 1, 2, tzinfo=UTC))
KEY = Credentials("AKIA1", "secret", {"region": "eu-west-1"})
GROUPS = """\
schema_version: 1
users:
  ann: {access_key: true}
  bob:
groups:
  lab1: {members: [ann, bob], analyses: {analysis: }}
"""


def shell(text: str) -> dict[str, str]:
    names = (
        "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_DEFAULT_REGION "
        "AWS_ENDPOINT_URL AWS_PROFILE"
    )
    script = text + (
        f'for name in {names}; do [ -n "${{!name+x}}" ] && printf "%s=%s\\n" "$name" "${{!name}}"; done; true'
    )
    before = {"AWS_PROFILE": "old", "AWS_SESSION_TOKEN": "old"}
    done = subprocess.run(["bash", "-c", script], env=before, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_a_shell_that_evaluates_it_has_the_session_and_nothing_of_before() -> None:
    assert shell(SESSION.text("env", "p")) == {
        "AWS_ACCESS_KEY_ID": "ASIA1",
        "AWS_SECRET_ACCESS_KEY": "se'cret",
        "AWS_SESSION_TOKEN": "tok en",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    region = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert shell(KEY.text("env", "p")) == {
        "AWS_ACCESS_KEY_ID": "AKIA1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        **region,
    }


def test_the_json_is_what_credential_process_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS SDK itself reads it."""
    (tmp_path / "document").write_text(SESSION.text("json", "p").replace("2026-01-02", "2099-01-02"))
    (tmp_path / "config").write_text(f"[profile lab]\ncredential_process = cat {tmp_path}/document\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CONFIG_FILE"]:
        monkeypatch.delenv(name)
    given = boto3.Session(profile_name="lab").get_credentials()
    assert given
    found = given.get_frozen_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("ASIA1", "se'cret", "tok en")
    assert set(json.loads(KEY.text("json", "p"))) == {"Version", "AccessKeyId", "SecretAccessKey", "Region"}


def test_the_profile_is_a_section_of_the_credentials_file() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(SESSION.text("profile", "lab"))
    assert dict(parser["lab"]) == {
        "aws_access_key_id": "ASIA1",
        "aws_secret_access_key": "se'cret",
        "aws_session_token": "tok en",
        "region": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:1",
    }


@pytest.fixture
def iam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account with the users ann and bob, and a project whose groups.yaml names them."""
    project = tmp_path / "project"
    (project / "blueprints" / "analysis").mkdir(parents=True)
    (project / "blueprints" / "analysis" / "blueprint.yaml").write_text("")
    (project / "groups.yaml").write_text(GROUPS)
    monkeypatch.setattr(console.cloud, "project_root", lambda: project)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("iam")
        for user in ("ann", "bob"):
            client.create_user(UserName=user)
        yield client


def keys(iam: Any, user: str = "ann") -> dict[str, str]:
    return {
        key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    }


def profile(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(file.read_text())
    return dict(parser["neurocaas"])


def test_a_key_is_handed_out_once_in_a_file_that_only_its_owner_reads(
    iam: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "key"
    people.credentials(Context(), user="ann", format="profile", out=str(out))
    made = profile(out)
    assert keys(iam) == {made["aws_access_key_id"]: "Active"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o400
    said = "".join(capsys.readouterr())
    assert made["aws_access_key_id"] in said
    assert made["aws_secret_access_key"] not in said
    with pytest.raises(
        UserError,
        match=r"ann has an access key: AKIA.*\n.*handed out once.*\n.*invoke rotate-keys ann --out FILE",
    ):
        people.credentials(Context(), user="ann", out=str(tmp_path / "again"))
    assert not (tmp_path / "again").exists()


def refusal(**arguments: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  (the message is what is looked at)
        people.credentials(Context(), **arguments)
    text = message(caught.value)
    assert text is not None, caught.value
    assert [line.strip().partition(":")[0] for line in text.splitlines()[1:]] == ["allowed", "do"]
    return text


def test_what_is_not_safe_or_not_asked_for_is_refused_and_makes_no_key(iam: Any, tmp_path: Path) -> None:
    out = tmp_path / "key"
    subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], check=True)
    (tmp_path / "taken").write_text("")
    assert "asks for no access key" in refusal(user="bob", out=str(out))
    assert "the users of groups.yaml: ann, bob" in refusal(user="eve", out=str(out))
    assert "no --out" in refusal(user="ann")
    assert "which exists" in refusal(user="ann", out=str(tmp_path / "taken"))
    assert "which is in the git work tree" in refusal(user="ann", out=str(tmp_path / "tree" / "key"))
    assert "folder does not exist" in refusal(user="ann", out=str(tmp_path / "no" / "key"))
    assert "env, json, profile" in refusal(user="ann", out=str(out), format="xml")
    assert "--group and --user" in refusal(user="ann", group="lab1", out=str(out))
    assert "no --group, --role or --user" in refusal()
    assert "--lead alone" in refusal(lead=True)
    assert "the groups of groups.yaml: lab1" in refusal(group="lab10")
    assert "0.25 to 12" in refusal(group="lab1", hours=13)
    assert keys(iam) == keys(iam, "bob") == {}
    assert not out.exists()


def test_a_key_that_cannot_be_written_is_taken_back(
    iam: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(people, "_write", full)
    with pytest.raises(OSError, match="No space"):
        people.credentials(Context(), user="ann", out=str(tmp_path / "key"))
    assert keys(iam) == {}


def test_a_rotation_switches_the_old_key_off_and_the_next_one_deletes_it(
    iam: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people.credentials(Context(), user="ann", format="profile", out=str(tmp_path / "1"))
    people.rotate_keys(Context(), "ann", out=str(tmp_path / "2"))
    first, second = (profile(tmp_path / name)["aws_access_key_id"] for name in "12")
    assert keys(iam) == {first: "Inactive", second: "Active"}
    people.rotate_keys(Context(), "ann", overlap=True, out=str(tmp_path / "3"))
    third = profile(tmp_path / "3")["aws_access_key_id"]
    assert keys(iam) == {second: "Active", third: "Active"}
    said = "".join(capsys.readouterr())
    assert f"{first} (inactive, of " in said
    assert not [name for name in "123" if profile(tmp_path / name)["aws_secret_access_key"] in said]
    people.rotate_keys(Context(), "ann", revoke=True)
    assert keys(iam) == {}
    people.rotate_keys(Context(), "ann", revoke=True)
    assert "ann has no access key" in capsys.readouterr().err


class Sts:
    """An account whose STS answers AssumeRole with an error."""

    def __init__(self, code: str, said: str) -> None:
        self.error = ClientError({"Error": {"Code": code, "Message": said}}, "AssumeRole")
        self.asked: list[dict[str, Any]] = []

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "111122223333", "Arn": "arn:aws-cn:sts::111122223333:assumed-role/sso/ann lee"}

    def assume_role(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        raise self.error


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles "
            "assumed by role chaining",
            "--hours",
        ),
        (
            "AccessDenied",
            "not authorized",
            "may not take the role arn:aws-cn:iam::111122223333:role/neurocaas-cn-lab1",
        ),
    ],
)
def test_a_session_that_is_refused_is_told_with_a_way_on(code: str, said: str, told: str) -> None:
    sts = Sts(code, said)
    with pytest.raises(UserError, match=told):
        session(sts, "neurocaas-cn-lab1", WHERE, hours=12, whose="the members of lab1")
    # as the person of that name, and as an administrator
    assert ["ann-lee", "=ann-lee"][: len(sts.asked)] == [one["RoleSessionName"] for one in sts.asked]
    assert {one["DurationSeconds"] for one in sts.asked} == {43200}


def test_an_error_that_nobody_can_put_right_keeps_its_traceback() -> None:
    with pytest.raises(ClientError):
        session(Sts("InternalFailure", "x"), "r", WHERE, hours=1, whose="")
