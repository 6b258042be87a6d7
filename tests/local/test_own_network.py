"""A service that had the default network gets one of its own, on the local cloud: jobs run there."""

from __future__ import annotations

import pytest

from image_builder.preflight import check
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]


def test_machines_bakes_and_data_after_a_change_of_the_network(service: Deployed) -> None:
    ground, before = service.ground, dict(service.utils)
    lab = Lab(service)
    kept = lab.data("kept.txt", "of before")
    ground.pulumi("config", "set", "network", "own", "--stack", "utils")
    for stack in ("utils", "analysis-webdev"):
        ground.invoke("deploy", stack, "--yes", "--local")
    service.read_outputs()

    ec2, subnets = service.client("ec2"), {one["id"] for one in service.utils["subnets"]}
    assert len(subnets) >= 2
    assert lab.text(kept) == "of before"
    for name in ("artifact_bucket", "ledger_table", "key_pair_name", "kms_key_arn"):
        assert service.utils[name] == before[name], f"{name} was replaced"
    group = ec2.describe_security_groups(GroupIds=[service.utils["security_group_id"]])["SecurityGroups"][0]
    assert group["VpcId"] == service.utils["vpc_id"]

    job = lab.submit("one.txt", configname=lab.config(wait=2))
    places = until("a machine", lambda: {one["SubnetId"] for one in lab.machines(job)})
    assert places <= subnets
    assert ended(job).succeeded

    pipeline = service.analysis["image_pipeline_arn"] or service.utils["image_pipeline_arn"]
    told = check("analysis-webdev", pipeline, service.client, parent="ubuntu24")
    assert [one.field for one in told.problems if "network" in one.field or "groups" in one.field] == []

    ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")
