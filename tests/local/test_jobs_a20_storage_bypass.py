"""A20: data from a bucket outside, results to another; both are registered in the blueprint, and nothing else
is reached.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.tests.denials import denied
from neurocaas import JobHandle
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended

pytestmark = [pytest.mark.local, pytest.mark.slow]

BYPASS: dict[str, Any] = {
    "dataname": "s3://open-recordings/mice/a b.txt",
    "configname": "s3://open-recordings/c.json",
    "resultpath": "s3://lab1-archive/res/2026",
}


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    made = Lab(service)
    for bucket in ("open-recordings", "lab1-archive", "secret"):
        made.s3.create_bucket(Bucket=bucket)
        for key, body in (
            ("mice/a b.txt", "outside data"),
            ("mice/b.txt", "more"),
            ("c.json", '{"wait": 0}'),
        ):
            made.s3.put_object(Bucket=bucket, Key=key, Body=body)
    return made


@pytest.fixture(scope="module")
def job(lab: Lab) -> JobHandle:
    submitted = lab.submit(**BYPASS)
    ended(submitted)
    return submitted


def outside(lab: Lab, prefix: str = "") -> dict[str, bytes]:
    listed = lab.s3.list_objects_v2(Bucket="lab1-archive", Prefix=prefix).get("Contents", [])
    return {
        entry["Key"]: lab.s3.get_object(Bucket="lab1-archive", Key=entry["Key"])["Body"].read()
        for entry in listed
    }


def test_a20_results_logs_and_end_are_outside_and_the_job_closes(lab: Lab, job: JobHandle) -> None:
    state = job.status()
    assert state.succeeded, job.certificate()
    prefix = f"res/2026/job_{job.timestamp}/"
    found = {key.removeprefix(prefix): body for key, body in outside(lab, prefix).items()}
    assert found["process_results/end.txt"] == b"SUCCESS 1/1\n"
    assert found["logs/certificate.txt"].decode() == job.certificate()
    assert json.loads(found["logs/DATASET_NAME:a b.txt_STATUS.txt"])["status"] == "SUCCESS"
    results = {key for key in found if key.startswith("process_results/")}
    assert len(results) > 2, "the script's own results"
    assert lab.keys_below(job.keys.process_prefix) == {job.keys.end}, "and none of them here"
    for words in ("from bucket: s3://open-recordings", "to bucket: s3://lab1-archive"):
        assert f"Storage Bypass initiated {words}" in job.certificate()


def test_a20_the_certificate_names_what_was_read_and_written_where_it_is(lab: Lab, job: JobHandle) -> None:
    (dataset,) = json.loads(lab.text(job.keys.certificate_json))["datasets"]
    places = {(one["bucket"], one["key"].partition("/")[0]) for one in dataset["inputs"]}
    assert {bucket for bucket, top in places if top != "jobs"} == {"open-recordings"}
    assert (lab.bucket, "jobs") in places, "the checked configuration is one of the service's records"
    assert {one["bucket"] for one in dataset["results"]} == {"lab1-archive"}


def test_a20_the_client_fetches_them(lab: Lab, job: JobHandle, tmp_path: Path) -> None:
    fetched = {one.path for one in job.fetch(tmp_path)}
    assert {"process_results/end.txt", "logs/certificate.txt"} <= fetched
    assert len([path for path in fetched if path.startswith("process_results/")]) > 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"dataname": ["s3://open-recordings/mice/b.txt", "s3://nowhere-at-all/x.txt"]},
            "data and config must be from same bucket.",
        ),
        ({"configname": "lab1/configs/c.json"}, "data and config must be from same bucket."),
        ({"dataname": "s3://secret/mice/b.txt"}, "below 's3://open-recordings/…'"),
        ({"resultpath": "s3://secret/res"}, "below 's3://lab1-archive/res/…'"),
        ({"resultpath": "s3://lab1-archive/other"}, "below 's3://lab1-archive/res/…'"),
        ({"resultpath": "lab1-archive/res"}, "If bypassing storage for output, s3:// format path required"),
        (
            {"dataname": "s3://nowhere-at-all/x", "configname": "s3://nowhere-at-all/c.json"},
            "S3 refuses access to its bucket",
        ),
        (
            {"dataname": "s3://open-recordings/none.txt"},
            "S3 Bucket does not contain s3://open-recordings/none.txt",
        ),
    ],
)
def test_a20_what_is_refused(lab: Lab, fields: dict[str, Any], said: str) -> None:
    before = outside(lab).keys()
    refused = lab.submit(**{**BYPASS, **fields})
    assert ended(refused).phase == "REJECTED"
    assert said in refused.certificate()
    assert lab.machines(refused) == []
    assert outside(lab).keys() == before


def test_a20_the_bucket_s_owner_sees_whether_the_service_may_use_it(service: Deployed, lab: Lab) -> None:
    def link(*words: str) -> Any:
        where = ("--analysis", "analysis", "--group", "lab1", "--json", "--local")
        done = service.ground.invoke("link-bucket", *words, *where, check=False)
        return {one["bucket"]: one for one in json.loads(done.stdout)["buckets"]}

    bucket = "lab1-archive"
    (archive,) = link("--place", bucket, "--check").values()
    assert archive["checked"]["problems"] == [], "of the same account: the roles' own policies do"
    denial = {
        "Effect": "Deny",
        "Principal": {"AWS": archive["policy"]["Statement"][2]["Principal"]["AWS"]},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/res/*",
    }
    document = {"Version": "2012-10-17", "Statement": [*archive["policy"]["Statement"], denial]}
    lab.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    try:
        (problem,) = link("--place", bucket, "--check")[bucket]["checked"]["problems"]
    finally:
        lab.s3.delete_bucket_policy(Bucket=bucket)
    assert "denies s3:PutObject" in problem["got"]
    assert "machine" in problem["allowed"]
    assert "nowhere-at-all" in link()


def test_a20_a_bucket_of_one_group_is_no_others(service: Deployed, lab: Lab) -> None:
    refused = Lab(service, "lab10").submit(**BYPASS)
    assert ended(refused).phase == "REJECTED"
    assert "or below 's3://nowhere-at-all/…'" in refused.certificate()
    assert "below 's3://lab1-archive" not in refused.certificate()


def test_a20_machines_reach_what_is_registered_for_their_group(service: Deployed, lab: Lab) -> None:
    first, tenth = (
        service.client("s3", service.role(service.analysis["groups"][group]["instance_role"]))
        for group in ("lab1", "lab10")
    )
    for s3 in (first, tenth):
        assert not denied(lambda: s3.get_object(Bucket="open-recordings", Key="mice/b.txt"))  # noqa: B023
        assert denied(lambda: s3.put_object(Bucket="open-recordings", Key="mice/b.txt", Body=b"x"))  # noqa: B023
        assert denied(lambda: s3.get_object(Bucket="secret", Key="mice/b.txt"))  # noqa: B023
    assert not denied(lambda: first.put_object(Bucket="lab1-archive", Key="res/job_0/x", Body=b"x"))
    assert denied(lambda: first.put_object(Bucket="lab1-archive", Key="other/x", Body=b"x"))
    assert denied(lambda: tenth.put_object(Bucket="lab1-archive", Key="res/job_0/x", Body=b"x"))
