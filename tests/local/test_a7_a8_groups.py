"""Scenarios A7 and A8 against the local cloud: an analysis is deployed, and who may do what in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from localcloud.tests.denials import denied
from neurocaas import Analysis
from tests.local.deployed import GROUPS, Deployed, Keys
from tests.local.job_helpers import Session

pytestmark = [pytest.mark.local, pytest.mark.slow]

STACK = "analysis-webdev"


def said(done: Any) -> str:
    return str(done.stdout + done.stderr)


def keys(service: Deployed, prefix: str = "") -> list[str]:
    found = service.client("s3").list_objects_v2(Bucket=service.bucket, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


class TestA7:
    """Deploy a `webdev` analysis."""

    def test_a7_the_bucket_is_the_analysis_s_and_submissions_of_each_group_start_jobs(
        self, service: Deployed
    ) -> None:
        assert service.analysis["analysis"] == "analysis"
        bucket = service.bucket
        assert fnmatchcase(bucket, "analysis-??????????-webdev")
        for name in ("analysis", "analysis-webdev", bucket):
            assert Analysis(name, "debuggers", session=Session(service)).bucket == bucket
        rules = service.client("s3").get_bucket_notification_configuration(Bucket=bucket)[
            "QueueConfigurations"
        ]
        found = {
            tuple(sorted((one["Name"].lower(), one["Value"]) for one in rule["Filter"]["Key"]["FilterRules"]))
            for rule in rules
        }
        for group in ("debuggers", "lab1", "lab10"):
            assert (("prefix", f"{group}/submissions/"), ("suffix", ".json")) in found

    def test_a7_every_folder_can_be_used_at_once(self, service: Deployed) -> None:
        """S3 needs no markers for folders: the prefixes are there for the group's people, empty or not, from
        the deploy on.
        """
        s3 = service.client("s3", service.user("bob"))
        for folder in ("inputs", "results", "submissions", "configs"):
            assert (
                s3.list_objects_v2(Bucket=service.bucket, Prefix=f"lab10/{folder}/")["IsTruncated"] is False
            )
        for folder in ("inputs", "configs"):
            s3.put_object(Bucket=service.bucket, Key=f"lab10/{folder}/first", Body=b"1")
        assert "jobs/lab10/analysis.json" in keys(service, "jobs/lab10/")

    def test_a7_a_second_up_changes_nothing(self, service: Deployed) -> None:
        service.ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", STACK)

    def test_a7_a_user_who_is_not_in_iam_is_named_before_anything_changes(self, service: Deployed) -> None:
        file = service.ground.root / "groups.yaml"
        file.write_text(
            GROUPS.replace("bob: {}", "bob: {}\n  carol: {existing: true}\n  dan: {existing: true}")
        )
        before = service.client("iam").list_users()["Users"]
        try:
            done = service.ground.invoke("deploy", "utils", "--yes", "--local", check=False)
        finally:
            file.write_text(GROUPS)
        assert done.returncode != 0
        assert "groups.yaml: users.carol" in said(done)
        assert "groups.yaml: users.dan" in said(done)
        assert "Traceback" not in said(done)
        assert service.client("iam").list_users()["Users"] == before
        service.ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")


class TestA8:
    """Group permissions, with the credentials of a user of the group."""

    @pytest.fixture(scope="class")
    @staticmethod
    def bob(service: Deployed) -> Keys:
        s3 = service.client("s3")
        for group in ("lab1", "lab10", "lab10x"):
            for folder in ("inputs", "configs", "submissions", "results"):
                s3.put_object(Bucket=service.bucket, Key=f"{group}/{folder}/there", Body=b"1")
        s3.put_object(Bucket=service.bucket, Key="logs/lab10/i-1.json", Body=b"1")
        return service.user("bob")

    @pytest.mark.parametrize("folder", ["inputs", "configs", "submissions"])
    def test_a8_puts_its_inputs_configs_and_submissions(
        self, service: Deployed, bob: Keys, folder: str
    ) -> None:
        service.client("s3", bob).put_object(Bucket=service.bucket, Key=f"lab10/{folder}/bobs", Body=b"1")

    @pytest.mark.parametrize("folder", ["results", "configs"])
    def test_a8_gets_its_results_and_configs(self, service: Deployed, bob: Keys, folder: str) -> None:
        assert (
            service.client("s3", bob)
            .get_object(Bucket=service.bucket, Key=f"lab10/{folder}/there")["Body"]
            .read()
            == b"1"
        )

    def test_a8_does_not_get_inputs_back(self, service: Deployed, bob: Keys) -> None:
        assert denied(
            lambda: service.client("s3", bob).get_object(Bucket=service.bucket, Key="lab10/inputs/there")
        )

    @pytest.mark.parametrize("prefix", ["lab1", "lab10x"])
    @pytest.mark.parametrize("folder", ["inputs", "configs", "submissions", "results"])
    def test_a8_reaches_no_other_group_though_a_name_be_the_beginning_of_the_other(
        self, service: Deployed, bob: Keys, prefix: str, folder: str
    ) -> None:
        s3 = service.client("s3", bob)
        tries: list[Callable[[], Any]] = [
            lambda: s3.get_object(Bucket=service.bucket, Key=f"{prefix}/{folder}/there"),
            lambda: s3.put_object(Bucket=service.bucket, Key=f"{prefix}/{folder}/bobs", Body=b"1"),
            lambda: s3.delete_object(Bucket=service.bucket, Key=f"{prefix}/{folder}/there"),
            lambda: s3.list_objects_v2(Bucket=service.bucket, Prefix=f"{prefix}/{folder}/"),
        ]
        assert [denied(one) for one in tries] == [True] * 4

    @pytest.mark.parametrize("key", ["logs/lab10/i-1.json", "logs/active/i-1.json"])
    def test_a8_reads_and_writes_no_logs(self, service: Deployed, bob: Keys, key: str) -> None:
        s3 = service.client("s3", bob)
        assert denied(lambda: s3.get_object(Bucket=service.bucket, Key=key))
        assert denied(lambda: s3.put_object(Bucket=service.bucket, Key=key, Body=b"1"))
        assert denied(lambda: s3.list_objects_v2(Bucket=service.bucket, Prefix="logs/"))


def test_a_deleted_result_comes_back(service: Deployed) -> None:
    s3, key = service.client("s3"), "lab10/results/job_7/process_results/out.csv"
    for body in (b"first", b"last"):
        s3.put_object(Bucket=service.bucket, Key=key, Body=body)
    s3.put_object(Bucket=service.bucket, Key="lab10/results/job_70/process_results/out.csv", Body=b"other")
    for _ in range(2):  # the second time leaves a second marker
        s3.delete_object(Bucket=service.bucket, Key=key)
    s3.delete_object(Bucket=service.bucket, Key="lab10/results/job_70/process_results/out.csv")
    assert keys(service, "lab10/results/job_7/") == []
    command = ("recover", STACK, "--prefix", "lab10/results/job_7/", "--local")
    listed = json.loads(service.ground.invoke(*command, "--dry-run", "--json").stdout)
    assert listed == {"bucket": service.bucket, "recovered": False, "keys": [key], "refused": []}
    assert keys(service, "lab10/results/job_7/") == []
    assert service.ground.invoke(*command).stdout == f"s3://{service.bucket}/{key}\n"
    assert s3.get_object(Bucket=service.bucket, Key=key)["Body"].read() == b"last"
    assert keys(service, "lab10/results/job_70/") == []
