"""The analyst's commands on the local cloud: logs that are followed while a job runs, and a rerun whose input
has changed since.
"""

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from neurocaas import Analysis, AnalysisError, JobHandle
from neurocaas import rerun as again
from tests.local.deployed import Deployed
from tests.local.job_helpers import PATIENCE, Lab, Session, ended

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module")
def first(lab: Lab) -> JobHandle:
    job = lab.submit("again.txt", configname=lab.config(wait=1))
    assert ended(job).succeeded, job.certificate()
    return job


def flags(lab: Lab) -> tuple[str, ...]:
    return ("--local", "--bucket", lab.bucket, "--group", lab.group)


def test_logs_are_followed_while_the_job_runs(service: Deployed, lab: Lab) -> None:
    job = lab.submit("followed.txt", configname=lab.config(wait=12))
    command = [sys.executable, "-m", "invoke", "logs", job.timestamp, "--follow", *flags(lab)]
    ground = service.ground
    with subprocess.Popen(
        command,
        cwd=ground.root,
        env=ground.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout is not None
        late = threading.Timer(PATIENCE, follower.kill)
        late.start()
        lines = iter(follower.stdout.readline, "")
        assert any("::progress 0.2" in line for line in lines)
        assert not job.status().finished, "the line came when the job had ended"
        rest = list(lines)
        late.cancel()
    assert follower.returncode == 0
    assert any("::progress 1 done" in line for line in rest)
    whole = ground.invoke("logs", job.timestamp, *flags(lab)).stdout.splitlines()
    assert [line.rstrip("\n") for line in rest] == whole[-len(rest) :], "each line once, and none is missing"


def test_a_rerun_uses_the_input_of_then(service: Deployed, lab: Lab, first: JobHandle) -> None:
    lab.put("lab1/inputs/again.txt", "another content, of another length: the results would be others")
    certificate = f"s3://{lab.bucket}/{first.keys.certificate_json}"
    done = service.ground.invoke("rerun", certificate, *flags(lab), "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert {one["path"]: one["outcome"] for one in told["verdicts"]} == {
        "again.txt/summary.json": "identical"
    }
    assert any("lab1/inputs/again.txt has changed since: its version of" in one for one in told["notes"])
    member = Analysis(lab.bucket, "lab1", session=Session(service, service.user("ann")))
    of, about = again.original(first.timestamp, member), member.about()
    with pytest.raises(AnalysisError, match="may not look at its earlier versions"):
        again.prepare(of, member, about)


def test_an_output_that_does_not_come_out_again_is_exit_code_one(
    service: Deployed, lab: Lab, first: JobHandle
) -> None:
    """As if the script were not deterministic: what the first run is said to have written is something
    else.
    """
    key = f"{first.keys.process_prefix}again.txt/summary.json"
    record: dict[str, Any] = json.loads(lab.text(first.keys.record("again.txt")))
    lab.put(first.keys.record("again.txt"), json.dumps({**record, "results": []}))
    lab.put(key, json.dumps({**json.loads(lab.text(key)), "bytes": 7}))
    done = service.ground.invoke("rerun", first.timestamp, *flags(lab), check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "different         again.txt/summary.json (tolerance: relative 1e-06 or absolute 1e-09, by json)"
        in done.stdout
    )
    assert f"reproduces 0 of 1 outputs of job {first.timestamp}" in done.stdout


def test_a_rerun_runs_the_code_of_then(service: Deployed, lab: Lab) -> None:
    job = lab.submit("code.txt", configname=lab.config())
    assert ended(job).succeeded, job.certificate()
    script = service.ground.root / "blueprints" / "analysis" / "run_analysis.sh"
    text = script.read_text()
    script.write_text(text + "exit 9\n")
    try:
        service.ground.pulumi("up", "--yes", "--skip-preview", "--stack", "analysis-webdev")
        done = service.ground.invoke("rerun", job.timestamp, *flags(lab), "--json", check=False)
    finally:
        script.write_text(text)
        service.ground.pulumi("up", "--yes", "--skip-preview", "--stack", "analysis-webdev")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert {one["outcome"] for one in told["verdicts"]} == {"identical"}
    assert any("the job runs on what there was then" in one for one in told["notes"])
    assert lab.analysis.job(told["job"]).job().code == job.job().code


def test_a_job_is_found_by_its_beginning_and_as_the_last(
    service: Deployed, lab: Lab, first: JobHandle
) -> None:
    latest = lab.analysis.listing()[-1].job
    assert (
        json.loads(service.ground.invoke("status", "last", *flags(lab), "--json", check=False).stdout)[
            "timestamp"
        ]
        == latest
    )
    shown = service.ground.invoke("status", first.timestamp[:-1], *flags(lab))
    assert shown.stdout.startswith(f"job {first.timestamp}  SUCCESS  1 of 1 dataset done\n")
    gone = service.ground.invoke("status", "nonesuch", *flags(lab), check=False)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "has no job 'nonesuch'" in gone.stderr
