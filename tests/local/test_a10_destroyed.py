"""Scenario A10 against the local cloud: a stack with data is destroyed only by who says so."""

from __future__ import annotations

import json

import pytest

from tests.local.deployed import Deployed

pytestmark = [pytest.mark.local, pytest.mark.slow]


class TestA10:
    """Destroy a stack with data: a stack of its own, the analysis at the stage `develop`."""

    STACK, BUCKET = "analysis-develop", "analysis-develop"

    def test_a10_a_bucket_that_nobody_would_call_so_today_is_kept(self, service: Deployed) -> None:
        """As an earlier version has called it: the blueprint does not say it, the stack has it."""
        ground = service.ground
        ground.invoke("deploy", self.STACK, "--yes", "--local")
        file = ground.root / "blueprints/analysis/blueprint.yaml"
        text = file.read_text()
        assert f"develop: {{bucket: {self.BUCKET}}}" in text
        try:
            file.write_text(text.replace(f"bucket: {self.BUCKET}", "budget_usd: 299"))
            steps = json.loads(ground.pulumi("preview", "--json", "--stack", self.STACK).stdout)["steps"]
        finally:
            file.write_text(text)
        ops = {one["urn"].rpartition("::")[2]: one["op"] for one in steps if "s3/bucket:Bucket" in one["urn"]}
        assert set(ops.values()) <= {"same"}  # the engine leaves out what stays as it is
        assert any(one["op"] == "update" for one in steps), "the new budget is in the settings"
        assert not {one["op"] for one in steps} & {
            "create-replacement",
            "replace",
            "delete",
            "delete-replaced",
        }

    def test_a10_a_stack_with_a_result_is_not_destroyed_unless_it_is_forced(self, service: Deployed) -> None:
        s3, ground = service.client("s3"), service.ground
        ground.invoke("deploy", self.STACK, "--yes", "--local")
        queue = json.loads(ground.invoke("outputs", self.STACK, "--local").stdout)["submission_queue_url"]
        for number in range(3):
            s3.put_object(
                Bucket=self.BUCKET, Key=f"lab1/results/job_1/process_results/{number}", Body=b"1234"
            )

        refused = ground.invoke("destroy", self.STACK, "--yes", "--local", check=False)
        assert refused.returncode == 1
        assert f"s3://{self.BUCKET}/ holds 3 objects (12 bytes)" in refused.stderr
        assert "  lab1: 3 objects (12 bytes)" in refused.stderr
        assert "--delete-data" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert service.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])

        plain = ground.pulumi("destroy", "--yes", "--skip-preview", "--stack", self.STACK, check=False)
        assert plain.returncode != 0
        assert (
            s3.get_object(Bucket=self.BUCKET, Key="lab1/results/job_1/process_results/2")["Body"].read()
            == b"1234"
        )
        assert len(s3.list_objects_v2(Bucket=self.BUCKET)["Contents"]) == 3

        asked = ground.invoke("destroy", self.STACK, "--delete-data", "--local", check=False)
        assert asked.returncode == 1
        assert len(s3.list_objects_v2(Bucket=self.BUCKET)["Contents"]) == 3

        forced = ground.invoke("destroy", self.STACK, "--delete-data", "--yes", "--local")
        assert f"s3://{self.BUCKET}/ holds 3 objects (12 bytes)" in forced.stdout
        assert self.BUCKET not in [one["Name"] for one in s3.list_buckets()["Buckets"]]

    def test_a10_production_wants_its_buckets_name_and_utils_its_stacks_gone(self, service: Deployed) -> None:
        ground, stack = service.ground, "analysis-prod"
        ground.invoke("deploy", stack, "--yes", "--local")
        for arguments in ((), ("--delete-data",)):
            refused = ground.invoke("destroy", stack, "--yes", *arguments, "--local", check=False)
            assert refused.returncode == 1
            assert "--bucket analysis-prod" in refused.stderr
        plain = ground.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack, check=False)
        assert plain.returncode != 0
        assert "protect" in plain.stdout + plain.stderr
        assert "analysis-prod" in [one["Name"] for one in service.client("s3").list_buckets()["Buckets"]]
        ground.invoke("destroy", stack, "--yes", "--bucket", "analysis-prod", "--local")
        assert "analysis-prod" not in [one["Name"] for one in service.client("s3").list_buckets()["Buckets"]]

        refused = ground.invoke("destroy", "utils", "--yes", "--local", check=False)
        assert refused.returncode == 1
        assert "utils, which analysis-webdev needs" in refused.stderr
