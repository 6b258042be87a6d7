"""Running a job again: what is submitted, what is refused, and the verdicts; and the commands around a job,
against an in-process S3.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from neurocaas import Analysis, AnalysisError
from neurocaas import rerun as again
from neurocaas.commands import jobs as job_commands
from neurocaas.commands import submitting as commands
from neurocaas.commands.command import Ended
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.pins import Pin, pins_text
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import ABOUT, MEMBER, ended, put, run, service, tell


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        yield client


def record(s3: Any, stamp: str, inputs: dict[str, str]) -> None:
    moved = [{"key": key, "sha256": digest} for key, digest in inputs.items()]
    put(
        s3,
        f"{JobKeys.of(GROUP, stamp).logs_prefix}a_files.json",
        json.dumps({"inputs": moved, "results": []}),
    )


def verdicts(s3: Any) -> tuple[dict[str, str], list[str]]:
    analysis = Analysis(BUCKET, GROUP)
    found, notes = again.judge(again.original("first", analysis), analysis.job("second"), analysis.about())
    return {one.path: one.outcome for one in found}, notes


def test_every_output_gets_its_verdict(s3: Any) -> None:
    service = {"end.txt": "SUCCESS 1/1", "update.txt": "x", "c.json": "{}"}
    ended(
        s3,
        "first",
        {"a": 9.0},
        {**service, "same.bin": "1", "near.json": '{"v": 1.0}', "far.json": '{"v": 1}', "gone.txt": "x"},
    )
    ended(
        s3,
        "second",
        {"a": 9.0},
        {
            **service,
            "same.bin": "1",
            "near.json": '{"v": 1.0000000001}',
            "far.json": '{"v": 2}',
            "new.txt": "x",
        },
    )
    found, notes = verdicts(s3)
    assert found == {
        "same.bin": "identical",
        "near.json": "within tolerance",
        "far.json": "different",
        "gone.txt": "different",
        "new.txt": "different",
    }
    assert notes == []


def test_the_blueprints_rules_and_changed_inputs_are_told(s3: Any) -> None:
    tell(s3, replace(ABOUT, compare={"*.log": {"as": "ignore"}}))
    for stamp in ("first", "second"):
        ended(s3, stamp, {"a": 9.0}, {"x.log": stamp})
        record(s3, stamp, {"g/inputs/a": stamp, "g/inputs/b": "same"})
    assert verdicts(s3) == (
        {"x.log": "within tolerance"},
        ["the input g/inputs/a has changed since the first run"],
    )


def test_a_job_without_outputs_cannot_be_reproduced(s3: Any) -> None:
    ended(s3, "first", {"a": 9.0})
    with pytest.raises(AnalysisError, match="no outputs to compare with"):
        prepared("first")


def test_the_same_inputs_config_and_machine_are_submitted(s3: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(s3, f"{GROUP}/inputs/{name}", "data")
    ended(s3, "first", {"a": 9.0, "b": 9.0}, {"x": "1"})
    certificate = JobKeys.of(GROUP, "first").records.certificate_json
    path = tmp_path / "certificate.json"
    path.write_bytes(s3.get_object(Bucket=BUCKET, Key=certificate)["Body"].read())
    assert again.original(str(path), None) == again.original(f"s3://{BUCKET}/{certificate}", None)
    made, job = submitted_again(again.original(str(path), None))
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert body["dataname"] == [f"{GROUP}/inputs/a", f"{GROUP}/inputs/b"]
    assert body["instance_type"] == "m5.large"
    assert body["configname"] == f"{GROUP}/configs/rerun_second/c.json", (
        "it keeps its name, which a script can see"
    )
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=body["configname"])["Body"].read()) == {"wait": 5}
    assert made.notes == ()


def prepared(name: str, *, anyway: bool = False, session: Any = None) -> again.Prepared:
    analysis = Analysis(BUCKET, GROUP, session=session)
    return again.prepare(again.original(name, analysis), analysis, analysis.about(), "second", anyway=anyway)


def submitted_again(of: again.Original) -> tuple[again.Prepared, Any]:
    analysis = Analysis(BUCKET, GROUP)
    made = again.prepare(of, analysis, analysis.about(), "second")
    return made, again.submit(of, analysis, made)


def has_read(s3: Any, stamp: str, *, hours: float, **files: tuple[str, str | None]) -> None:
    """A job that began `hours` ago and has read objects below inputs/: key -> its content and the version
    that it had.
    """
    ended(s3, stamp, dict.fromkeys(files, 9.0), {"x": "1"})
    key = JobKeys.of(GROUP, stamp).records.certificate_json
    facts = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    for dataset in facts["datasets"]:
        body, version = files[dataset["name"]]
        moved = {
            "key": dataset["inputpath"],
            "bytes": len(body),
            "sha256": hashlib.sha256(body.encode()).hexdigest(),
            "version_id": version,
        }
        dataset |= {"start": iso(datetime.now(UTC) - timedelta(hours=hours)), "inputs": [moved]}
    put(s3, key, json.dumps(facts))


def versioned(s3: Any, name: str, body: str) -> str:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return str(s3.put_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/{name}", Body=body.encode())["VersionId"])


def test_an_input_that_has_changed_is_used_in_its_version_of_then(s3: Any) -> None:
    first = versioned(s3, "a", "before")
    versioned(s3, "a", "after!")
    same = versioned(s3, "b", "b")
    versioned(s3, "b", "b")
    has_read(s3, "first", hours=1, a=("before", first), b=("b", same))
    made = prepared("first")
    assert made.names == {
        f"{GROUP}/inputs/a": f"{GROUP}/inputs/rerun_second/a",
        f"{GROUP}/inputs/b": f"{GROUP}/inputs/b",
    }
    assert s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/rerun_second/a")["Body"].read() == b"before"
    (note,) = made.notes
    assert note.startswith("the input debuggers/inputs/a has changed since: its version of")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")


def test_inputs_that_are_older_than_the_job_are_taken_as_they_are(s3: Any) -> None:
    versioned(s3, "a", "data")
    has_read(s3, "first", hours=-1, a=("data", None))
    assert prepared("first").names == {f"{GROUP}/inputs/a": f"{GROUP}/inputs/a"}


def test_a_version_that_is_gone_is_refused_unless_the_input_of_now_will_do(s3: Any) -> None:
    versioned(s3, "a", "after")
    has_read(s3, "first", hours=1, a=("before", None))
    with pytest.raises(AnalysisError, match="as the job has read it is gone") as caught:
        prepared("first")
    assert "--anyway" in caught.value.do
    made = prepared("first", anyway=True)
    assert made.names == {f"{GROUP}/inputs/a": f"{GROUP}/inputs/a"}
    assert "is gone" in made.notes[0]


class Refusing:
    """A session whose S3 client may not look at versions, and whose EC2 client knows no image."""

    def client(self, service: str) -> Any:
        made = boto3.client(service)  # type: ignore[call-overload]
        code = {"s3": "AccessDenied", "ec2": "InvalidAMIID.NotFound"}.get(service, "")

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code}}, "Call")

        for call in ("s3.ListObjectVersions", "ec2.DescribeImages"):
            made.meta.events.register(f"before-call.{call}", refuse)
        return made


def test_everything_that_is_not_as_it_was_is_said_at_once(s3: Any) -> None:
    versioned(s3, "a", "after")
    has_read(s3, "first", hours=1, a=("before", None))
    tell(s3, replace(ABOUT, image_id="ami-2", code_sha256="2" * 64))
    with pytest.raises(AnalysisError) as caught:
        prepared("first", session=Refusing())
    text = str(caught.value)
    assert "the image ami-1 has been retired; now it is ami-2" in text
    assert "these credentials may not look at its earlier versions" in text
    made = prepared("first", anyway=True, session=Refusing())
    assert len(made.notes) == 2


def test_another_image_beneath_the_same_name_is_told_afterwards(s3: Any) -> None:
    for stamp, ami in (("first", "ami-1"), ("second", "ami-9")):
        ended(s3, stamp, {"a": 9.0}, {"x": "1"})
        key = JobKeys.of(GROUP, stamp).records.certificate_json
        facts = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        facts["datasets"][0]["image_id"] = ami
        put(s3, key, json.dumps(facts))
    assert verdicts(s3)[1] == ["it ran on the image ami-1, now on ami-9"]


def test_an_analysis_that_has_moved_on_runs_as_it_was_then(s3: Any) -> None:
    ended(s3, "first", {"a": 9.0}, {"x": "1"})
    put(s3, f"{GROUP}/inputs/a", "a")
    tell(s3, replace(ABOUT, code_sha256="2" * 64))
    made, job = submitted_again(again.original("first", Analysis(BUCKET, GROUP)))
    assert (
        json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())["rerun_of"] == "first"
    )
    assert made.notes == (
        f"the code was {'1' * 12}, now it is {'2' * 12}: the job runs on what there was then",
    )
    tell(s3)
    s3.delete_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/second_submit.json")
    _, job = submitted_again(again.original("first", Analysis(BUCKET, GROUP)))
    assert "rerun_of" not in json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())


def recorded(s3: Any, stamp: str, body: str, *, pinned: bool = True, template: str = "lt-1") -> None:
    """A job that has read `inputs/a`, as the manager records it now: with the object that was submitted."""
    entry = s3.head_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/a")
    has_read(s3, stamp, hours=1, a=(body, entry.get("VersionId")))
    record = json.loads(job_json(f"{GROUP}/submissions/{stamp}_submit.json", "a", stamp=stamp))
    record["launch_template"]["launch_template_id"] = template
    if pinned:
        record["datasets"][0] |= {
            "etag": entry["ETag"].strip('"'),
            "version_id": entry.get("VersionId"),
            "size": len(body),
        }
    put(s3, JobKeys.of(GROUP, stamp).job, json.dumps(record))


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("pieces", [True, False])
def test_the_same_bytes_uploaded_again_are_the_same_input(s3: Any, pinned: bool, pieces: bool) -> None:
    body = "x" * (6 << 20) if pieces else "data"
    first = versioned(s3, "a", body)
    recorded(s3, "first", body, pinned=pinned)
    if pieces:
        config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        s3.upload_fileobj(io.BytesIO(body.encode()), BUCKET, f"{GROUP}/inputs/a", Config=config)
    else:
        versioned(s3, "a", body)
    s3.delete_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/a", VersionId=first)
    made = prepared("first")
    assert made.names == {f"{GROUP}/inputs/a": f"{GROUP}/inputs/a"}
    assert made.notes == ()


def test_a_pinned_input_that_was_replaced_is_taken_by_its_content_also_where_that_version_is_gone(
    s3: Any,
) -> None:
    first = versioned(s3, "a", "before")
    recorded(s3, "first", "before")
    versioned(s3, "a", "before")
    versioned(s3, "a", "after!")
    s3.delete_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/a", VersionId=first)
    made = prepared("first")
    assert s3.get_object(Bucket=BUCKET, Key=made.names[f"{GROUP}/inputs/a"])["Body"].read() == b"before"


def test_a_folder_is_what_was_pinned_of_it(s3: Any) -> None:
    for name in ("rec/1", "rec/2"):
        versioned(s3, name, name)
    ended(s3, "first", {"rec/": 9.0}, {"x": "1"})
    record = json.loads(job_json("x", "rec/", stamp="first"))
    record["datasets"][0] |= {"pins": True}
    put(s3, JobKeys.of(GROUP, "first").job, json.dumps(record))
    pins = [Pin(f"{GROUP}/inputs/rec/{n}", 5, hashlib.md5(f"rec/{n}".encode()).hexdigest()) for n in (1, 2)]
    put(s3, JobKeys.of(GROUP, "first").records.pins(0), pins_text(pins))
    assert prepared("first").names == {f"{GROUP}/inputs/rec/": f"{GROUP}/inputs/rec/"}
    versioned(s3, "rec/3", "new")
    versioned(s3, "rec/2", "other")
    made = prepared("first")
    assert made.notes[-1] == "the input debuggers/inputs/rec/3 has been added since: it is left out"
    moved = s3.list_objects_v2(Bucket=BUCKET, Prefix=made.names[f"{GROUP}/inputs/rec/"])["Contents"]
    assert [s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in moved] == [
        b"rec/1",
        b"rec/2",
    ]


def test_a_launch_template_that_is_gone_is_said_before_anything_starts(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "_retired", lambda *_: False)
    versioned(s3, "a", "data")
    recorded(s3, "first", "data", template="lt-old")
    now = replace(ABOUT, launch_template_id="lt-new", code_sha256="2" * 64)
    tell(s3, now)
    assert prepared("first").as_then, "the same image: the launch template of now will do"
    tell(s3, replace(now, image_id="ami-2"))
    with pytest.raises(AnalysisError, match="the launch template of the image ami-1 is gone"):
        prepared("first")
    made = prepared("first", anyway=True)
    assert not made.as_then, "the manager would refuse it"
    assert "now it is ami-2" in made.notes[0]
    tell(s3, replace(now, image_id="ami-2", launch_template_id="lt-old"))
    assert prepared("first").as_then


def test_an_instance_type_that_is_gone_is_said_before_anything_starts(s3: Any) -> None:
    versioned(s3, "a", "data")
    has_read(s3, "first", hours=-1, a=("data", None))
    tell(
        s3,
        replace(ABOUT, instance_type="m6i.large", instance_types=("m6i.large",), prices={"m6i.large": 0.1}),
    )
    with pytest.raises(AnalysisError, match=r"the instance type was m5\.large"):
        prepared("first")
    assert prepared("first", anyway=True).instance_type is None


@pytest.mark.parametrize(("now", "said"), [("then", None), ("other", "has changed since"), (None, "is gone")])
def test_a_configuration_of_an_outside_bucket_is_that_of_then(
    s3: Any, now: str | None, said: str | None
) -> None:
    s3.create_bucket(Bucket="archive")
    path = "s3://archive/c.json"
    ended(s3, "first", {"a": 9.0}, {"x": "1"}, configpath=path)
    put(s3, f"{GROUP}/inputs/a", "a")
    record = json.loads(job_json("x", "a", stamp="first"))
    source = {"etag": "e", "version_id": None, "sha256": hashlib.sha256(b"then").hexdigest()}
    put(
        s3,
        JobKeys.of(GROUP, "first").job,
        json.dumps({**record, "configpath": path, "config_source": source}),
    )
    if now is not None:
        s3.put_object(Bucket="archive", Key="c.json", Body=now.encode())
    if said is not None:
        with pytest.raises(AnalysisError, match=said):
            prepared("first")
    assert bool(prepared("first", anyway=True).notes) == (said is not None)


def test_what_no_flag_helps_against_is_said_before_anything_is_copied(s3: Any) -> None:
    before = versioned(s3, "a", "before")
    versioned(s3, "a", "after!")
    has_read(s3, "first", hours=1, a=("before", before))
    analysis = Analysis(BUCKET, GROUP)
    tell(s3, replace(ABOUT, max_datasets=0))
    put(s3, f"{GROUP}/submissions/used_submit.json", "{}")
    for stamp, said in (
        ("a/b", "timestamp 'a/b'"),
        ("used", "which another submission has"),
        ("new", "1 datasets"),
    ):
        with pytest.raises(AnalysisError, match=said):
            again.prepare(again.original("first", analysis), analysis, analysis.about(), stamp, anyway=True)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/inputs/rerun_")


def test_what_there_was_then_must_be_there(s3: Any) -> None:
    ended(s3, "first", {"a": 9.0}, {"x": "1"})
    s3.delete_object(Bucket=BUCKET, Key=JobKeys.of(GROUP, "first").job)
    put(s3, f"{GROUP}/inputs/a", "a")
    tell(s3, replace(ABOUT, image_id="ami-2", code_sha256="2" * 64))
    with pytest.raises(AnalysisError, match="the image ami-1 has been retired"):
        run(commands.rerun, "first")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")
    tell(s3, replace(ABOUT, code_sha256="2" * 64))
    with pytest.raises(AnalysisError, match=r"the code was 1{12}, now it is 2{12}") as caught:
        run(commands.rerun, "first")
    assert "deploy commit abc" in caught.value.do


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"datasets": 3}',
        '{"datasets": []}',
        '{"datasets": ["a"], "configpath": "c"}',
        "REQUEST START TIME",
    ],
)
def test_what_is_no_certificate_is_one_message(s3: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.txt"
    path.write_text(text)
    with pytest.raises(AnalysisError, match="is not the certificate of a job that ran"):
        again.original(str(path), None)


@pytest.mark.parametrize(
    "forged",
    [
        {"group": "../other"},
        {"group": "jobs"},
        {"job_id": "../t1"},
        {"job_id": "t1\x1b[2J"},
        {"configpath": "a/../../b"},
        {"input": "x/../y"},
    ],
    ids=str,
)
def test_a_certificate_from_elsewhere_names_only_what_has_a_name(
    s3: Any, tmp_path: Path, forged: dict[str, str]
) -> None:
    ended(s3, "first", {"a": 9.0}, {"x": "1"})
    facts = json.loads(
        s3.get_object(Bucket=BUCKET, Key=JobKeys.of(GROUP, "first").records.certificate_json)["Body"].read()
    )
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(facts))
    assert again.original(str(path), None).timestamp == "first"
    moved = [{"key": forged.pop("input", "debuggers/inputs/a"), "bytes": 1, "sha256": "2" * 64}]
    facts["datasets"][0]["inputs"] = moved
    path.write_text(json.dumps({**facts, **forged}))
    with pytest.raises(AnalysisError, match="is not the certificate of a job that ran"):
        again.original(str(path), None)


def test_a_refused_submission_is_explained_and_exits_with_one(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = JobKeys.of(GROUP, "t1")
    problem = {"field": "dataname", "got": "nothing", "allowed": "a path", "do": "Say which data to analyse"}
    put(s3, keys.records.certificate, "…")
    put(s3, keys.records.certificate_json, json.dumps({"exit_class": "user", "problems": [problem]}))
    put(s3, keys.records.end, "FAILED 0/0")
    run(job_commands.explain, "t1")
    out = capsys.readouterr().out
    assert out.startswith("Job t1 was refused: dataname: got nothing; allowed: a path.")
    assert "do: Say which data to analyse" in out
    with pytest.raises(Ended) as caught:
        run(job_commands.status, "t1")
    assert caught.value.code == 1


def test_a_job_that_never_was_is_explained_by_its_neighbours(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(s3, "monday-1", {"a": 1.0})
    run(job_commands.explain, "monday-2", json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["sentence"] == (
        "There is no job monday-2: no submission and no result has this name. Jobs "
        "with a name like it: monday-1."
    )


def test_a_submission_that_is_set_aside_is_found_in_the_dead_letter_queue(s3: Any) -> None:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="dead")["QueueUrl"]
    tell(s3, replace(ABOUT, dead_letter_queue_url=queue))
    analysis = Analysis(BUCKET, GROUP)
    job = analysis.submit("x", "c", "t1", check=False)
    assert analysis.evidence(analysis.job("t1")).dead is False
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"key": job.submission_key}))
    assert analysis.evidence(analysis.job("t1")).dead is True
    assert analysis.evidence(analysis.job("t1")).dead is True, "looking does not take the message away"


def test_a_job_can_be_waited_for_as_a_future(s3: Any) -> None:
    ended(s3, "good", {"a": 1.0})
    analysis = Analysis(BUCKET, GROUP)
    future = analysis.job("good").future(interval=0.01)
    assert future.result(timeout=30).succeeded
    other = analysis.job("never").future(interval=0.01)
    assert other.cancel()
    assert wait([other], timeout=30).done
    put(s3, JobKeys.of(GROUP, "bad").job, "{")
    with pytest.raises(AnalysisError, match="cannot be read"):
        analysis.job("bad").future(interval=0.01).result(timeout=30)


def test_a_cancellation_lies_beside_its_submission(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    assert analysis.submit("x", "c", "t1", check=False).cancel() == f"{GROUP}/submissions/t1_cancel.json"
    body = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/t1_cancel.json")["Body"].read()
    assert json.loads(body) == {"timestamp": "t1"}


def test_a_job_that_ended_without_machines_is_done(s3: Any) -> None:
    keys = JobKeys.of(GROUP, "t1")
    put(s3, keys.job, job_json("s", "a", stamp="t1"))
    job = Analysis(BUCKET, GROUP).job("t1")
    assert job.status().phase == "RUNNING"
    put(s3, keys.records.certificate_json, json.dumps({"exit_class": "capacity", "problems": []}))
    put(s3, keys.records.end, "FAILED 0/1 AWS has none")
    assert (job.status().phase, job.status().succeeded) == ("DONE", False)
