"""The parts of the tour that can be judged without taking it."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from console.errors import UserError
from demo import machines
from demo.samples import TourSample
from demo.summary import AnalysisResult, TourPhase, dataset_results, write
from demo.tour import Tour
from localcloud.processes import identify
from localcloud.running import SCHEMA_VERSION, Cloud
from neurocaas import FetchedFile, JobState
from neurocaas.protocol.keys import report_key
from neurocaas.protocol.report import ComputeReport
from neurocaas.states import DatasetState
from tests.unit.client_jobs import KEYS, job_json
from tests.unit.moto_images import IMAGE

REPORT = ComputeReport(
    instance_id="i-1",
    instance_type="m5.xlarge",
    spot=False,
    price=0.192,
    databucket="dti",
    datapath="debuggers/inputs/a",
    configpath="debuggers/configs/c.json",
    jobpath=KEYS.prefix,
    group="debuggers",
    timestamp=KEYS.timestamp,
    dataset=0,
    start="2026-01-31T12:00:00.000Z",
    end="2026-01-31T12:30:00.000Z",
    status="SUCCESS",
)


def test_the_summary_has_what_ran_where_and_what_it_costs(tmp_path: Path) -> None:
    from neurocaas.protocol.job import Job

    state = JobState(KEYS.timestamp, "DONE", (
        DatasetState("a", "debuggers/inputs/a", "SUCCESS", 12.5, instance="i-1", exit_code=0),
        DatasetState("b", "debuggers/inputs/b", "FAILED", reason="exit status 3", instance="i-2",
            exit_code=3),
    ), "FAILED 1/2")  # fmt: skip
    datasets = dataset_results(state, Job.from_json(job_json("s", "a", "b")), {"i-1": REPORT})
    result = AnalysisResult(
        "dti-webdev",
        "dti",
        "debuggers",
        KEYS.timestamp,
        "ami-1",
        "FAILED",
        datasets,
        [FetchedFile("dti/x", "k", 3, "ab")],
    )
    write(
        tmp_path / "deep" / "summary.json",
        "local",
        [TourPhase("jobs", 1.5), TourPhase("results", 0.25)],
        {"dti": result},
    )
    document = json.loads((tmp_path / "deep" / "summary.json").read_text())
    assert document["seconds"] == 1.75
    first, second = document["analyses"]["dti"]["datasets"]
    assert (first["instance"], first["instance_type"], first["machine_seconds"], first["cost_usd"]) == (
        "i-1",
        "m5.xlarge",
        1800.0,
        0.096,
    )
    assert (second["outcome"], second["reason"], second["cost_usd"]) == ("FAILED", "exit status 3", None)
    assert document["analyses"]["dti"]["cost_usd"] == 0.096
    assert document["analyses"]["dti"]["files"] == [{"path": "dti/x", "bytes": 3, "sha256": "ab"}]


def test_numbers_are_shown_with_the_dataset_that_they_belong_to(tmp_path: Path) -> None:
    folder = tmp_path / "process_results" / "small_64D"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(
        json.dumps({"fa": {"mean": 0.5, "std": 2e-7}, "voxels": 3, "slices": [1, 2], "ok": True, "name": "x"})
    )
    (folder / "figure.png").write_bytes(b"\x89PNG")
    (tmp_path / "process_results" / "2026_config.json").write_text('{"wait": 1}')
    lines = TourSample("dti", {}, baked=True).numbers(tmp_path)
    assert lines == [
        "small_64D  numbers: voxels 3",
        "small_64D  fa: mean 0.5, std 2e-07",
        f"figure: {folder / 'figure.png'}",
    ]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(machines, "PATIENCE", 0.0)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="dti")
        yield boto3.client("ec2"), s3


def launch(ec2: Any) -> str:
    return str(ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])


def test_machines_that_are_gone_are_told_with_their_reports(aws: tuple[Any, Any]) -> None:
    ec2, s3 = aws
    instance = launch(ec2)
    ec2.terminate_instances(InstanceIds=[instance])
    s3.put_object(
        Bucket="dti",
        Key=report_key("debuggers", instance),
        Body=replace(REPORT, instance_id=instance).to_json().encode(),
    )
    ended = machines.await_end(ec2, s3, "dti", "debuggers", [instance, "i-00000000000000000"])
    assert ended.reports[instance].seconds == 1800
    assert ended.images[instance].startswith("ami-")


def test_a_machine_that_outlives_its_job_is_an_error(aws: tuple[Any, Any]) -> None:
    ec2, s3 = aws
    instance = launch(ec2)
    with pytest.raises(UserError, match=f"{instance} are still there"):
        machines.await_end(ec2, s3, "dti", "debuggers", [instance])


def test_a_console_that_is_not_there_is_empty(aws: tuple[Any, Any]) -> None:
    assert machines.console_tail(aws[0], "") == []
    assert machines.console_tail(aws[0], "i-00000000000000000") == []


@pytest.mark.parametrize(("dead", "told"), [("", None), ("emulator", "emulator"), ("fleet", "fleet")])
def test_jobs_are_not_followed_in_a_cloud_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead: str, told: str | None
) -> None:
    monkeypatch.setenv("LOCALCLOUD_HOME", str(tmp_path))
    tour = Tour(tmp_path, tmp_path / "results")
    alive = identify(os.getpid())
    assert alive is not None
    start = {name: alive.start - (name == dead) for name in ("emulator", "fleet")}
    Cloud(
        schema_version=SCHEMA_VERSION, endpoint="http://127.0.0.1:1", port=1, region="us-east-1",
        account="0" * 12, access_key_id="",
        secret_access_key="", admin_token="", emulator_pid=alive.pid, emulator_start=start["emulator"],
        fleet_pid=alive.pid,
        fleet_start=start["fleet"], sandbox=None, started="",
    ).write(tour.paths)  # fmt: skip
    if told is None:
        tour.require_cloud()
    else:
        with pytest.raises(
            UserError, match=rf"local cloud's {told} has ended .*\n.*\n.*invoke local\.logs {told}"
        ):
            tour.require_cloud()
