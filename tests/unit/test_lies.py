"""Lies that a group's machine can tell, one by one, and what they are worth: nothing but its own dataset's
outcome.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas.commands import fetching
from neurocaas.commands import jobs as job_commands
from neurocaas.commands.command import Ended
from neurocaas.protocol.certificate import claim_id
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import RECORD_MAX_BYTES
from neurocaas.protocol.names import dataset_names
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.settings import Group
from neurocaas.protocol.status import DatasetStatus
from runtime.instance.agent.context import service_files
from runtime.instance.agent.storage import Location, Sent
from runtime.instance.agent.transfer import Transfer
from runtime.manager.budget import worst_case
from runtime.monitor import evidence, finish
from tests.unit.client_jobs import BUCKET as CLIENT_BUCKET
from tests.unit.client_jobs import GROUP, job_json
from tests.unit.client_world import put, run
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World

OTHERS = JobKeys.of("other", "t1")


def plant(world: World, key: str, body: str | bytes, metadata: Mapping[str, str] | None = None) -> None:
    """What a machine writes with its own credentials."""
    world.aws.upload(BUCKET, key, body)
    world.aws.objects_[BUCKET, key] = (world.aws.objects_[BUCKET, key][0], dict(metadata or {}))


def both() -> tuple[World, str, str]:
    """Two groups, each with a job t1 that runs; the machines of `lab` and of `other`."""
    world = World()
    for name in ("inputs/o.zip", "configs/c.json"):
        world.aws.upload(BUCKET, f"other/{name}", "{}")
    world.submit(world.submission())
    body = {"dataname": "other/inputs/o.zip", "configname": "other/configs/c.json", "timestamp": "t1"}
    world.submit(body, "other/submissions/a_submit.json")
    lab, other = world.aws.ec2
    world.boot(lab)
    world.boot(other)
    return world, lab, other


def of_other(world: World) -> dict[str, Any]:
    """Everything that is the other group's."""
    aws = world.aws
    mine = ("other/", "jobs/other/", "logs/other/")
    return {
        "objects": {key: found for (_, key), found in aws.objects_.items() if key.startswith(mine)},
        "items": {job: dict(item) for job, item in aws.items.items() if job[1] == "other"},
        "claims": {job: claim for job, claim in aws.claims.items() if job[1] == "other"},
        "budgets": {name: amounts for name, amounts in aws.budgets.items() if "/other/" in name},
        "machines": {name: machine for name, machine in aws.ec2.items() if machine.tags["group"] == "other"},
    }


def test_a_job_that_a_machine_has_prepared_for_a_name_to_come_is_not_started(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The machine knows even what the submission will say, and writes claim and order wherever it may
    write.
    """
    world = World()
    body = world.submission(timestamp="t2", dataname=["lab/inputs/a.zip"])
    raw = json.dumps(body).encode()
    world.submit(world.submission())
    (liar,) = world.aws.ec2
    world.boot(liar)
    forged = replace(
        world.job(),
        timestamp="t2",
        submission_sha256=sha256(raw).hexdigest(),
        submission_key="lab/submissions/b_submit.json",
        launch_template=Group("lt-2", "1", "AROAOTHER"),
        instance_type="p4d.24xlarge",
        instance_types=("p4d.24xlarge",),
        prices={"p4d.24xlarge": 0.0},
        duration_minutes=5_000_000,
        created="2026-01-31T12:00:00.000Z",
        datasets=tuple(
            Dataset(n, f"{n}", f"lab/inputs/{n}.zip", f"lab/results/job_t2/logs/{n}") for n in range(3)
        ),
    ).to_json()
    claim = {
        "neurocaas-claim": claim_id("lab/submissions/b_submit.json", sha256(raw).hexdigest()),
        "neurocaas-started": "2026-01-31T12:00:00.000Z",
        "neurocaas-submission": sha256(b"lab/submissions/b_submit.json").hexdigest(),
    }
    for prefix in (
        "lab/results/job_t2/logs/",
        "lab/results/job_t2/process_results/",
        "lab/results/",
        world.evidence(liar).prefix,
    ):
        for name in ("certificate.txt", "certificate.json", "job.json", "stop.json", "end.txt"):
            plant(world, prefix + name, forged, claim)

    spent = dict(world.aws.budgets)
    assert world.submit(raw, "lab/submissions/b_submit.json").exit_code == 0

    (machine,) = [one for name, one in world.aws.ec2.items() if name != liar]
    request, _ = list(world.aws.reservations.values())[-1]
    job = world.job("t2")
    assert (request.template_id, request.count, machine.instance_type) == ("lt-1", 1, "m5.large")
    assert (job.duration_minutes, len(job.datasets), job.launch_template) == (60, 1, SETTINGS.groups["lab"])
    assert int(machine.tags["Timeout"]) < 100
    (budget,) = world.aws.budgets
    assert world.aws.budgets[budget][0] - spent[budget][0] == worst_case(job) > 0, "it is paid"
    assert world.aws.items[JobId(BUCKET, "lab", "t2")]["submission"] == "lab/submissions/b_submit.json"
    assert world.certificate("t2").startswith("REQUEST START TIME"), (
        "the copies that were there are the service's now"
    )


def test_a_machine_that_turns_its_job_into_another_groups_touches_nothing_of_it() -> None:
    world, lab, other = both()
    honest = both()[0]
    job = world.job()
    forged = replace(
        job,
        group="other",
        timestamp="t1",
        resultdir=OTHERS.resultdir,
        datasets=(replace(job.datasets[0], status_key=OTHERS.status("o.zip")),),
    ).to_json()
    for prefix in (job.keys.logs_prefix, job.keys.prefix, world.evidence(lab).prefix):
        plant(world, f"{prefix}job.json", forged)
    word = DatasetStatus("FAILED", "other/inputs/o.zip", other, "cancelled: by nobody").to_json()
    plant(world, world.evidence(lab).status, word)
    plant(
        world,
        world.evidence(lab).files,
        json.dumps({"results": [_moved(OTHERS.process_prefix + "r", "2" * 64)]}),
    )
    before = of_other(world)

    for one in (world, honest):
        one.clock.forward(60)
        one.die(lab)
        one.sweep()

    assert of_other(world) == before == of_other(honest)
    assert world.aws.items.keys() == {(BUCKET, "other", "t1")}
    assert world.facts()["datasets"][0]["results"] == [], "of another group's files it certifies nothing"
    world.clock.forward(60)
    world.complete(other)
    assert world.aws.text(BUCKET, OTHERS.records.end) == "SUCCESS 1/1\n"


def _moved(key: str, digest: str) -> dict[str, Any]:
    return {"bucket": BUCKET, "key": key, "bytes": 1, "sha256": digest}


@pytest.mark.parametrize("forged", ["", "garbage", "[]", "{}", '{"schema_version": 1}', None], ids=repr)
def test_a_job_whose_machine_spoils_every_copy_of_the_order_ends_and_is_paid(forged: str | None) -> None:
    """`None`: the order as it was, but without datasets."""
    world = World()
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    (budget,) = world.aws.budgets
    job = world.job()
    body = replace(job, datasets=()).to_json() if forged is None else forged
    own = world.evidence(machine)
    for key in [*_below(world, job.keys.prefix), f"{job.keys.logs_prefix}job.json", own.status, own.files]:
        plant(world, key, body)
    world.clock.forward(1800)
    world.die(machine, "Client.InstanceInitiatedShutdown")
    world.sweep()

    cost = world.report(machine)["cost"]
    assert cost > 0
    assert world.aws.items == {}
    committed, spent = world.aws.budgets[budget]
    assert committed == spent == pytest.approx(cost * 1e6, abs=1)
    assert not _below(world, "logs/active/")
    assert world.aws.text(BUCKET, job.keys.records.end).startswith("FAILED 0/1")


def _below(world: World, prefix: str) -> list[str]:
    return [key for _, key in world.aws.objects_ if key.startswith(prefix)]


HOSTILE_NAMES = ("end.txt", "update.txt", "c.json", "certificate.txt", "job.json")


class Kept:
    """A storage that keeps what is uploaded; nothing twice at one key."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def upload(self, source: Path, target: Location) -> Sent:
        assert target.key not in self.files
        self.files[target.key] = source.read_bytes()
        return Sent(0, "")


def results_of(tmp_path: Path, *names: str) -> dict[str, bytes]:
    """What an upload of files with these names leaves among the results of a job."""
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    environment = {
        "bucketname": "b",
        "groupdir": "lab",
        "resultdir": "results/job_t1",
        "configname": "c.json",
    }
    storage = Kept()
    target = Location("b", "lab/results/job_t1/process_results")
    Transfer(storage).upload(tmp_path, target, taken=service_files(environment))  # type: ignore[arg-type]
    return {key.removeprefix(f"{target.key}/"): body for key, body in storage.files.items()}


def test_outputs_with_names_of_the_service_are_moved_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = results_of(tmp_path, *HOSTILE_NAMES, "folder/end.txt", "end.txt.gz")
    assert written == {
        "end.result.txt": b"end.txt",
        "update.result.txt": b"update.txt",
        "c.result.json": b"c.json",
        "certificate.txt": b"certificate.txt",
        "job.json": b"job.json",
        "folder/end.txt": b"folder/end.txt",
        "end.txt.gz": b"end.txt.gz",
    }
    assert capsys.readouterr().err.count("is the name of a file of the service") == 3


def test_a_folder_with_a_name_of_the_service_is_moved_aside(tmp_path: Path) -> None:
    assert results_of(tmp_path, "end.txt/a/b", "c.json/x").keys() == {"end.result.txt/a/b", "c.result.json/x"}


def test_what_is_moved_aside_takes_no_other_outputs_place(tmp_path: Path) -> None:
    written = results_of(
        tmp_path, "end.txt", "end.result.txt", "end.result-2.txt", "c.json/x", "c.result.json/x"
    )
    assert {key: body.decode() for key, body in written.items()} == {
        "end.result.txt": "end.result.txt",
        "end.result-2.txt": "end.result-2.txt",
        "end.result-3.txt": "end.txt",
        "c.result.json/x": "c.result.json/x",
        "c.result-2.json/x": "c.json/x",
    }, "a file keeps the name that it may have"


def test_an_end_that_a_machine_writes_ends_nothing() -> None:
    """The other dataset is cancelled as ever, and the end says what the service knows."""
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    liar, other = world.aws.ec2
    world.boot(other)
    keys = world.job().keys
    for key in (keys.end, f"{keys.end}/x", keys.update, keys.certificate, keys.certificate_json):
        plant(world, key, "SUCCESS 2/2\n")
    world.complete(liar)
    plant(world, keys.end, "SUCCESS 2/2\n")
    assert world.submit(b"", SUBMISSION.replace("submit", "cancel")).message == "job t1 is being stopped"
    world.write_status(other, "FAILED", reason=f"cancelled: by {SUBMISSION.replace('submit', 'cancel')}")
    world.die(other, "Client.InstanceInitiatedShutdown")
    assert world.aws.text(BUCKET, keys.records.end).startswith("FAILED 1/2 b.zip: cancelled: by ")
    assert world.end() == world.aws.text(BUCKET, keys.records.end), "the copy is put right"


def test_datasets_with_names_of_the_service_have_logs_of_their_own() -> None:
    names = dataset_names(
        [
            f"lab/inputs/{name}"
            for name in ("certificate.txt", "certificate.json", "job.json", "x_files.json", "x")
        ]
    )
    keys = JobKeys.of("lab", "t1")
    own = {
        keys.certificate,
        keys.certificate_json,
        f"{keys.logs_prefix}job.json",
        *(keys.status(name) for name in names),
    }
    records = {keys.record(name) for name in names}
    assert len(set(names)) == len(records) == 5
    for folder in (f"{keys.logs_prefix}{name}" for name in names):
        assert folder not in own | records
    world = World()
    for name in ("certificate.txt", "job.json", "x_files.json"):
        world.aws.upload(BUCKET, f"lab/inputs/{name}")
    world.submit(
        world.submission(
            dataname=[f"lab/inputs/{name}" for name in ("certificate.txt", "job.json", "x_files.json")]
        )
    )
    for machine in list(world.aws.ec2):
        world.complete(machine)
    assert world.aws.text(BUCKET, keys.records.end) == "SUCCESS 3/3\n"
    assert world.certificate().startswith("REQUEST START TIME")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=CLIENT_BUCKET)
        yield client


def test_commands_show_the_services_outcome(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for stamp in ("done", "open"):
        keys = JobKeys.of(GROUP, stamp)
        put(s3, keys.job, job_json(f"{GROUP}/submissions/{stamp}_submit.json", "a", "b", stamp=stamp))
        put(s3, keys.records.certificate, "the service's\n")
        for key in (keys.end, f"{keys.end}/x", keys.certificate, keys.certificate_json):
            put(s3, key, "SUCCESS 9/9\n")
        for name in ("a", "b"):
            put(s3, keys.status(name), DatasetStatus("SUCCESS").to_json())
    put(s3, JobKeys.of(GROUP, "done").records.end, "FAILED 1/2 b: no\n")
    where = {"analysis": CLIENT_BUCKET, "group": GROUP}

    run(job_commands.jobs, **where)
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()]
    assert ["dti", "done", "FAILED", "2/2", "1", "b:", "no"] in rows
    assert ["dti", "open", "RUNNING", "0/2"] in rows
    assert "SUCCESS" not in text
    run(job_commands.status, "open", certificate=True, **where)
    shown = capsys.readouterr().out
    assert "the service's" in shown
    assert "RUNNING" in shown
    assert "SUCCESS" not in shown
    run(job_commands.cancel, "open", **where)
    assert "asked to end job open" in capsys.readouterr().out


TRICKS = "\x1b]0;owned\x07\x1b[2Jgone\x9b\u202eabc\nJOB RESULT: SUCCESS 9/9"


def test_no_command_lets_a_machine_speak_to_the_terminal(
    s3: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Wherever a machine's words are shown: nothing in them is obeyed, and none of them begins a line of its
    own in a table.
    """
    keys = JobKeys.of(GROUP, "t1")
    put(s3, keys.job, job_json(f"{GROUP}/submissions/t1_submit.json", "a", "b", stamp="t1"))
    put(s3, keys.records.certificate, f"the service's, with a reason of a machine: {TRICKS}\n")
    lines = {"0": TRICKS, "\u00b2": "x", "007": "y"}
    forged: dict[str, Any] = {
        "status": "IN PROGRESS",
        "reason": TRICKS,
        "stdout": lines,
        "stderr": {"0": TRICKS},
    }
    forged |= {"progress": 0.5, "progress_text": TRICKS, "instance": TRICKS, "job_start": TRICKS}
    put(s3, keys.status("a"), json.dumps(forged))
    put(s3, f"{keys.logs_prefix}b/stdout.00000", f"{TRICKS}\n")
    put(s3, f"{keys.logs_prefix}b/stdout.\u00b2", "no number")
    put(s3, keys.verdict(1), DatasetStatus("FAILED", reason=TRICKS, stdout={"0": TRICKS}).to_json())
    put(s3, keys.process_prefix + TRICKS, "x")
    where = {"analysis": CLIENT_BUCKET, "group": GROUP}
    for command, more in (
        (job_commands.status, {}),
        (job_commands.status, {"certificate": True}),
        (job_commands.status, {"json": True, "certificate": True}),
        (job_commands.explain, {}),
        (job_commands.explain, {"json": True}),
        (job_commands.logs, {"dataset": []}),
        (fetching.results, {"only": [], "without": [], "dataset": [], "to": str(tmp_path)}),
        (fetching.results, {"only": [], "without": [], "dataset": [], "to": str(tmp_path), "json": True}),
        (job_commands.jobs, {}),
    ):
        run(command, *(["t1"] if command is not job_commands.jobs else []), **where, **more)
        said = capsys.readouterr()
        assert not set(said.out + said.err) & set("\x1b\x07\x9b\u202e"), (command, more)
        if not more:
            assert not [line for line in said.out.splitlines() if line.startswith("JOB RESULT")], command
        if more.get("json"):
            json.loads(said.out)
    put(s3, keys.records.end, "FAILED 0/2\n")
    with pytest.raises(Ended) as ended:
        run(job_commands.follow, "t1", **where)
    assert not set(str(ended.value.message) + capsys.readouterr().out) & set("\x1b\x07\x9b\u202e")


def test_records_that_would_choke_their_reader_are_left_out_and_the_job_ends() -> None:
    """The end is written for all groups by one function of 512 MiB."""
    for choking in (
        b'{"results":[' + b"{}," * 5_000_000 + b"{}]}",
        b'{"results":[' + b"1.5," * 3_900_000 + b"1]}",
    ):
        assert len(choking) < RECORD_MAX_BYTES
        world = World()
        world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
        for machine, record in zip(
            list(world.aws.ec2),
            (
                choking,
                json.dumps({"results": [_moved(world.job().keys.process_prefix + "x", "2" * 64)]}).encode(),
            ),
            strict=True,
        ):
            plant(world, world.evidence(machine).files, record)
            world.complete(machine)
        assert [len(dataset["results"]) for dataset in world.facts()["datasets"]] == [0, 1]
        assert world.aws.text(BUCKET, world.job().keys.records.end) == "SUCCESS 2/2\n"


def test_the_records_of_a_job_have_one_limit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.submit(world.submission(dataname=[f"lab/inputs/{name}.zip" for name in "abc"]))
    record = json.dumps(
        {"results": [_moved(f"{world.job().keys.process_prefix}{number}", "2" * 64) for number in range(40)]}
    )
    monkeypatch.setattr(evidence, "RECORD_MAX_BYTES", int(2.5 * len(record)))
    for machine in list(world.aws.ec2):
        plant(world, world.evidence(machine).files, record)
        world.complete(machine)
    assert [len(dataset["results"]) for dataset in world.facts()["datasets"]] == [40, 40, 0]


HOSTILE_FIELDS = (
    "reason",
    "command",
    "input",
    "instance",
    "job_start",
    "job_finish",
    "updated",
    "progress_text",
    "last_command",
)


@pytest.mark.parametrize(
    "value",
    ["x" * 20_000, "\x1b]0;x\x07\n" * 1000, "\u202e" * 5000, 10**4000, [[[[]]]], {"a": {}}, None, True],
    ids=lambda v: repr(v)[:12],
)
def test_what_a_machine_says_has_a_length(value: object) -> None:
    """Every field of the word that counts, wrong at once: the records of the job stay short, and its end is
    one line.
    """
    world = World()
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    word = {
        "status": "FAILED",
        "exit_code": value,
        "progress": value,
        "eta_seconds": value,
        "stdout": value,
        "stderr": {"0": value},
    }
    word |= dict.fromkeys(HOSTILE_FIELDS, value)
    plant(world, world.evidence(machine).status, json.dumps(word))
    world.die(machine, "Client.InstanceInitiatedShutdown")
    records = {
        key: body
        for (_, key), (body, _) in world.aws.objects_.items()
        if key.startswith(("jobs/lab/job_t1/", "logs/lab/"))
    }
    assert {key: len(body) for key, body in records.items() if len(body) > 40_000} == {}
    end = world.aws.text(BUCKET, world.job().keys.records.end)
    assert end.startswith("FAILED 0/1 a.zip: ")
    assert end[:-1].isprintable()
    assert world.certificate().count("JOB RESULT: ") == 1
    assert world.aws.items == {}


def test_a_million_logs_do_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is copied to an outside bucket has a limit; what the service has written comes first."""
    monkeypatch.setattr(finish, "LOGS_MAX_COPIES", 5)
    bucket = OutsideBucket("outside", "results/", ("results",), ())
    world = World(replace(SETTINGS, outside_buckets=(bucket,)))
    world.submit(world.submission(resultpath="s3://outside/results/x"))
    (machine,) = world.aws.ec2
    for number in range(50):
        plant(world, f"{world.job().keys.logs_prefix}0{number}", "x")
    world.complete(machine)
    copied = sorted(
        key.rpartition("/")[2] for there, key in world.aws.objects_ if there == "outside" and "/logs/" in key
    )
    assert copied == ["00", "01", "DATASET_NAME:a.zip_STATUS.txt", "certificate.json", "certificate.txt"]


def test_who_sees_the_end_finds_all_that_it_tells_of() -> None:
    """Clients take the service's own `end.txt` for the end, and fetch at once."""
    bucket = OutsideBucket("outside", "results/", ("results",), ())
    world = World(replace(SETTINGS, outside_buckets=(bucket,)))
    world.submit(world.submission(resultpath="s3://outside/results/x"))
    (machine,) = world.aws.ec2
    world.complete(machine)
    keys = world.job().keys
    told = ("put", keys.records.end)
    before = world.aws.calls[: world.aws.calls.index(told)]
    outside = "results/x/job_t1/process_results/end.txt"
    assert {("put", key) for key in (keys.end, outside, keys.certificate_json)} <= set(before)
