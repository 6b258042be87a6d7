"""From what people call an analysis to its bucket."""

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from neurocaas import Analysis, AnalysisError
from neurocaas.protocol.analyses import DeployedAnalysis, listed, named, parameter

ACCOUNT, REGION = "123456789012", "us-east-1"


def deployed(analysis: str, stage: str, bucket: str = "", account: str = ACCOUNT) -> DeployedAnalysis:
    return DeployedAnalysis(analysis, stage, bucket or f"{analysis}-abc-{stage}", account, REGION, "Title")


ANALYSES = (
    deployed("dti", "webdev"),
    deployed("dti", "prod"),
    deployed("fmri", "develop"),
    deployed("dti-prod", "webdev"),
    deployed("old", "webdev", bucket="old-bucket"),
)


@pytest.mark.parametrize(("name", "bucket"), [
    ("dti", "dti-abc-prod"),
    ("dti-webdev", "dti-abc-webdev"),
    ("dti-prod", "dti-abc-prod"),
    ("dti-prod-webdev", "dti-prod-abc-webdev"),
    ("fmri", "fmri-abc-develop"),
    ("old", "old-bucket"),
    ("old-bucket", "old-bucket"),
    ("dti-abc-webdev", "dti-abc-webdev"),
])  # fmt: skip
def test_what_a_name_means(name: str, bucket: str) -> None:
    for order in (ANALYSES, ANALYSES[::-1]):
        found = named(order, name)
        assert found is not None
        assert found.bucket == bucket


def test_a_name_that_nobody_has() -> None:
    assert named(ANALYSES, "dt") is None
    assert named((), "dti") is None


def test_an_entry_is_read_as_it_was_written_and_one_of_another_version_is_none() -> None:
    one = ANALYSES[0]
    assert DeployedAnalysis.from_json(one.to_json()) == one
    for text in ("", "[]", "{}", one.to_json().replace('"schema_version": 1', '"schema_version": 2')):
        assert DeployedAnalysis.from_json(text) is None


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("ssm")


def tell(ssm: Any, group: str, *analyses: DeployedAnalysis) -> None:
    for one in analyses:
        name = parameter(group, one.analysis, one.stage)
        ssm.put_parameter(Name=name, Value=one.to_json(), Type="String")


def test_a_group_sees_its_own_analyses_only(ssm: Any) -> None:
    tell(ssm, "lab1", *ANALYSES)
    tell(ssm, "lab10", ANALYSES[2])
    assert [one.stack for one in listed(ssm, "lab1")] == [
        "dti-prod", "dti-webdev", "dti-prod-webdev", "fmri-develop", "old-webdev",
    ]  # fmt: skip
    assert [one.stack for one in listed(ssm, "lab10")] == ["fmri-develop"]


def test_the_library_takes_the_name_of_an_analysis_a_stack_or_a_bucket(ssm: Any) -> None:
    tell(ssm, "lab1", *ANALYSES)
    for name in ("dti", "dti-prod", "dti-abc-prod"):
        assert Analysis(name, "lab1").bucket == "dti-abc-prod"


def test_a_bucket_that_the_index_has_not_is_taken_when_the_group_has_its_folder_there(ssm: Any) -> None:
    """A stack that an earlier version has deployed, beside one of this version."""
    tell(ssm, "lab1", ANALYSES[0])
    boto3.client("s3").create_bucket(Bucket="of-an-earlier-version")
    assert Analysis("of-an-earlier-version", "lab1").bucket == "of-an-earlier-version"


def test_without_an_index_the_name_is_that_of_a_bucket(ssm: Any) -> None:
    boto3.client("s3").create_bucket(Bucket="dti")
    assert Analysis("dti", "lab1").job_names() == []


def test_an_unknown_name_is_told_with_the_nearest(ssm: Any) -> None:
    tell(ssm, "lab1", *ANALYSES)
    for name, do in (("dtii", "did you mean 'dti'?"), ("dti-prd", "did you mean 'dti-prod'?")):
        with pytest.raises(AnalysisError) as error:
            Analysis(name, "lab1").job_names()
        assert error.value.got == f"no analysis {name!r} for the group lab1"
        assert error.value.allowed == "the analyses of the group: dti, dti-prod, fmri, old"
        assert error.value.do == do
    with pytest.raises(AnalysisError, match="check the names"):
        Analysis("nothing-like-it", "lab1").job_names()


def test_every_call_to_the_analysis_s_bucket_expects_its_owner(ssm: Any, tmp_path: Any) -> None:
    other = deployed("dti", "prod", bucket="dti-abc-prod", account="210987654321")
    tell(ssm, "lab1", other)
    boto3.client("s3").create_bucket(Bucket="dti-abc-prod")
    boto3.client("s3").create_bucket(Bucket="open-recordings")
    said: dict[str, set[tuple[str | None, str]]] = {}

    def note(params: Any, model: Any, **_: Any) -> None:
        name = urlsplit(params["url"]).netloc.partition(".")[0]
        owner = params["headers"].get("x-amz-expected-bucket-owner")
        said.setdefault(name, set()).add((owner, model.name))

    analysis = Analysis("dti", "lab1")
    made = analysis.client

    def watched() -> Any:
        client = made()
        client.meta.events.register("before-call.s3", note)
        return client

    analysis.client = watched  # type: ignore[method-assign]
    analysis.s3 = watched()
    (tmp_path / "scan").write_bytes(b"1")
    (tmp_path / "big").write_bytes(b"1" * (9 << 20))
    keys = analysis.upload([tmp_path / "scan", tmp_path / "big"], say=lambda _: None)
    analysis.submit(keys, {"wait": 1}, "t1", check=False)
    analysis.sizes([*keys, "s3://open-recordings/a"])
    analysis.job_names()
    analysis.objects.copy({"Bucket": "dti-abc-prod", "Key": keys[0]}, "lab1/configs/copy")
    assert {owner for owner, _ in said["dti-abc-prod"]} == {"210987654321"}
    assert {"PutObject", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2", "CopyObject"} <= {
        call for _, call in said["dti-abc-prod"]
    }
    assert {owner for owner, _ in said["open-recordings"]} == {None}


def test_a_service_that_is_away_is_no_missing_analysis(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParametersByPath")

    monkeypatch.setattr("neurocaas.lookup.listed", throttled)
    with pytest.raises(AnalysisError, match="cannot answer now"):
        Analysis("dti", "lab1").job_names()
