"""A spot machine that AWS takes back while it works: its checkpoint is saved, the machine after it goes on
from there, and what the first one has uploaded is no result. A machine that is lost is followed like it, and
one whose script fails by itself is held for developers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from neurocaas.protocol.cost import charge
from tests.local.deployed import Deployed, outputs
from tests.local.job_helpers import Lab, certificate_facts, ended, until
from tests.local.states import UTILS, States, up

pytestmark = [pytest.mark.local, pytest.mark.slow]

SCRIPT = """#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
[ "$dataname" = empty.txt ] && exit 0
if [[ "$dataname" = index-* ]]; then
    echo '{}' >"$NEUROCAAS_OUTPUT/summary.json"
    echo "$dataname" >"$NEUROCAAS_OUTPUT/$dataname"
    exit 0
fi
if [ "$dataname" = large.txt ] && [ "$NEUROCAAS_ATTEMPT" = 1 ]; then
    echo '{"part": 1}' >"$NEUROCAAS_OUTPUT/part.json"
    echo "numpy: MemoryError: Unable to allocate 12 GiB" >&2
    exit 1
fi
[ "$dataname" = large.txt ] && echo '{}' >"$NEUROCAAS_OUTPUT/summary.json" && exit 0
if [ "$dataname" = broken.txt ]; then
    echo first
    yes | head -c 6000000
    echo "KeyError: 'bvecs'" >&2
    echo kept >"$NEUROCAAS_OUTPUT/state.txt"
    exit 3
fi
step="$CHECKPOINT_DIR/step"
[ -f "$step" ] || echo 0 >"$step"
from=$(cat "$step")
echo "::progress 0.3 from $from"
if [ "$from" = 0 ]; then
    echo 7 >"$step"
    echo partial >"$NEUROCAAS_OUTPUT/part.txt"
    upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
    echo "::progress 0.4 uploaded"
    sleep 300
fi
printf '{"from": %s}\\n' "$from" >"$NEUROCAAS_OUTPUT/summary.json"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
"""


LONG_RUNS = """\
logs: {keep: 2 MiB}
on_failure: hold 30m
errors:
  - {match: "^KeyError: 'bvecs'", name: No gradients, advice: Put the .bvec file beside the image.}
"""


@pytest.fixture(scope="module")
def lab(states: States) -> Iterator[Lab]:
    with states.copy(UTILS) as ground:
        folder = ground.root / "blueprints" / "analysis"
        (folder / "run_analysis.sh").write_text(SCRIPT)
        blueprint = folder / "blueprint.yaml"
        more = "  type: m5.large\n  market: spot\n  grow_memory: true\n"
        text = blueprint.read_text().replace("  type: m5.large\n", more)
        blueprint.write_text(f"{text}results:\n  required: [summary.json]\n{LONG_RUNS}")
        up(ground, "analysis-webdev")
        deployed = Deployed(ground, outputs(ground, "utils"), outputs(ground, "analysis-webdev"))
        yield Lab(deployed, "debuggers")


def test_a_checkpoint_outlives_its_machine(lab: Lab) -> None:
    job = lab.submit("long.txt")
    key = job.keys.status("long.txt")

    def status() -> dict[str, object]:
        return dict(json.loads(lab.text(key))) if key in lab.keys_below(job.keys.logs_prefix) else {}

    until("the script's work", lambda: status().get("progress_text") == "uploaded")
    assert lab.text(f"{job.keys.process_prefix}part.txt") == "partial\n"
    (machine,) = [one for one in lab.machines(job) if one["State"]["Name"] == "running"]
    assert machine["InstanceLifecycle"] == "spot"
    ground = lab.deployed.ground
    said = ground.invoke("local.reclaim", "--instance", machine["InstanceId"], "--seconds", "15")
    assert said.stdout.startswith(f"{machine['InstanceId']} ends at ")

    notice = "interrupted: AWS takes this spot machine back at "
    until("the notice in the status", lambda: str(status().get("reason", "")).startswith(notice))
    assert "the checkpoint is saved" in str(status()["reason"])
    assert lab.text(f"{job.keys.logs_prefix}long.txt/checkpoint/1/step") == "7\n"

    assert ended(job).succeeded, job.certificate()
    (dataset,) = certificate_facts(lab, job)["datasets"]
    assert (dataset["attempts"], dataset["exit_class"]) == (2, "success")
    assert {report["exit_class"] for report in lab.reports(job)} == {"reclaim", "success"}
    assert json.loads(lab.text(f"{job.keys.process_prefix}summary.json")) == {"from": 7}
    assert f"{job.keys.process_prefix}part.txt" not in lab.keys_below(job.keys.process_prefix)
    assert lab.text(f"{job.keys.attempts_prefix}1/process_results/part.txt") == "partial\n"
    reclaimed, resumed = dataset["machines"]
    assert (reclaimed["exit_class"], reclaimed["recorded"], resumed["exit_class"], resumed["resumed"]) == (
        "reclaim",
        True,
        "success",
        True,
    )
    assert [file["key"] for file in reclaimed["results"]] == [
        f"{job.keys.attempts_prefix}1/process_results/part.txt"
    ]
    for one in (reclaimed, resumed):
        assert one["spot_price"] == one["price"] == pytest.approx(0.3 * 0.096), (
            "what spot costs in the local cloud"
        )
        assert one["besides_price"] > 0, "the volume and the address"
        paid = charge(one["price"] + one["besides_price"], one["seconds"])
        assert round(one["cost"] * 1e6) == paid
    text = job.certificate()
    assert (
        text.count("ATTEMPT 1: ")
        == text.count("ATTEMPT 2: ")
        == text.count("JOB RESULT: ")
        == text.count("JOB COST: ")
        == 1
    )
    assert "STATUS: FAILED (reclaim)" in text
    assert "RESULTS: 1 kept apart in attempts/1/process_results/" in text
    assert re.search(r"STATUS: RESUMED FROM A CHECKPOINT OF 20\S+Z, SUCCESS \(success\)", text)
    happened = [json.loads(line) for line in lab.text(job.keys.events).splitlines()]
    # the manager says "started" when the call has returned, the first machine may run by then
    assert [one["event"] for one in happened if one["event"] != "started"] == [
        "submitted",
        "machine-started",
        "another-machine",
        "machine-started",
        "dataset-ended",
        "job-ended",
    ]
    assert {one.get("checkpoint") for one in happened if one["event"] == "another-machine"} == {True}


def test_a_failure_has_its_name_a_short_log_and_a_machine_that_developers_enter(lab: Lab) -> None:
    job, ground = lab.submit("broken.txt"), lab.deployed.ground
    key = job.keys.status("broken.txt")
    until("the failure", lambda: key in lab.keys_below(job.keys.logs_prefix) and "FAILED" in lab.text(key))
    assert not job.status().finished, "the machine waits to be found"
    sweep, function = lab.deployed.client("lambda"), lab.deployed.utils["sweep_function"]
    sweep.invoke(FunctionName=function, Payload=b"{}")
    assert not ended(job).succeeded
    (dataset,) = certificate_facts(lab, job)["datasets"]
    assert (dataset["error"], dataset["exit_code"]) == ("No gradients", 3)
    logs = "".join(
        lab.text(one) for one in sorted(lab.keys_below(f"{job.keys.logs_prefix}broken.txt/stdout."))
    ).splitlines()
    (gap,) = [number for number, line in enumerate(logs) if "are left out here: 2 MiB" in line]
    assert logs[:2] == ["first", "y"] or logs[1:3] == ["first", "y"]
    assert sum(map(len, logs)) < 3_000_000
    assert logs[-1] == "y"
    assert 0 < gap < len(logs) - 1
    (held,) = json.loads(ground.invoke("hold.list", "--json").stdout)
    assert (held["job"], held["group"]) == (job.timestamp, "debuggers")
    inside = ground.invoke(
        "hold.shell", "--machine", job.timestamp, "--command", "cat /tmp/neurocaas-output.*/state.txt"
    )
    assert "kept" in inside.stdout
    ground.invoke("hold.release", "--machine", held["instance"])
    until("its end", lambda: all(one["State"]["Name"] == "terminated" for one in lab.machines(job)))
    sweep.invoke(FunctionName=function, Payload=b"{}")
    record = json.loads(lab.text(f"jobs/debuggers/holds/{held['instance']}.json"))
    assert 0 < record["usd"] < record["reserved"] / 1e6
    assert "hold-ended" in lab.text(job.keys.events)


def test_a_script_that_ends_well_without_the_results_that_are_required_has_failed(lab: Lab) -> None:
    job = lab.submit("empty.txt")
    state = ended(job)
    assert state.end == (
        "FAILED 0/1 empty.txt: the results lack summary.json, which the analysis requires; the results that "
        "there are: none"
    )
    (dataset,) = certificate_facts(lab, job)["datasets"]
    assert (dataset["status"], dataset["exit_class"], dataset["exit_code"]) == ("FAILED", "analysis", 0)


def test_a_script_that_runs_out_of_memory_is_run_again_on_a_larger_machine(lab: Lab) -> None:
    job = lab.submit("large.txt")
    assert ended(job).succeeded, job.certificate()
    (dataset,) = certificate_facts(lab, job)["datasets"]
    small, large = dataset["machines"]
    assert (small["instance_type"], small["out_of_memory"], small["exit_class"]) == (
        "m5.large",
        True,
        "analysis",
    )
    assert small["reason"].startswith("numpy: MemoryError: Unable to allocate 12 GiB")
    assert (large["instance_type"], large["exit_class"]) == ("m5.xlarge", "success")
    assert lab.text(f"{job.keys.attempts_prefix}1/process_results/part.json") == '{"part": 1}\n'
    assert f"{job.keys.process_prefix}part.json" not in lab.keys_below(job.keys.process_prefix)


def test_only_spot_machines_that_run_are_taken_back(lab: Lab) -> None:
    done = lab.deployed.ground.invoke("local.reclaim", "--instance", "i-0123456789abcdef0", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no instance i-0123456789abcdef0" in done.stderr


@contextmanager
def account(lab: Lab, **properties: Any) -> Iterator[None]:
    """An account with these properties, and an easy one again after the body."""
    lab.admin("account", **properties)
    try:
        yield
    finally:
        lab.admin("account")


def test_each_dataset_is_computed_once_where_all_spot_machines_have_the_launch_index_0(lab: Lab) -> None:
    names = [f"index-{number}.txt" for number in range(3)]
    with account(lab, spot_launch_index="zero"):
        job = lab.submit(*names)
        assert ended(job).end.startswith("SUCCESS 3/3"), job.certificate()
    assert sorted(report["dataset"] for report in lab.reports(job)) == [0, 1, 2]
    assert {machine["AmiLaunchIndex"] for machine in lab.machines(job)} == {0}
    assert [lab.text(f"{job.keys.process_prefix}{name}") for name in names] == [f"{name}\n" for name in names]


def test_an_account_that_has_never_had_a_spot_machine_is_told_so(lab: Lab) -> None:
    with account(lab, spot_role=False):
        job = lab.submit("index-0.txt")
        assert "AWSServiceRoleForEC2Spot" in ended(job).end
    assert lab.machines(job) == []
    where = ("--lambda", "manager", "--stack", "analysis-webdev")
    said = lab.deployed.ground.invoke("logs", job.timestamp, *where).stdout
    assert "RunInstances was refused" in said
    assert "code=AuthFailure.ServiceLinkedRoleCreationNotPermitted" in said


def test_a_machine_that_ec2_ends_before_it_runs_costs_nothing_and_is_followed_by_another(lab: Lab) -> None:
    volumes = lab.ec2.describe_volumes()["Volumes"]
    with account(lab, quotas={"ebs_gib": sum(volume["Size"] for volume in volumes) + 1}):
        job = lab.submit("index-0.txt")
        key = job.keys.status("index-0.txt")
        told = "EC2 has ended the machine before it ran; attempt 2 of 3 is being started"
        until(
            "the next attempt", lambda: key in lab.keys_below(job.keys.logs_prefix) and told in lab.text(key)
        )
    (report,) = lab.reports(job)
    assert (report["exit_class"], report["cost"]) == ("capacity", 0)
    assert "Client.VolumeLimitExceeded" in report["reason"]
    job.cancel()
