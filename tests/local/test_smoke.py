"""`invoke smoke` on the local cloud: green within minutes, nobody else's things touched, nothing left; with
one service broken it says which.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from demo.playground import Playground, playground
from smoke.questions import QUESTIONS
from tests.local.broken_service import broken
from tests.local.deployed import client
from tests.local.states import ROOT, UTILS, States

pytestmark = [pytest.mark.local, pytest.mark.slow]
WITHIN_S = 180.0


def report_of(text: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "schema" / "smoke.json").read_text()))
    assert "000000000000" not in text
    assert "127.0.0.1" not in text
    assert "arn:aws" not in text
    return report


def others(ground: Playground) -> dict[str, Any]:
    """What a run shares with others: the bucket of code, the table, stacks, images, and every role."""
    outputs = json.loads(ground.pulumi("stack", "output", "--json", "--stack", "utils").stdout)
    s3, dynamodb = client(ground, "s3"), client(ground, "dynamodb")
    versions = s3.list_object_versions(Bucket=outputs["artifact_bucket"])
    return {
        "objects": [one["Key"] for one in versions.get("Versions", ())],
        "rows": dynamodb.scan(TableName=outputs["ledger_table"])["Items"],
        "stacks": ground.pulumi("stack", "ls", "--json").stdout.count('"name"'),
        "buckets": [one["Name"] for one in s3.list_buckets()["Buckets"]],
        "roles": [
            one["RoleName"]
            for one in client(ground, "iam").list_roles()["Roles"]
            if not one["RoleName"].startswith("AWSServiceRole")  # AWS's own, which stay
        ],
        "images": client(ground, "ec2").describe_images(Owners=["self"])["Images"],
        "parameters": [one["Name"] for one in client(ground, "ssm").describe_parameters()["Parameters"]],
    }


def test_a_run_is_green_and_leaves_nothing(states: States) -> None:
    with states.copy(UTILS) as ground:
        before = others(ground)
        done = ground.invoke("smoke", "--json")
        report = report_of(done.stdout)
        assert report["ok"], report
        assert {step["state"] for step in report["steps"]} == {"done"}
        assert report["seconds"] < WITHIN_S
        assert 0 < report["spent_usd"] < 1
        answers = {one["name"]: one["answer"] for one in report["answers"]}
        assert list(answers) == list(QUESTIONS)
        yes = {name for name, answer in answers.items() if answer == "yes"}
        assert yes >= {"launch-index", "fresh-profile", "build-log", "golden-in-build", "replaced-recipe"}
        assert others(ground) == before
        assert not (ground.root / "results" / "smoke" / report["run"] / "project").exists()


def test_all_is_taken_away_at_the_deadline(states: States) -> None:
    with states.copy(UTILS) as ground:
        before = others(ground)
        done = ground.invoke("smoke", "--json", "--minutes", "0.4", check=False)
        report = report_of(done.stdout)
        assert (done.returncode, report["ended"]) == (1, "the deadline of 0.4 minutes")
        assert report["left"] == []
        assert report["steps"][-1]["state"] == "done", report
        assert others(ground) == before


def test_a_broken_service_is_named_and_what_is_left_can_be_taken_away() -> None:
    with playground(ROOT) as ground:
        ground.invoke("local.up")
        environ = ground.local_environment()
        with broken(environ["AWS_ENDPOINT_URL"], "sqs") as endpoint:
            command = [sys.executable, "-m", "invoke", "smoke", "--json"]
            done = ground.run(command, {**environ, "AWS_ENDPOINT_URL": endpoint}, check=False)
        report = report_of(done.stdout)
        assert done.returncode == 1
        steps = {step["name"]: step for step in report["steps"]}
        assert steps["utils"]["state"] == "failed"
        assert "services that do not answer: sqs" in steps["utils"]["said"]
        assert steps["deploy"]["state"] == "left out"
        folder = Path(ground.root / "results" / "smoke" / report["run"])
        if (folder / "run.json").is_file():  # what could not be proved with a broken service
            again = report_of(ground.invoke("smoke", "--json", "--remove", report["run"]).stdout)
            assert again["ok"], again
        assert not (folder / "run.json").exists()
