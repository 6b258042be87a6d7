"""Which credentials count: the shell's, a profile's, and sessions of a group's role that renew themselves."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import AnalysisError, access, configuration
from neurocaas.configuration import Configuration, Profile
from neurocaas.places import CONFIG, cache_folder, config_file
from neurocaas.protocol.roles import session_role

REGION = "us-east-1"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of somebody whose shell names no cloud."""
    for name in (*access.KEYS_IN_SHELL, "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in (access.PROFILE, access.GROUP, access.ANALYSIS, access.BUCKET):
        monkeypatch.delenv(name, raising=False)
    access.forget()
    monkeypatch.setenv(CONFIG, str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    (tmp_path / "aws-credentials").write_text(
        "[uni]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
    )
    return tmp_path / "config.toml"


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws(config={"core": {"mock_credentials": False, "reset_boto3_session": True}}):
        iam = _admin("iam")
        for group in ("lab1", "lab2"):
            iam.create_role(RoleName=session_role(REGION, group), AssumeRolePolicyDocument="{}")
        yield


def _admin(service: str) -> Any:
    made: Any = boto3.client
    return made(service, region_name=REGION, aws_access_key_id="admin", aws_secret_access_key="s")


def key_of(session: Any) -> str:
    return str(session.get_credentials().access_key)


def kept(*profiles: Profile, default: str = "") -> None:
    configuration.save(
        Configuration({one.name: one for one in profiles}, default or profiles[0].name if profiles else "")
    )


UNI = Profile(name="uni", way="aws-profile", aws_profile="uni", region=REGION, group="lab1", analysis="dti")


def who(session: Any) -> str:
    return str(session.client("sts").get_caller_identity()["Arn"])


def test_a_profile_is_a_session_of_the_groups_role(config: Path, aws: None) -> None:
    kept(UNI)
    assert f"assumed-role/{session_role(REGION, 'lab1')}/" in who(access.session())
    assert access.defaults() == access.Defaults("lab1", "dti", REGION)


def test_another_group_is_reached_by_the_same_sign_in(config: Path, aws: None) -> None:
    kept(UNI)
    assert f"assumed-role/{session_role(REGION, 'lab2')}/" in who(access.session(group="lab2"))


def test_the_shell_wins_over_the_file_and_an_option_over_both(
    config: Path, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(UNI, Profile(name="other", way="environment", region="eu-west-1", group="lab2", as_is=True))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASHELL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert key_of(access.session()) == "AKIASHELL"
    assert access.defaults().group == ""  # the shell's credentials are not the profile's group's
    assert "assumed-role" in who(access.session("uni"))
    monkeypatch.setenv(access.PROFILE, "uni")
    assert "assumed-role" in who(access.session())
    assert access.defaults().region == REGION
    assert key_of(access.session("other")) == "AKIASHELL"
    monkeypatch.setenv(access.GROUP, "lab2")
    assert access.defaults("uni").group == "lab2"
    with pytest.raises(AnalysisError, match=r"no profile 'nobody'.*\n.*other, uni"):
        access.session("nobody")


def test_region_and_endpoint_of_the_shell_win(
    config: Path, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(Profile(name="p", way="aws-profile", aws_profile="uni", region="eu-west-1", group="lab1",
                 endpoint_url="http://127.0.0.1:9"))  # fmt: skip
    session = access.session()
    assert session.region_name == "eu-west-1"
    assert session.client("s3").meta.endpoint_url == "http://127.0.0.1:9"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:7")
    monkeypatch.setenv("AWS_REGION", REGION)
    session = access.session()
    assert session.region_name == REGION
    assert session.client("s3").meta.endpoint_url == "http://127.0.0.1:7"


def test_credentials_that_are_the_groups_already_stay_as_they_are(config: Path, aws: None) -> None:
    role = f"arn:aws:iam::123456789012:role/{session_role(REGION, 'lab1')}"
    sts = _admin("sts")
    given = sts.assume_role(RoleArn=role, RoleSessionName="ann")["Credentials"]
    said = {
        "Version": 1,
        "AccessKeyId": given["AccessKeyId"],
        "SecretAccessKey": given["SecretAccessKey"],
        "SessionToken": given["SessionToken"],
        "Expiration": given["Expiration"].isoformat(),
    }
    (config.parent / "said.json").write_text(json.dumps(said))
    program = config.parent / "program.py"
    program.write_text(f"print(open({str(config.parent / 'said.json')!r}).read())")
    import sys

    kept(Profile(name="p", way="process", credential_process=f"{sys.executable} {program}", region=REGION,
                 group="lab1"))  # fmt: skip
    assert key_of(access.session()) == given["AccessKeyId"]


def test_an_account_that_is_another_is_told(config: Path, aws: None) -> None:
    kept(Profile(name="p", way="aws-profile", aws_profile="uni", region=REGION, group="lab1",
                 account="999999999999"))  # fmt: skip
    with pytest.raises(AnalysisError, match="credentials of the account 123456789012"):
        access.session().client("s3").list_buckets()


def test_a_session_renews_itself_before_it_ends() -> None:
    moment, given = [datetime(2026, 11, 30).timestamp()], []  # noqa: DTZ001

    def fetch() -> dict[str, str]:
        given.append(moment[0])
        end = datetime.fromtimestamp(moment[0] + 3600).astimezone()
        return {
            "access_key": f"k{len(given)}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": end.isoformat(),
        }

    credentials = access.renewing(fetch, lambda: moment[0])
    for _ in range(13 * 60):  # a job that is followed for 13 hours
        key = credentials.get_frozen_credentials().access_key
        assert moment[0] - given[-1] < 3600, "a session that has expired"
        assert key == f"k{len(given)}"
        moment[0] += 60
    assert 13 <= len(given) <= 18


def test_the_file_is_its_owners_and_says_the_same_again(config: Path) -> None:
    awkward = Profile(
        name="lab-1.b", way="process", credential_process='say "a\\b" \x7f\té', region=REGION, group="lab1",
        groups=("lab2", "lab3"), lead=True,
    )  # fmt: skip
    kept(awkward, UNI, default="uni")
    assert configuration.load() == Configuration({"lab-1.b": awkward, "uni": UNI}, "uni")
    if os.name == "posix":
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert [one.name for one in config.parent.iterdir() if one.name.startswith(".")] == []


def test_all_mistakes_of_the_file_are_told_at_once(config: Path) -> None:
    config.write_text(
        'schema_version = 1\ndefault = "gone"\n[profiles.a]\nway = "password"\nregin = "us-east-1"\n'
        '[profiles.b]\nway = "openid"\nissuer = "http://login.example.org"\nlead = "yes"\nregion = 1\n'
    )
    with pytest.raises(AnalysisError) as caught:
        configuration.load()
    told = str(caught.value)
    for part in ("way = 'password'", "regin", "default = 'gone'", "no client_id", "no account",
                 "issuer = 'http://login.example.org'", "lead = 'yes'", "region = 1"):  # fmt: skip
        assert part in told, part
    for text in ("schema_version = 2\n", "schema_version =\n", "\xff"):
        config.write_bytes(text.encode("latin-1"))
        with pytest.raises(AnalysisError, match="do: "):
            configuration.load()


@pytest.mark.parametrize(
    ("platform", "environ", "wanted"),
    [
        ("linux", {}, "~/.config/neurocaas/config.toml"),
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/neurocaas/config.toml"),
        ("linux", {"XDG_CONFIG_HOME": "relative"}, "~/.config/neurocaas/config.toml"),
        ("darwin", {"XDG_CONFIG_HOME": "/x"}, "~/Library/Application Support/neurocaas/config.toml"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming/neurocaas/config.toml"),
        ("win32", {"NEUROCAAS_CONFIG_FILE": "/own.toml"}, "/own.toml"),
    ],
)
def test_settings_are_at_the_platforms_place(platform: str, environ: dict[str, str], wanted: str) -> None:
    assert config_file(environ, platform) == Path(wanted).expanduser()


@pytest.mark.parametrize(
    ("platform", "environ", "wanted"),
    [
        ("linux", {}, "~/.cache/neurocaas"),
        ("darwin", {}, "~/Library/Caches/neurocaas"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/neurocaas"),
    ],
)
def test_sign_ins_are_at_the_platforms_place(platform: str, environ: dict[str, str], wanted: str) -> None:
    assert cache_folder(environ, platform) == Path(wanted).expanduser()
