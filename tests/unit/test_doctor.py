"""`invoke doctor`: one line and one fix a check, without credentials, and an exit code that means
something.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from console import account, health, machine
from console.health import CheckState, Surroundings
from tests.invoked import invoked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def local_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of a local cloud that does not run: what is made on trying a sandbox is there for the next
    test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALCLOUD_HOME", str(tmp_path_factory.mktemp("local")))
        yield


def doctor(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LOCALCLOUD_", "PULUMI_"))
    }
    environ = {**kept, "LOCALCLOUD_HOME": os.environ["LOCALCLOUD_HOME"], "AWS_EC2_METADATA_DISABLED": "true"}
    environ |= {"AWS_CONFIG_FILE": str(home / "none")}
    environ |= {"AWS_SHARED_CREDENTIALS_FILE": str(home / "none"), **variables}
    return invoked(ROOT, "doctor", *arguments, env=environ)


def test_a1_doctor_without_credentials(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json")
    report = json.loads(done.stdout)
    by_name = {check["name"]: check for check in report["checks"]}
    of_the_machine = {"python", "packages", "port", "bubblewrap", "namespaces", "disk", "memory", "limits"}
    assert of_the_machine | {"credentials", "region", "account"} <= set(by_name)
    assert by_name["credentials"]["state"] == "note"
    assert "none in this shell" in by_name["credentials"]["found"]
    assert "network" not in by_name  # nobody was asked
    broken = [check["name"] for check in report["checks"] if check["state"] == "BAD"]
    assert (done.returncode, report["ok"]) == ((1, False) if broken else (0, True))
    assert set(broken) <= {"pulumi", "emulator"}  # what set-up makes
    assert "Traceback" not in done.stderr
    for check in report["checks"]:
        assert "\n" not in check["found"] + check["fix"]
        assert bool(check["fix"]) == (check["state"] != "ok"), check


def test_the_table_fits_eighty_columns_and_needs_no_colours(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--machine")
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in lines)
    assert any(line.startswith("ok    python") for line in lines)
    assert "credentials" not in done.stdout


def test_a_cloud_that_does_not_answer_is_one_line_and_code_one(tmp_path: Path) -> None:
    key = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    done = doctor(tmp_path, **key)
    assert done.returncode == 1
    assert "127.0.0.1:9 does not answer" in done.stdout
    assert "Broken: network" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize(
    ("variables", "broken", "said"),
    [
        ({"AWS_PROFILE": "nonesuch"}, "credentials", "nonesuch"),
        ({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}, "credentials", "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_CONFIG_FILE": "@garbage"}, "credentials", "Unable to parse config file"),
        ({**KEYS, "AWS_ENDPOINT_URL": "foo"}, "network", "foo is no address"),
        ({**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:99999"}, "network", "is no address"),
        ({**KEYS, "HTTPS_PROXY": "http://[::bad", "AWS_REGION": "us-east-1"}, "network", "HTTPS_PROXY"),
        ({"LOCALCLOUD_PORT": "99999999"}, "port", "LOCALCLOUD_PORT is '99999999'"),
        ({"LOCALCLOUD_MAX_INSTANCES": "many"}, "memory", "LOCALCLOUD_MAX_INSTANCES"),
        ({"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}, "emulator", "make setup"),
    ],
)
def test_a_broken_environment_is_one_line_among_the_others(
    tmp_path: Path, variables: dict[str, str], broken: str, said: str
) -> None:
    (tmp_path / "garbage").write_text("garbage\n[x")
    given = {
        name: str(tmp_path / value[1:]) if value.startswith("@") else value
        for name, value in variables.items()
    }
    done = doctor(tmp_path, "--json", **given)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks[broken]["state"] == "BAD"
    assert said in f"{checks[broken]['found']} {checks[broken]['fix']}"
    assert checks["python"]["state"] == "ok", "the others are told as well"


def test_without_any_program_on_the_path_it_still_works(tmp_path: Path) -> None:
    done = doctor(tmp_path, "--json", PATH="/nonexistent")
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)["checks"]}
    assert states["git"] == "note"
    assert "namespaces" in states


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    (tmp_path / "Pulumi.yaml").write_text("config:\n  aws:region:\n    value: eu-west-1\n")
    return Surroundings(tmp_path, tmp_path, {"PATH": str(tmp_path)})


class Session:
    def __init__(self, region: str | None, answers: dict[str, Any]) -> None:
        self.region_name, self.answers = region, answers

    def client(self, service: str, **_: Any) -> Session:
        return self

    def get_caller_identity(self) -> Any:
        return self._answer("identity")

    def get_service_quota(self, **_: Any) -> Any:
        return self._answer("quota")

    def _answer(self, name: str) -> Any:
        if isinstance(self.answers[name], Exception):
            raise self.answers[name]
        return self.answers[name]


EXPIRED = ClientError(
    {"Error": {"Code": "ExpiredToken", "Message": "The security token has expired"}}, "GetCallerIdentity"
)


def test_expired_credentials_are_named_with_what_to_do() -> None:
    check = account._identity(Session("us-east-1", {"identity": EXPIRED}))
    assert check.state is CheckState.BAD
    assert "ExpiredToken" in check.found
    assert "renew" in check.fix
    assert (
        account._identity(Session(None, {"identity": {"Account": "111122223333", "Arn": "arn:x"}})).state
        is CheckState.OK
    )


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"Quota": {"Value": 256.0}}, CheckState.OK, "256 virtual CPUs"),
        ({"Quota": {"Value": 5.0}}, CheckState.NOTE, "5 virtual CPUs"),
        ({}, CheckState.NOTE, "not told (KeyError)"),
        (EXPIRED, CheckState.NOTE, "not told (ExpiredToken)"),
        (ReadTimeoutError(endpoint_url="https://x"), CheckState.NOTE, "not told (ReadTimeoutError)"),
    ],
)
def test_the_quota_is_told_or_why_not(answer: Any, state: CheckState, said: str) -> None:
    check = account._quota(Session("us-east-1", {"quota": answer}))
    assert (check.state, said in check.found) == (state, True)


@pytest.mark.parametrize(
    ("region", "state"),
    [(None, CheckState.NOTE), ("us-east-1", CheckState.NOTE), ("eu-west-1", CheckState.OK)],
)
def test_a_region_that_is_not_the_stacks_is_told(
    around: Surroundings, region: str | None, state: CheckState
) -> None:
    check = account._region(Session(region, {}), around)
    assert check.state is state
    assert "eu-west-1" in check.found + check.fix


def of_the_cloud(around: Surroundings) -> dict[str, health.Check]:
    return {check.name: check for check in machine.local_cloud(around)}


def test_a_port_that_is_taken_or_no_port(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("LOCALCLOUD_PORT", str(taken.getsockname()[1]))
        check = of_the_cloud(around)["port"]
    assert check.state is CheckState.NOTE
    assert "LOCALCLOUD_PORT=" in check.fix
    monkeypatch.setenv("LOCALCLOUD_PORT", "much")
    assert of_the_cloud(around)["port"].state is CheckState.BAD


def test_what_is_missing_has_its_line(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(around.root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(around.root / "cache"))
    monkeypatch.delenv("LOCALCLOUD_EMULATOR_PYTHON", raising=False)
    states = {
        check.__name__: check(around).state for check in (machine.pulumi, machine.emulator, machine.git)
    }
    assert states == {"pulumi": CheckState.BAD, "emulator": CheckState.BAD, "git": CheckState.NOTE}
    of_it = of_the_cloud(around)
    assert of_it["bubblewrap"].state is CheckState.NOTE
    assert "sandboxes" not in of_it, "nothing more is learned from it"
    monkeypatch.setattr(machine, "DISK_GIB", 1 << 40)
    monkeypatch.setattr(machine, "MEMORY_GIB", 1 << 20)
    assert machine.disk(around).state is CheckState.NOTE
    assert machine.memory(around).state is CheckState.NOTE


def test_a_check_that_fails_is_a_finding(around: Surroundings) -> None:
    def broken(around: Surroundings) -> health.Check:
        raise FileNotFoundError("no\nfile")

    check = health.asked(broken, around)
    assert (check.name, check.state) == ("broken", CheckState.BAD)
    assert check.found == "cannot be checked: FileNotFoundError: no file"


def test_lines_are_aligned() -> None:
    report = health.text([health.good("python", "3.12"), health.note("network", "none " * 30, "connect")])
    lines = report.splitlines()
    assert lines[0].index("3.12") == lines[1].index("none")
    assert lines[-1].strip() == "-> connect"
