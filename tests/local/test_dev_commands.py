"""A3 and A4 of the contract, and `invoke dev.*` on a deployed service: the way of a developer who uses the
command line only.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.deployed import Deployed

pytestmark = [pytest.mark.local, pytest.mark.slow]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(service: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`invoke …` in the project of the service; more environment by keyword."""
    state = tmp_path_factory.getbasetemp() / "state"

    def invoke(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        ground = service.ground
        python = str(ground.root / ".venv" / "bin" / "python")
        environ = {**ground.local_environment(), "XDG_STATE_HOME": str(state), **environment}
        return ground.run([python, "-m", "invoke", *arguments], environ, check=False)

    return invoke


def test_a3_retrieving_the_ssh_key(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "nc.pem"
    done = run("print-key", "--out", str(key))
    assert done.returncode == 0, done.stderr
    assert key.stat().st_mode & 0o777 == 0o400
    parsed = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True
    ).stdout
    assert parsed.startswith("ssh-ed25519 ")

    for out in ("", "/proc/nc.pem", "/dev/null"):
        done = run("print-key", "--out", out)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "  do: " in done.stderr
    for name, arguments, said in (
        ("nc.pem", (), "which exists"),
        ("other.pem", ("--region", "eu-west-1"), "parameter not found: "),
        ("repository/other.pem", (), "a committed key is everybody's"),
        ("nowhere/other.pem", (), "whose folder does not exist"),
        ("folder/", (), "the name of a new file"),
    ):
        if name.startswith("repository"):
            subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True)
        done = run("print-key", "--out", f"{tmp_path}/{name}", *arguments)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert name == "nc.pem" or not (tmp_path / name).exists()


def test_a4_credentials_that_are_not_accepted_change_nothing(run: Run, service: Deployed) -> None:
    wrong = {
        "AWS_ACCESS_KEY_ID": "ASIAEXPIRED000000000",
        "AWS_SECRET_ACCESS_KEY": "old",
        "AWS_SESSION_TOKEN": "old",
    }
    done = run("deploy", "utils", "--yes", **wrong)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "AWS does not accept the credentials" in said
    assert "security token included in the request is invalid" in said
    assert "Traceback" not in said
    for command in (
        ("dev.state", "analysis"),
        ("dev.launch", "analysis"),
        ("bake-ami", "--stack", "analysis-webdev", "--plan"),
    ):
        done = run(*command, **wrong)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    service.ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")


def test_a_developer_s_day_on_the_command_line(run: Run, service: Deployed, tmp_path: Path) -> None:
    bucket, s3 = service.analysis["bucket"], service.client("s3")
    s3.put_object(Bucket=bucket, Key="debuggers/inputs/data.zip", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="debuggers/configs/config.json", Body=b'{"wait": 0.1}')
    submit = tmp_path / "submit.json"
    names = {
        "dataname": "debuggers/inputs/data.zip",
        "configname": "debuggers/configs/config.json",
        "timestamp": "debugging_identifier",
    }
    submit.write_text(json.dumps(names))

    assert "no development instance of 'analysis'" in run("dev.ip", "analysis").stderr
    launched = run("dev.launch", "analysis", "--ami", "ubuntu24", "--json")
    assert launched.returncode == 0, launched.stderr
    instance = json.loads(launched.stdout)
    try:
        assert run("dev.ip", "analysis").stdout.strip() == instance["ip"]
        inside = run("ssh", "analysis", "--command", "echo $AWS_REGION; exit 3")
        assert (inside.stdout, inside.returncode) == ("us-east-1\n", 3)
        job = run("dev.submit", "analysis", str(submit), "--json")
        assert job.returncode == 0, job.stderr
        deadline = time.monotonic() + 60
        while (found := json.loads(run("dev.status", "analysis", "--json").stdout)["status"]) in (
            "Pending",
            "InProgress",
        ):
            assert time.monotonic() < deadline
        assert found == "Success", run("dev.output", "analysis").stdout
        assert (
            "analysis/run_analysis.sh" in json.loads(run("dev.output", "analysis", "--json").stdout)["stdout"]
        )
        missing = run("dev.status", "analysis", "--index", "5")
        assert missing.returncode == 1
        assert "job with index 5 does not exist" in missing.stderr
        refused = run("dev.terminate", "analysis")
        assert (refused.returncode, refused.stdout.splitlines()[-1]) == (1, "No state change.")
        alive = service.client("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])[
            "Reservations"
        ][0]["Instances"][0]
        assert alive["State"]["Name"] == "running"
    finally:
        ended = run("dev.terminate", "analysis", "--force")
    assert ended.stdout.splitlines()[-1] == "Instance is now in state: terminated"
