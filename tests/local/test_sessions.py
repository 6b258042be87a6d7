"""Credentials of people by the command, tried out under enforced IAM: a session reaches exactly what the
group's policy allows.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud.tests.denials import denied
from tests.local.deployed import Deployed, Keys

pytestmark = [pytest.mark.local, pytest.mark.slow]


class Person:
    """Somebody with an access key of their own, at the command line and without it."""

    def __init__(self, service: Deployed, name: str, folder: Path) -> None:
        self.service = service
        ground, file = service.ground, folder / name
        if name == "eve":
            service.ground.invoke(
                "credentials", "--user", name, "--format", "profile", "--out", str(file), "--local"
            )
        else:
            made = service.user(name)
            file.write_text(
                f"[neurocaas]\naws_access_key_id = {made.access_key}\naws_secret_access_key = {made.secret}\n"
            )
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file)
        self.keys = Keys(
            parser["neurocaas"]["aws_access_key_id"], parser["neurocaas"]["aws_secret_access_key"]
        )
        local = ground.local_environment()
        self.environ = {
            **{
                name: value
                for name, value in local.items()
                if not name.startswith("AWS_") or name in ("AWS_ENDPOINT_URL", "AWS_REGION")
            },
            "AWS_ACCESS_KEY_ID": self.keys.access_key or "",
            "AWS_SECRET_ACCESS_KEY": self.keys.secret or "",
        }

    def invoke(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.service.ground.run(
            [sys.executable, "-m", "invoke", *arguments], self.environ, check=False
        )

    def session(self, *arguments: str) -> Keys:
        done = self.invoke("credentials", *arguments, "--format", "json")
        assert done.returncode == 0, done.stderr
        given = json.loads(done.stdout)
        left = datetime.fromisoformat(given["Expiration"]) - datetime.now(UTC)
        assert timedelta(hours=11, minutes=50) < left <= timedelta(hours=12)
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@pytest.fixture(scope="module")
def eve(service: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(service, "eve", tmp_path_factory.mktemp("eve"))


@pytest.fixture(scope="module")
def lea(service: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return Person(service, "lea", tmp_path_factory.mktemp("lea"))


def test_a_members_session_reaches_its_group_and_nothing_beside(service: Deployed, eve: Person) -> None:
    bucket = service.analysis["bucket"]
    service.client("s3").put_object(Bucket=bucket, Key="lab10/results/secret", Body=b"1")
    service.client("s3").put_object(Bucket=bucket, Key="lab1/results/mine", Body=b"2")
    s3 = service.client("s3", eve.session("--group", "lab1"))
    s3.put_object(Bucket=bucket, Key="lab1/inputs/mine", Body=b"3")
    assert s3.get_object(Bucket=bucket, Key="lab1/results/mine")["Body"].read() == b"2"
    assert denied(lambda: s3.get_object(Bucket=bucket, Key="lab1/inputs/mine"))
    assert denied(lambda: s3.get_object(Bucket=bucket, Key="lab10/results/secret"))
    assert denied(lambda: s3.put_object(Bucket=bucket, Key="lab10/inputs/mine", Body=b"4"))
    assert denied(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="lab10/"))


@pytest.mark.parametrize("arguments", [("--group", "lab10"), ("--group", "lab1", "--lead")])
def test_others_sessions_are_refused_by_name(eve: Person, arguments: tuple[str, ...]) -> None:
    done = eve.invoke("credentials", *arguments)
    assert done.returncode == 1
    assert "user/eve may not take the role" in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_leads_session_sets_limits_of_its_group_only(service: Deployed, lea: Person) -> None:
    keys = lea.session("--group", "lab1", "--lead")
    ssm, s3, bucket = service.client("ssm", keys), service.client("s3", keys), service.analysis["bucket"]

    def limit(group: str) -> Any:
        return ssm.put_parameter(
            Name=f"/neurocaas/budgets/{group}/analysis/limit", Value="5", Type="String", Overwrite=True
        )

    limit("lab1")
    ssm.delete_parameter(Name="/neurocaas/budgets/lab1/analysis/limit")
    s3.put_object(Bucket=bucket, Key="lab1/inputs/leads", Body=b"1")
    assert denied(lambda: limit("lab10"))
    assert denied(
        lambda: ssm.put_parameter(
            Name="/neurocaas/budgets/lab1/analysis", Value="9", Type="String", Overwrite=True
        )
    )
    assert denied(lambda: s3.get_object(Bucket=bucket, Key="lab10/results/secret"))


def test_a_lead_sets_and_removes_a_limit_by_the_command(service: Deployed, eve: Person, lea: Person) -> None:
    def limit(who: Person, group: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return who.invoke("limit", "--group", group, "--analysis", "analysis", *arguments)

    assert json.loads(limit(lea, "lab1", "--usd", "40", "--json").stdout)["limit_usd"] == 40.0
    stored = service.client("ssm").get_parameter(Name="/neurocaas/budgets/lab1/analysis/limit")["Parameter"][
        "Value"
    ]
    assert stored == "40.00"
    over = limit(lea, "lab1", "--usd", "100")
    assert over.returncode != 0
    assert "less than the budget, 100.00" in over.stderr
    refused = limit(eve, "lab1", "--usd", "1")
    assert refused.returncode != 0
    assert "no right to the limits of lab1" in refused.stderr
    other = limit(lea, "lab10", "--usd", "1")
    assert other.returncode != 0
    assert "Traceback" not in refused.stderr + other.stderr
    mine = json.loads(limit(lea, "lab1", "--member", "eve", "--usd", "7", "--json").stdout)
    assert {one["name"]: one["allowed_usd"] for one in mine["members"]}["eve"] == 7.0
    forecast = json.loads(limit(eve, "lab1", "--json").stdout)
    assert (forecast["limit_usd"], forecast["left_usd"]) == (40.0, 40.0), (
        "for everybody of the group, at once"
    )
    for of in ((), ("--member", "eve")):
        assert limit(lea, "lab1", *of, "--remove").returncode == 0
    assert json.loads(limit(eve, "lab1", "--json").stdout)["limit_usd"] is None


def test_a_session_works_in_a_shell_that_evaluates_it(service: Deployed, eve: Person) -> None:
    line = (
        f'eval "$({sys.executable} -m invoke credentials --group lab1)" && exec {sys.executable} -m invoke '
        "credentials --group lab1"
    )
    done = service.ground.run(["bash", "-c", line], eve.environ, check=False)
    assert "assumed-role/neurocaas-us-east-1-lab1/eve may not take the role" in done.stderr


def test_a_rotated_key_is_refused_and_the_new_one_taken(
    service: Deployed, eve: Person, tmp_path: Path
) -> None:
    service.ground.invoke("rotate-keys", "eve", "--out", str(tmp_path / "new"), "--local")
    assert denied(lambda: service.client("sts", eve.keys).get_caller_identity())
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(tmp_path / "new")
    new = Keys(parser["neurocaas"]["aws_access_key_id"], parser["neurocaas"]["aws_secret_access_key"])
    assert service.client("sts", new).get_caller_identity()["Arn"].endswith(":user/eve")
    secrets = [value for value in (eve.keys.secret, new.secret) if value]
    state = (service.ground.root / ".local" / "pulumi" / "state").rglob("*")
    files = [
        *(file for file in state if file.is_file()),
        *(service.ground.root / ".local" / "logs").rglob("*.log"),
    ]
    assert files
    assert [
        file.name for file in files if any(secret.encode() in file.read_bytes() for secret in secrets)
    ] == []
