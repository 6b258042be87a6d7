"""The name of a bucket before a first deploy: what it will be, and whether it can be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from blueprints.bucket_names import default_name
from console import removal
from console.errors import UserError
from console.first_deploy import possible_buckets, refuse_taken

ACCOUNT, REGION = "123456789012", "us-east-1"
BLUEPRINT = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance: {type: m5.large}
image: {parent: ubuntu24, required: false}
stages:
  prod: {bucket: spikes-prod}
"""
WEBDEV = default_name("spikes", "webdev", ACCOUNT, REGION)


class Engine:
    """What is asked of an engine: the project's folder, and the region of a stack."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def region(self, stack: str) -> str:
        return REGION


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "blueprints" / "spikes"
    folder.mkdir(parents=True)
    (folder / "blueprint.yaml").write_text(BLUEPRINT)
    (folder / "run_spikes.sh").write_text("#!/bin/bash\n")
    return tmp_path


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", REGION)):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client


def test_the_names_that_a_bucket_may_have(root: Path) -> None:
    assert possible_buckets("spikes-webdev", root, ACCOUNT, REGION) == (WEBDEV, "spikes")
    assert possible_buckets("spikes-prod", root, ACCOUNT, REGION) == ("spikes-prod",)
    assert possible_buckets("utils", root, ACCOUNT, REGION) == ()
    assert possible_buckets("nothing-webdev", root, ACCOUNT, REGION) == ()


def test_a_free_name_is_fine(root: Path, make: Any) -> None:
    for stack in ("utils", "spikes-webdev", "spikes-prod"):
        refuse_taken(Engine(root), stack, make, [])


def test_a_stack_that_has_its_bucket_is_not_asked(root: Path, make: Any) -> None:
    make("s3").create_bucket(Bucket="spikes-prod")
    has = {"type": "aws:s3/bucket:Bucket", "id": "spikes-prod", "inputs": {}}
    refuse_taken(Engine(root), "spikes-prod", make, [has])


def test_a_bucket_of_the_account_that_is_not_the_stack_s(root: Path, make: Any) -> None:
    make("s3").create_bucket(Bucket="spikes-prod")
    with pytest.raises(UserError) as error:
        refuse_taken(Engine(root), "spikes-prod", make, [])
    assert error.value.got == (
        f"bucket 'spikes-prod', which spikes-prod would make, is in account {ACCOUNT} already, and not the "
        "stack's"
    )
    assert "stages.prod in blueprints/spikes/blueprint.yaml" in error.value.do
    assert "`invoke adopt spikes-prod`" in error.value.do


def test_somebody_else_s_bucket(root: Path, make: Any) -> None:
    def foreign(service: str) -> Any:
        made = make(service)
        if service == "s3":

            def refuse(**_: Any) -> None:
                raise ClientError({"Error": {"Code": "403"}}, "HeadBucket")

            made.meta.events.register("before-call.s3.HeadBucket", refuse)
        return made

    with pytest.raises(UserError) as error:
        refuse_taken(Engine(root), "spikes-webdev", foreign, [])
    assert error.value.got == f"bucket '{WEBDEV}', which spikes-webdev would make, is somebody else's"
    assert "nothing was made" in error.value.allowed


@pytest.mark.parametrize(("name", "means"), [
    ("dti-abc-prod", True), ("dti-prod", True), ("dti", True), ("dti-webdev", False), ("dt", False),
])  # fmt: skip
def test_what_a_bucket_may_be_called_when_it_is_to_be_deleted(name: str, means: bool) -> None:
    assert removal.means("dti-prod", "dti-abc-prod", name) is means


def test_a_group_that_goes_is_told_of_the_buckets_that_are_there(make: Any) -> None:
    s3 = make("s3")
    for name in ("dti-abc-prod", "dti-abc-webdev", "fmri-abc-prod", "kept"):
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="lab1/inputs/a", Body=b"1")
    said = removal.farewell(s3, "lab1", ["dti-abc-*", "kept", "never-made"], "utils")
    assert [line.partition("s3://")[2].partition("/")[0] for line in said] == [
        "dti-abc-prod", "dti-abc-webdev", "kept",
    ]  # fmt: skip
