"""A service that had the default network gets one of its own, on the local cloud: jobs run there, in its
closed part when the analysis is closed. On the way, an analysis with a secret.
"""

from __future__ import annotations

import functools

import pytest

from image_builder.preflight import check
from localcloud.tests.denials import denied
from neurocaas import JobHandle
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]


TOKEN = "s3cr3t-t0ken"


def texts(lab: Lab, job: JobHandle) -> str:
    """All that is written of a job: its logs, statuses, certificates and records."""
    places = (f"lab1/results/job_{job.timestamp}/", f"jobs/lab1/job_{job.timestamp}/", "evidence/", "logs/")
    return "".join(lab.text(key) for place in places for key in sorted(lab.keys_below(place)))


def test_machines_bakes_and_data_after_a_change_of_the_network(service: Deployed) -> None:
    ground, before = service.ground, dict(service.utils)
    lab = Lab(service)
    kept = lab.data("kept.txt", "of before")
    ground.pulumi("config", "set", "network", "own", "--stack", "utils")
    script = ground.root / "blueprints/analysis/run_analysis.sh"
    script.write_text(f'{script.read_text()}echo "is it ${{API_TOKEN:-missing}}"\n')
    blueprint = ground.root / "blueprints/analysis/blueprint.yaml"
    text = blueprint.read_text()
    blueprint.write_text(f"{text}secrets: [API_TOKEN]\n")
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

    lacking = lab.submit("none.txt", configname=lab.config(wait=0))
    assert not ended(lacking).succeeded
    assert "invoke secret analysis-webdev API_TOKEN" in texts(lab, lacking)
    ground.invoke("secret", "analysis-webdev", "API_TOKEN", "--local", typed=f"{TOKEN}\n")
    job = lab.submit("one.txt", configname=lab.config(wait=2))
    places = until("a machine", lambda: {one["SubnetId"] for one in lab.machines(job)})
    assert places <= subnets
    assert ended(job).succeeded
    assert "is it [secret API_TOKEN]" in texts(lab, job)
    assert TOKEN not in texts(lab, job)
    name = "/neurocaas/secrets/analysis-webdev/API_TOKEN"
    for who in (service.user("ann"), service.role(service.analysis["manager_role_arn"])):
        read = functools.partial(service.client("ssm", who).get_parameters, Names=[name])
        assert denied(read)

    pipeline = service.analysis["image_pipeline_arn"] or service.utils["image_pipeline_arn"]
    told = check("analysis-webdev", pipeline, service.client, parent="ubuntu24")
    assert [one.field for one in told.problems if "network" in one.field or "groups" in one.field] == []

    blueprint.write_text(f"{text}network: closed\n")
    ground.invoke("deploy", "analysis-webdev", "--yes", "--local")
    job = lab.submit("two.txt", configname=lab.config(wait=2))
    places = until("a machine", lambda: {one["SubnetId"] for one in lab.machines(job)})
    assert places <= {one["id"] for one in service.utils["closed_subnets"]}
    assert ended(job).succeeded

    ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")
