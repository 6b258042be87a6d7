"""Before anything is uploaded: each refusal that can be foreseen is told, and nothing was written then."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import Analysis, AnalysisError, steps
from neurocaas.bucket import s3_client
from neurocaas.checks import Wish
from neurocaas.commands import speaking, submitting
from neurocaas.commands.command import Ended
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.spending import Spending, month_of, spending_key
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import ABOUT, put, run, tell

PARAMETERS = {
    "type": "object",
    "required": ["threshold"],
    "properties": {
        "threshold": {"type": "number", "minimum": 0},
        "fit_method": {"enum": ["WLS", "OLS"]},
    },
}
TOLD = replace(
    ABOUT,
    config=ConfigRules(60, 120, 100, 4, PARAMETERS),
    disk=DiskRules(16, 4, 2.0),
    max_datasets=3,
    outside_buckets=(OutsideBucket("open-data", "raw/", ("inputs", "results"), ()),),
)
INPUT = f"{GROUP}/inputs/there.nii"
GIB = 1 << 30


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Each operation of S3 that writes, by whichever client of the library."""
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(speaking.BUCKET, BUCKET)
    monkeypatch.setenv("NEUROCAAS_GROUP", GROUP)
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        if model.name.startswith(("Put", "Create", "Upload", "Complete", "Copy", "Delete")):
            calls.append(model.name)

    def watched(session: Any) -> Any:
        client = s3_client(session)
        client.meta.events.register("before-call.s3", note)
        return client

    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        tell(client, TOLD)
        put(client, INPUT, "data")
        put(client, f"{GROUP}/configs/good.json", '{"threshold": 1}')
        monkeypatch.setattr("neurocaas.analysis.s3_client", watched)
        yield calls


def s3() -> Any:
    return boto3.client("s3")


def make(path: Path, content: str | bytes = "data") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def sparse(path: Path, size: int) -> str:
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def link(path: Path, to: Path) -> str:
    make(to)
    path.symlink_to(to)
    return str(path)


def folder(path: Path, *names: str) -> str:
    for name in names:
        make(path / name)
    path.mkdir(exist_ok=True)
    return str(path)


Case = Callable[[Path], dict[str, Any]]
GOOD = '{"threshold": 1}'


def good(tmp: Path, **more: Any) -> dict[str, Any]:
    return {"data": [make(tmp / "scan.nii")], "config": make(tmp / "good.json", GOOD)} | more


REFUSED: dict[str, tuple[Case, tuple[str, ...]]] = {
    "a file that is not there": (
        lambda tmp: good(tmp, data=[make(tmp / "scan.nii")[:-1]]),
        ("no such file", "did you mean", "scan.nii'?"),
    ),
    "an empty file": (lambda tmp: good(tmp, data=[make(tmp / "e.nii", "")]), ("e.nii is empty",)),
    "a folder with nothing in it": (lambda tmp: good(tmp, data=[folder(tmp / "f")]), ("no data in",)),
    "a folder of empty files": (
        lambda tmp: good(tmp, data=[str(Path(make(tmp / "f/a", "")).parent)]),
        ("are empty",),
    ),
    "a name that S3 cannot have": (
        lambda tmp: good(tmp, data=[make(tmp / "a\nb.nii")]),
        ("names that S3 cannot have",),
    ),
    "a path in a folder that is too long": (
        lambda tmp: good(tmp, data=[folder(tmp / "f", "/".join(["x" * 250] * 4) + "/a")]),
        ("too long by",),
    ),
    "a file twice, by a link": (
        lambda tmp: good(tmp, data=[link(tmp / "l.nii", tmp / "a.nii"), str(tmp / "a.nii")]),
        ("the same data twice",),
    ),
    "a file, and the folder that it is in": (
        lambda tmp: good(tmp, data=[folder(tmp / "f", "deep/a.nii"), str(tmp / "f/deep/a.nii")]),
        ("the same data twice", "a.nii is in"),
    ),
    "two files of one name": (
        lambda tmp: good(tmp, data=[make(tmp / "1/a.nii"), make(tmp / "2/a.nii")]),
        ("several files are called a.nii",),
    ),
    "more than a disk has room for": (
        lambda tmp: good(tmp, data=[sparse(tmp / "big.nii", 13 * GIB)]),
        ("big.nii' of 13.0 GiB", "datasets of up to 12 GiB"),
    ),
    "no data": (lambda tmp: good(tmp, data=[]), ("no datasets",)),
    "too many datasets": (
        lambda tmp: good(tmp, data=[make(tmp / f"{number}.nii") for number in range(4)]),
        ("4 datasets", "1 to 3 datasets"),
    ),
    "several datasets for an ensemble": (
        lambda tmp: good(
            tmp,
            data=[make(tmp / "a.nii"), make(tmp / "b.nii")],
            config=make(tmp / "c.yaml", "threshold: 1\nmode: train\nensemble_size: 2\n"),
        ),
        ("2 datasets for an ensemble",),
    ),
    "a key that is not there": (
        lambda tmp: good(tmp, data=[], key=[f"{GROUP}/inputs/three.nii"]),
        (f"no dataset '{GROUP}/inputs/three.nii'", f"did you mean '{INPUT}'?"),
    ),
    "a key of another group": (lambda tmp: good(tmp, key=["lab/inputs/a"]), ("no dataset 'lab/inputs/a'",)),
    "a key twice": (
        lambda tmp: good(tmp, data=[], key=[INPUT, INPUT]),
        (f"the same data twice: {INPUT}",),
    ),
    "an outside bucket that is not registered": (
        lambda tmp: good(tmp, data=[], key=["s3://secret/raw/a"]),
        ("'s3://secret/raw/a'", "'s3://open-data/raw/…'"),
    ),
    "data here and in an outside bucket": (
        lambda tmp: good(tmp, key=["s3://open-data/raw/a"]),
        ("must be from same bucket",),
    ),
    "data in an outside bucket, and a config here": (
        lambda tmp: good(tmp, data=[], key=["s3://open-data/raw/a"]),
        ("data and config must be from same bucket",),
    ),
    "a config that is not there": (
        lambda tmp: good(tmp, config=str(tmp / "goood.json")),
        ("no config", "did you mean", "good.json'?"),
    ),
    "a config of another kind": (
        lambda tmp: good(tmp, config=make(tmp / "c.toml", "a = 1")),
        ("a file ending in .json",),
    ),
    "a config with several mistakes": (
        lambda tmp: good(
            tmp,
            config=make(
                tmp / "c.json", '{\n  "fit_method": "WSL",\n  "treshold": 3,\n  "__duration__": 500\n}\n'
            ),
        ),
        (
            "c.json:2:17: fit_method: got 'WSL'",
            "did you mean 'WLS'?",
            "c.json:3:3: 'treshold': got 3",
            "did you mean 'threshold'?",
            "c.json:4:19: __duration__: got 500",
            "from 1 to 120",
            "c.json: threshold: got nothing",
        ),
    ),
    "a name twice in a config, and more": (
        lambda tmp: good(tmp, config=make(tmp / "c.yaml", "threshold: 1\nfit_method: x\nthreshold: -2\n")),
        ("c.yaml:3:1: the name 'threshold' twice", "c.yaml:3:12: threshold: got -2", "c.yaml:2:13: fit_m"),
    ),
    "a config that is no JSON": (
        lambda tmp: good(tmp, config=make(tmp / "c.json", '{"threshold": 1,}')),
        ("c.json: ", "not JSON", "line 1, column 1"),
    ),
    "a config with a name that S3 cannot have": (
        lambda tmp: good(tmp, config=make(tmp / "a\tb.json", GOOD)),
        ("control characters",),
    ),
    "a config that is too large": (
        lambda tmp: good(tmp, config=make(tmp / "c.yaml", "#" * 200_000 + "\nthreshold: 1\n")),
        ("c.yaml: ", "up to 131072 bytes"),
    ),
    "a timestamp that is none": (lambda tmp: good(tmp, timestamp="a/b"), ("timestamp 'a/b'",)),
    "another type of machine": (
        lambda tmp: good(tmp, instance_type="m5.larg"),
        ("instance type 'm5.larg'", "did you mean 'm5.large'?"),
    ),
    "a result path that is not registered": (
        lambda tmp: good(tmp, resultpath="s3://other/x"),
        ("resultpath: got 's3://other/x'", "'s3://open-data/raw/…'"),
    ),
    "a result path that is none": (
        lambda tmp: good(tmp, resultpath="somewhere"),
        ("s3:// format path required",),
    ),
    "an empty config without what must be there": (
        lambda tmp: {"data": [make(tmp / "scan.nii")]},
        ("config threshold: got nothing",),
    ),
}


def refusal(arguments: dict[str, Any]) -> AnalysisError:
    given = {"data": [], "key": []} | arguments
    with pytest.raises(AnalysisError) as caught:
        run(submitting.submit, **given)
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_foreseen_is_refused_before_anything_is_uploaded(
    written: list[str], tmp_path: Path, name: str
) -> None:
    case, parts = REFUSED[name]
    error = refusal(case(tmp_path))
    for part in parts:
        assert part in str(error)
    assert error.exit_code == 2
    assert written == []


@pytest.mark.parametrize(
    ("about", "part"),
    [
        (replace(TOLD, image_ready=False), "no machine image is deployed for dti"),
        (replace(TOLD, folder="each", max_datasets=1), "2 datasets"),
    ],
)
def test_what_the_analysis_says_is_known_before_anything_is_uploaded(
    written: list[str], tmp_path: Path, about: About, part: str
) -> None:
    tell(s3(), about)
    data = [folder(tmp_path / "f", "a", "b")]
    assert part in str(refusal(good(tmp_path, data=data)))
    assert written == []


@pytest.mark.parametrize(
    ("limit", "committed", "part"),
    [
        ("0.05", 0, "a job that may cost $0.12, with a budget of $0.05 a month"),
        ("10", 9_950_000, "costs of up to $0.12, with $0.05 left (of $10.00 in "),
        ("10", 9_000_000, ""),
    ],
)
def test_costs_that_the_groups_budget_does_not_cover_are_told_before_anything_is_uploaded(
    written: list[str], tmp_path: Path, limit: str, committed: int, part: str
) -> None:
    tell(s3(), replace(TOLD, tells_spending=True, budget_parameters="/neurocaas/budgets"))
    boto3.client("ssm").put_parameter(Name=f"/neurocaas/budgets/{GROUP}/dti", Value=limit, Type="String")
    month = month_of(datetime.now(UTC))
    put(s3(), spending_key(GROUP, month), Spending(month, committed, 0).to_json())
    if not part:
        run(submitting.submit, **good(tmp_path, key=[]))
        assert written
        return
    assert part in str(refusal(good(tmp_path)))
    assert written == []


def test_the_costs_of_several_jobs_are_added_up(written: list[str], tmp_path: Path) -> None:
    tell(s3(), replace(TOLD, tells_spending=True))
    month = month_of(datetime.now(UTC))
    put(s3(), spending_key(GROUP, month), Spending(month, 299_700_000, 0).to_json())
    wish = Wish([make(tmp_path / "scan.nii")], config={"threshold": 1})
    assert len(steps.planned(Analysis(BUCKET, GROUP), [wish] * 2)) == 2
    with pytest.raises(AnalysisError, match=r"costs of up to \$0.36, with \$0.30 left"):
        steps.planned(Analysis(BUCKET, GROUP), [wish] * 3)
    assert written == []


@pytest.mark.parametrize("where", ["submission", "record"])
def test_a_timestamp_that_is_used_is_told_before_anything_is_uploaded(
    written: list[str], tmp_path: Path, where: str
) -> None:
    key = f"{GROUP}/submissions/t1_submit.json"
    put(s3(), key if where == "submission" else JobKeys.of(GROUP, "t1").job, "{}")
    assert "timestamp 't1', which another submission has" in str(refusal(good(tmp_path, timestamp="t1")))
    assert written == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_told(written: list[str], tmp_path: Path) -> None:
    closed = Path(make(tmp_path / "f/below/a"))
    closed.parent.chmod(0)
    try:
        assert "cannot be read" in str(refusal(good(tmp_path, data=[str(tmp_path / "f")])))
    finally:
        closed.parent.chmod(0o700)
    assert written == []


def test_everything_wrong_is_told_at_once(written: list[str], tmp_path: Path) -> None:
    error = refusal({
        "data": [str(tmp_path / "gone"), make(tmp_path / "empty", "")],
        "key": [f"{GROUP}/inputs/none"],
        "config": make(tmp_path / "c.json", '{"threshold": -1, "x": 2}'),
        "timestamp": "a b",
        "instance_type": "m6.large",
        "resultpath": "s3://no/where",
    })  # fmt: skip
    assert str(error).count("\n  allowed: ") == 8
    assert written == []


def test_several_wishes_tell_their_faults_together(written: list[str], tmp_path: Path) -> None:
    data = make(tmp_path / "scan.nii")
    configs = ({"threshold": 1}, {"threshold": -1}, {"fit_method": "no", "threshold": 1})
    wishes = [Wish([data], config=one) for one in configs]
    with pytest.raises(AnalysisError) as caught:
        steps.planned(Analysis(BUCKET, GROUP), wishes)
    assert "config threshold: got -1" in str(caught.value)
    assert "config fit_method: got 'no'" in str(caught.value)
    assert written == []
    plans = steps.planned(Analysis(BUCKET, GROUP), [wishes[0], wishes[0]])
    assert len({plan.wish.timestamp for plan in plans}) == 2
    sent = steps.uploaded(Analysis(BUCKET, GROUP), plans)
    assert [one.keys for one in sent] == [(f"{GROUP}/inputs/scan.nii",)] * 2
    assert len({one.configname for one in sent}) == 2


def test_a_dry_run_shows_what_would_be_and_writes_nothing(
    written: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = good(tmp_path, data=[make(tmp_path / "long.nii", b"1" * 1500), folder(tmp_path / "f", "a", "b")])
    run(submitting.submit, **wish, key=[INPUT], dry_run=True, timestamp="t1")
    said = capsys.readouterr()
    assert [" ".join(line.split()) for line in said.out.splitlines()] == [
        f"would upload {tmp_path / 'long.nii'} 1.5 kB to {GROUP}/inputs/long.nii",
        f"would upload {tmp_path / 'f'} 8 bytes in 2 files to {GROUP}/inputs/DIGEST/f/",
        f"would submit job t1: 3 datasets, config {tmp_path / 'good.json'}, 3 machines m5.large",
        "nothing was uploaded or submitted",
    ]
    assert "at most: $" in said.err
    run(submitting.submit, **wish, key=[INPUT], dry_run=True, timestamp="t1", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["dry_run"] is True
    assert (told["datasets"], told["keys"], told["config"]) == (3, [INPUT], {"threshold": 1})
    assert [(one["bytes"], one["files"]) for one in told["uploads"]] == [(1500, 1), (8, 2)]
    assert written == []


def answer(refused: bool) -> None:
    """What the manager writes to say yes or no to the submission t1."""
    keys = JobKeys.of(GROUP, "t1")
    if refused:
        facts = {
            "exit_class": "user",
            "problems": [{"field": "dataname", "got": "x", "allowed": "y", "do": "Do z"}],
        }
        put(s3(), keys.records.certificate_json, json.dumps(facts))
        put(s3(), keys.records.certificate, "dataname: got x. Allowed: y. Do z.")
        put(s3(), keys.records.end, "FAILED 0/0 dataname")
    else:
        put(s3(), keys.job, job_json(f"{GROUP}/submissions/t1_submit.json", "scan.nii", stamp="t1"))


class Clock:
    """Time that passes only while somebody waits; the service answers after `after` seconds."""

    def __init__(self, after: float, refused: bool) -> None:
        self.now, self.after, self.refused = 0.0, after, refused

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.after <= self.now:
            answer(self.refused)


@pytest.mark.parametrize("json_", [False, True])
@pytest.mark.parametrize(
    ("after", "refused", "said"),
    [(3.0, True, "refused"), (3.0, False, "taken"), (1e9, False, None)],
)
def test_submit_waits_for_the_answer_of_the_service(
    written: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    after: float,
    refused: bool,
    said: str | None,
    json_: bool,
) -> None:
    clock, answered = Clock(after, refused), steps.answered
    monkeypatch.setattr(steps, "answered", lambda handle, **how: answered(handle, 60.0, clock, **how))
    wish = good(tmp_path, timestamp="t1", key=[], json=json_)
    if refused:
        with pytest.raises(Ended) as caught:
            run(submitting.submit, **wish)
        assert caught.value.code == 1
        assert "dataname" in caught.value.message
    else:
        run(submitting.submit, **wish)
    shown = capsys.readouterr()
    if json_:
        assert json.loads(shown.out)["answer"] == said
    else:
        assert shown.out == "t1\n"
    if said == "taken":
        assert "has taken it: `neurocaas follow t1`" in shown.err
    assert shown.err.count("waiting for the service's answer") == (after > steps.USUAL_SECONDS)
    if said is None:
        assert clock.now >= 60
        assert "has not answered yet: `neurocaas explain t1`" in shown.err
    assert written


def test_nobody_who_does_not_want_to_waits(
    written: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is asked")

    monkeypatch.setattr(steps, "answered", fail)
    run(submitting.submit, **good(tmp_path, timestamp="t1", key=[]), wait=False)
    assert capsys.readouterr().out == "t1\n"


def test_who_comes_second_with_a_timestamp_by_a_file_of_another_name_is_told(
    written: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service takes the first that it hears of; the other gets its answer beside that job."""

    class Rival(Clock):
        def sleep(self, seconds: float) -> None:
            self.now += seconds
            other = f"{GROUP}/submissions/by_hand_submit.json"
            put(s3(), JobKeys.of(GROUP, "t1").job, job_json(other, "scan.nii", stamp="t1"))
            records = rejected_keys(GROUP, "t1").records
            put(s3(), records.certificate, "timestamp: got 't1', which another submission has used.")
            put(s3(), records.end, "FAILED 0/0 timestamp")

    answered = steps.answered
    monkeypatch.setattr(steps, "answered", lambda handle, **_: answered(handle, 60.0, Rival(1.0, False)))
    with pytest.raises(Ended) as caught:
        run(submitting.submit, **good(tmp_path, timestamp="t1", key=[]))
    assert caught.value.code == 1
    assert "t1" in caught.value.message


def test_the_library_raises_all_that_is_wrong_and_uploads_nothing(written: list[str], tmp_path: Path) -> None:
    dti = Analysis(BUCKET, GROUP)
    wrong = {"threshold": -1, "fit_method": "x"}
    for call in (
        lambda: dti.check([make(tmp_path / "scan.nii")], wrong),
        lambda: dti.check([INPUT], Path(make(tmp_path / "c.json", json.dumps(wrong)))),
        lambda: dti.submit([INPUT], wrong),
        lambda: dti.submit([INPUT], Path(make(tmp_path / "c.json", json.dumps(wrong)))),
        lambda: dti.map([make(tmp_path / "scan.nii")], wrong),
    ):
        with pytest.raises(AnalysisError) as caught:
            call()
        assert "threshold: got -1" in str(caught.value)
        assert "fit_method: got 'x'" in str(caught.value)
    assert written == []
    assert dti.check([make(tmp_path / "scan.nii"), INPUT], {"threshold": 1}).datasets == 2
    assert written == []


def test_what_is_right_is_uploaded_and_submitted_from_a_path_too(written: list[str], tmp_path: Path) -> None:
    job = Analysis(BUCKET, GROUP).submit([INPUT], Path(make(tmp_path / "c.yaml", "threshold: 2\n")), "t1")
    body = json.loads(s3().get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert body["configname"] == f"{GROUP}/configs/t1_c.yaml"
    assert written


def test_a_document_of_an_earlier_version_is_read_and_checks_what_it_can(
    written: list[str], tmp_path: Path
) -> None:
    old = json.loads(ABOUT.to_json())
    for name in ("description", "dataset_description", "dataset_example", "outside_buckets", "config"):
        del old[name]
    put(s3(), f"jobs/{GROUP}/analysis.json", json.dumps(old))
    dti = Analysis(BUCKET, GROUP)
    assert dti.about().dataset_description == ""
    assert dti.check(["s3://any/a"], "s3://any/c.json", resultpath="s3://any/out").datasets == 1
    with pytest.raises(AnalysisError, match="s3:// format path required"):
        dti.check([INPUT], {}, resultpath="x")
