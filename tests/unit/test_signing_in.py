"""`neurocaas login`, `logout`, `profiles` and `whoami`, as they are typed."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
from moto import mock_aws
from referencing import Registry, Resource

from neurocaas import access, cli, configuration, openid
from neurocaas.configuration import as_word
from neurocaas.places import CONFIG
from neurocaas.protocol.analyses import DeployedAnalysis, parameter
from neurocaas.protocol.roles import session_role
from tests.unit import sign_in_pages
from tests.unit.client_jobs import BUCKET
from tests.unit.client_world import ABOUT, put
from tests.unit.sign_in_pages import CLIENT, Provider

REGION, ACCOUNT = "us-east-1", "123456789012"
PASSED_ON: Any = {"mock_credentials": False, "passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}
NOBODY = "http://127.0.0.1:9"
SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schema" / "commands"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    ours = (access.PROFILE, access.GROUP, access.ANALYSIS, access.BUCKET, "LOCALCLOUD_HOME")
    for name in (*access.KEYS_IN_SHELL, "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", *ours):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CONFIG, str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(openid, "open_page", sign_in_pages.browse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aws-credentials").write_text(
        "[uni]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = verysecret\n"
    )
    access.forget()
    with mock_aws(config={"core": PASSED_ON}):
        made: Any = boto3.client
        admin = {"region_name": REGION, "aws_access_key_id": "admin", "aws_secret_access_key": "s"}
        iam, ssm, s3 = (made(service, **admin) for service in ("iam", "ssm", "s3"))
        for group in ("lab1", "lab2"):
            iam.create_role(RoleName=session_role(REGION, group), AssumeRolePolicyDocument="{}")
        s3.create_bucket(Bucket=BUCKET)
        put(s3, "jobs/lab1/analysis.json", ABOUT.to_json())
        entry = DeployedAnalysis("dti", "prod", BUCKET, ACCOUNT, REGION, "Diffusion")
        ssm.put_parameter(Name=parameter("lab1", "dti", "prod"), Value=entry.to_json(), Type="String")
        yield tmp_path


@pytest.fixture
def page(home: Path) -> Iterator[Provider]:
    with sign_in_pages.provider() as one:
        yield one


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str, code: int = 0) -> tuple[str, str]:
        given = cli.main(words)
        said = capsys.readouterr()
        assert given == code, said
        assert "Traceback" not in said.err
        return said.out, said.err

    return run


UNI = ("--aws-profile", "uni", "--group", "lab1", "--region", REGION)


def test_by_options_it_says_who_one_is_and_keeps_nothing_secret(home: Path, typed: Any) -> None:
    out, _ = typed("login", *UNI)
    assert out.splitlines()[0].startswith("you are ")
    assert "of the group lab1" in out
    assert "analyses: dti" in out
    assert "verysecret" not in (home / "config.toml").read_text()
    assert configuration.load().default == "lab1"
    out, _ = typed("whoami")
    assert f"role: {session_role(REGION, 'lab1')}, until" in out
    assert "left for dti: " in out


def test_a_wrong_setting_is_told_and_changes_nothing(home: Path, typed: Any) -> None:
    typed("login", *UNI)
    before = (home / "config.toml").read_text()
    for words, told in (
        (("--aws-profile", "gone", "--group", "lab1", "--region", REGION), "gone"),
        (("--aws-profile", "uni", "--group", "lab/1", "--region", REGION), "group = 'lab/1'"),
        (("--aws-profile", "uni", "--group", "lab1", "--region", "mars"), "region = 'mars'"),
        (("--aws-profile", "uni", "--issuer", "https://x.example"), "several ways in"),
        (("--issuer", "https://login.example.org"), "no client_id"),
        (("--local",), "no local cloud in"),
        (("--settings", "neurocaas1:???"), "settings that cannot be read"),
        (("--settings", "no-such-file"), "--settings 'no-such-file'"),
        (("--settings", '{"way": "process", "credential_process": "rm -rf /"}'), "would run a program"),
        (("--settings", "https://127.0.0.1:9/settings"), "no settings at https://127.0.0.1:9/settings"),
    ):
        _, err = typed("login", *words, code=2)
        assert told in err, (words, err)
        assert "do: " in err
        assert (home / "config.toml").read_text() == before


def test_asked_for_in_a_terminal(home: Path, typed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    _, err = typed("login", code=2)
    assert "nobody to ask" in err
    monkeypatch.setattr(sys, "stdin", Terminal(f"\n\nuni\nlab1\n{REGION}\n"))
    out, err = typed("login")
    assert "of the group lab1" in out
    assert err.count(": ") >= 5
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    typed("logout", "--forget")
    typed("login", code=130)


def test_what_an_administrator_sends_is_one_word_and_enough(page: Provider, typed: Any) -> None:
    """As text, in a file, and as JSON."""
    values = {
        "way": "openid", "issuer": page.issuer, "client_id": CLIENT, "account": ACCOUNT, "region": REGION,
        "group": "lab1", "groups": ["lab1", "lab2"],
    }  # fmt: skip
    word = as_word(values)
    assert re.fullmatch(r"[A-Za-z0-9:_-]+", word), "every shell takes it as it is"
    Path("settings.txt").write_text(word + "\n")
    for settings in (word, "settings.txt", json.dumps(values)):
        out, err = typed("login", "--settings", settings)
        assert out.startswith("you are bob@example.org, of the group lab1")
        assert page.issuer in err
    out, _ = typed("whoami")
    assert "groups: lab1, lab2" in out
    out, _ = typed("whoami", "--group", "lab2")
    assert session_role(REGION, "lab2") in out
    typed("login")  # again, without a word
    assert page.asked.count("authorization_code") == 4
    _, err = typed("logout")
    _, err = typed("whoami", code=2)
    assert "`neurocaas login --name lab1`" in err


def test_several_profiles(home: Path, typed: Any) -> None:
    typed("login", *UNI)
    typed("login", "--name", "two", "--aws-profile", "uni", "--group", "lab2", "--region", REGION, "--lead",
          "--no-check")  # fmt: skip
    out, _ = typed("profiles")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["lab1*", "two"]
    out, _ = typed("login", "--list", "--json")
    listed = json.loads(out)
    assert listed["profiles"][1] == {
        "name": "two", "way": "aws-profile", "region": REGION, "group": "lab2", "lead": True,
        "aws_profile": "uni",
    }  # fmt: skip
    out, _ = typed("--profile", "lab1", "whoami")
    assert "profile lab1" in out
    _, err = typed("--profile", "three", "whoami", code=2)
    assert "no profile 'three'" in err
    assert "lab1, two" in err
    typed("--profile", "two", "logout", "--forget")
    out, _ = typed("profiles")
    assert "two" not in out


def test_the_local_cloud_of_the_folder(
    home: Path, typed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its keys stay in its own file; a group without a role, as the developers' own, is used with them."""
    (tmp_path / ".local").mkdir()
    cloud = {"endpoint": "https://sts.us-east-1.amazonaws.com", "region": REGION}
    keys = {"access_key_id": "AKIALOCAL", "secret_access_key": "localsecret"}
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps({**cloud, **keys}))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    typed("login", "--local", "--group", "lab1", "--no-check")
    assert "localsecret" not in (home / "config.toml").read_text()
    assert access.session().client("sts").meta.endpoint_url == cloud["endpoint"]
    assert access.base_of(configuration.load().profiles["lab1"]).get_credentials().access_key == "AKIALOCAL"  # type: ignore[union-attr]
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / ".local" / "cloud.json").write_text(json.dumps({**cloud, **keys, "endpoint": NOBODY}))
    _, err = typed("jobs", "--analysis", BUCKET, code=2)
    assert err.startswith(f"error: no answer from {NOBODY}"), "first what was asked, then where"
    assert err.splitlines()[-1] == f"cloud: the local cloud at {NOBODY} (profile lab1)"
    access.forget()
    _, err = typed("--profile", "lab1", "jobs", "--analysis", BUCKET, code=2)
    assert "cloud:" not in err, "who names it knows it"
    access.forget()
    (tmp_path / ".local" / "cloud.json").unlink()
    _, err = typed("whoami", code=2)
    assert "no local cloud runs" in err


@pytest.mark.parametrize(
    ("name", "words"),
    [("login", UNI), ("login", ("--list",)), ("profiles", ()), ("whoami", ()), ("whoami", ("--no-budgets",))],
)
def test_json_is_as_its_schema_says(home: Path, typed: Any, name: str, words: tuple[str, ...]) -> None:
    typed("login", *UNI)
    out, _ = typed(name, *words, "--json")
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    found = [(key, Resource.from_contents(one)) for key, one in schemas.items()]
    jsonschema.Draft202012Validator.check_schema(schemas[f"{name}.json"])
    known = jsonschema.Draft202012Validator(
        schemas[f"{name}.json"], registry=Registry().with_resources(found)
    )
    known.validate(json.loads(out))
