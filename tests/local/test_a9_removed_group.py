"""Scenario A9 against the local cloud: a group is taken away, and its data and its neighbour stay."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.tests.denials import denied
from tests.local.deployed import GROUPS, Deployed
from tests.local.states import up

pytestmark = [pytest.mark.local, pytest.mark.slow]

STACK = "analysis-webdev"
WITHOUT_LAB1 = GROUPS.replace(GROUPS[GROUPS.index("  lab1:") : GROUPS.index("  lab10:")], "")


def keys(service: Deployed, prefix: str) -> list[str]:
    found = service.client("s3").list_objects_v2(Bucket=service.bucket, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


@pytest.fixture(scope="module")
def lab1_removed(service: Deployed) -> tuple[Any, Any]:
    """lab1 is taken out of groups.yaml and deployed, with data in lab1 and lab10; what the deploys said."""
    s3 = service.client("s3")
    for group in ("lab1", "lab10"):
        for key in (
            f"{group}/results/job_9/process_results/out.csv",
            f"{group}/inputs/data.zip",
            f"logs/{group}/i-9.json",
        ):
            s3.put_object(Bucket=service.bucket, Key=key, Body=b"12345")
    ground = service.ground
    (ground.root / "groups.yaml").write_text(WITHOUT_LAB1)
    analysis = ground.invoke("deploy", STACK, "--yes", "--local")
    return ground.invoke("deploy", "utils", "--yes", "--local"), analysis


def test_a9_a_group_that_is_removed_keeps_its_data_and_its_neighbour(
    service: Deployed, lab1_removed: tuple[Any, Any]
) -> None:
    ann, bob = service.user("ann"), service.user("bob")
    for done in lab1_removed:
        assert (
            "group lab1 is removed; its data stays: "
            f"s3://{service.bucket}/lab1/, jobs/lab1/ and logs/lab1/ hold " in done.stderr
        )
        assert "group lab10" not in done.stderr
    assert "invoke empty-bucket analysis-webdev --prefix lab1/" in lab1_removed[1].stderr
    for group in ("lab1", "lab10"):
        assert f"{group}/results/job_9/process_results/out.csv" in keys(service, f"{group}/")
        assert keys(service, f"logs/{group}/i-9.json")
    mine = service.client("s3", bob).get_object(
        Bucket=service.bucket, Key="lab10/results/job_9/process_results/out.csv"
    )
    assert mine["Body"].read() == b"12345"
    assert denied(
        lambda: service.client("s3", ann).list_objects_v2(Bucket=service.bucket, Prefix="lab1/results/")
    )

    asked = service.ground.invoke("empty-bucket", STACK, "--prefix", "lab1/", "--local", check=False)
    assert asked.returncode == 1
    assert "lab1/ holds " in asked.stdout
    assert "lab1/results/job_9/process_results/out.csv" in keys(service, "lab1/")
    assert (
        "is empty"
        in service.ground.invoke("empty-bucket", STACK, "--prefix", "lab1/", "--yes", "--local").stdout
    )
    assert keys(service, "lab1/") == []
    assert "lab10/results/job_9/process_results/out.csv" in keys(service, "lab10/")

    (service.ground.root / "groups.yaml").write_text(GROUPS)  # and it comes back
    for stack in ("utils", STACK):
        up(service.ground, stack)
    service.read_outputs()
    assert set(service.analysis["groups"]) >= {"lab1", "lab10"}
