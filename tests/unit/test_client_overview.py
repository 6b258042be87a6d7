"""Lists of jobs: which are shown, what is said of them, and how few requests that takes. And many jobs at
once."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from neurocaas import Analysis, AnalysisError, own_jobs, places
from neurocaas.cli import main
from neurocaas.commands import speaking
from neurocaas.overview import VERDICTS, chosen_states, open_jobs, overview, since_when
from neurocaas.protocol.analyses import DeployedAnalysis, parameter
from neurocaas.protocol.documents import iso
from neurocaas.protocol.job_index import IndexEntry, complete_key, segment_key
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.published_settings import about_key
from neurocaas.protocol.status import DatasetStatus
from neurocaas.states import DatasetState, JobState
from neurocaas.watching import Watched, watch_jobs
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import ABOUT, MEMBER, ended, put, service

FAILED = DatasetStatus(status="FAILED", reason="exit status 3", exit_code=3).to_json()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    with service(monkeypatch, variables={**MEMBER, places.STATE: str(tmp_path)}) as client:
        yield client


def sent(s3: Any, *names: str) -> None:
    for name in names:
        put(s3, f"{GROUP}/submissions/{name}_submit.json", "{}")


def running(s3: Any, name: str, datasets: int, verdicts: int = 0, failed: int = 0) -> None:
    keys = JobKeys.of(GROUP, name)
    sent(s3, name)
    put(s3, keys.records.certificate, "begun")
    put(s3, keys.job, job_json("s", *(f"d{number}" for number in range(datasets)), stamp=name))
    for number in range(verdicts):
        text = FAILED if number < failed else DatasetStatus(status="SUCCESS").to_json()
        put(s3, keys.verdict(number), text)


def done(s3: Any, name: str) -> None:
    sent(s3, name)
    ended(s3, name, {"a": 60.0})


def world(s3: Any) -> None:
    done(s3, "good")
    running(s3, "going", 5, 3, 1)
    sent(s3, "typo", "new")
    put(s3, rejected_keys(GROUP, "typo").records.certificate, "…")
    put(s3, rejected_keys(GROUP, "typo").records.end, "FAILED 0/0 no such config")


def rows(**chosen: Any) -> dict[str, Any]:
    return {one.job: one for one in overview([Analysis(BUCKET, GROUP)], **chosen).rows}


def test_each_job_has_its_state_its_counts_and_its_cost(s3: Any) -> None:
    world(s3)
    found = rows()
    assert {name: one.state for name, one in found.items()} == {
        "good": "SUCCESS",
        "going": "RUNNING",
        "typo": "REJECTED",
        "new": "SUBMITTED",
    }
    good, going, typo = found["good"], found["going"], found["typo"]
    assert (good.done, good.datasets, good.failed, good.usd) == (1, 1, 0, 0.0123)
    assert good.seconds > 100, "until its certificate says, two minutes later, and not until now"
    assert (going.done, going.datasets, going.failed, going.usd) == (3, 5, 1, None)
    assert (typo.why, typo.usd, typo.datasets) == ("no such config", None, None)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("open", {"going", "new"}),
        ("rejected", {"typo"}),
        ("success,running", {"good", "going"}),
        ("failed", set()),
    ],
)
def test_jobs_of_a_state_are_found_among_all(s3: Any, state: str, names: set[str]) -> None:
    world(s3)
    assert set(rows(states=chosen_states(state))) == names


def test_an_unknown_state_is_told_the_nearest() -> None:
    with pytest.raises(AnalysisError, match="--state runing") as caught:
        chosen_states("runing")
    assert caught.value.do == "did you mean running?"
    assert chosen_states("") == frozenset()


def test_since_is_a_while_or_a_date() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert since_when("", now) is None
    for text, delta in (
        ("90m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("3w", timedelta(weeks=3)),
    ):
        assert since_when(text, now) == now - delta
    assert since_when("2026-11-01", now) == datetime(2026, 11, 1).astimezone(UTC)
    assert since_when("2026-11-01T10:00Z", now) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    for text in ("yesterday", "2", "2 years", "2026-13-01"):
        with pytest.raises(AnalysisError, match="--since"):
            since_when(text, now)


def test_only_what_came_since_then(s3: Any) -> None:
    world(s3)
    assert rows(since=datetime.now(UTC) + timedelta(hours=1)) == {}
    assert len(rows(since=datetime.now(UTC) - timedelta(hours=1))) == 4
    ended(s3, "nobody-knows-when", {"a": 1.0})
    assert "nobody-knows-when" not in rows(since=datetime.now(UTC) - timedelta(hours=1))


def test_mine_is_what_was_submitted_from_here(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world(s3)
    assert main(["jobs", "--mine"]) == 0
    assert "the service has no name for you" in capsys.readouterr().err
    for key in ("inputs/a", "configs/c.json"):
        put(s3, f"{GROUP}/{key}", "{}")
    job = Analysis(BUCKET, GROUP).submit([f"{GROUP}/inputs/a"], f"{GROUP}/configs/c.json", "own")
    assert own_jobs.own(BUCKET, GROUP) == {"own"}
    assert own_jobs.own(BUCKET, "others") == own_jobs.own("others", GROUP) == frozenset()
    assert set(rows(mine=True)) == {job.timestamp}
    main(["jobs"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " own " in line]
    assert "  you  " in line


def test_what_cannot_be_remembered_hinders_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(places.STATE, str(tmp_path / "file" / "below"))
    own_jobs.remember("b", "g", "t")
    assert own_jobs.own("b", "g") == frozenset()
    monkeypatch.setenv(places.STATE, str(tmp_path))
    monkeypatch.setattr(own_jobs, "MOST", 5)
    for number in range(30):
        own_jobs.remember("b", "g", str(number))
    (tmp_path / "submitted.jsonl").open("a").write("{spoilt\n[1]\n")
    assert {"29", "28", "27"} <= own_jobs.own("b", "g")
    assert len(own_jobs.own("b", "g")) <= 10


def test_a_list_takes_few_requests_however_many_jobs_and_datasets_there_are(s3: Any) -> None:
    for number in range(40):
        done(s3, f"done{number:02d}")
    running(s3, "zz", 200, VERDICTS + 1, 5)
    analysis = Analysis(BUCKET, GROUP)
    calls: list[str] = []
    analysis.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    found = overview([analysis], limit=10)
    assert (len(found.rows), found.every, found.more) == (10, 41, True)
    assert [one.job for one in found.rows][-1] == "zz"
    assert (found.rows[-1].done, found.rows[-1].datasets, found.rows[-1].failed) == (33, 200, None)
    counts = Counter(calls)
    assert counts["ListObjectsV2"] <= 4 + 1, "three listings, one of an index, one of verdicts"
    assert counts["GetObject"] <= 2 * 16, "two for each that is looked at, sixteen at a time"


def test_all_analyses_of_the_group_are_one_list(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEUROCAAS_ANALYSIS")
    assert main(["jobs", "--all"]) == 2
    assert "no list of the analyses of group debuggers" in capsys.readouterr().err
    ssm = boto3.client("ssm")
    account = boto3.client("sts").get_caller_identity()["Account"]
    for analysis, bucket in (("dti", BUCKET), ("motion", "motion-bucket")):
        one = DeployedAnalysis(analysis, "webdev", bucket, account, "us-east-1")
        name = parameter(GROUP, analysis, "webdev")
        ssm.put_parameter(Name=name, Value=one.to_json(), Type="String")
    s3.create_bucket(Bucket="motion-bucket")
    s3.put_object(Bucket="motion-bucket", Key=about_key(GROUP), Body=ABOUT.to_json())
    s3.put_object(Bucket="motion-bucket", Key=f"{GROUP}/submissions/m_submit.json", Body=b"{}")
    done(s3, "good")
    assert main(["jobs", "--all", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    found = {(one["analysis"], one["job"]) for one in listed}
    assert found == {("motion-webdev", "m"), ("dti-webdev", "good")}
    assert main(["jobs", "--all", "--analysis", "dti"]) == 2


def test_watching_ends_with_one_when_a_job_failed(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world(s3)
    done(s3, "good2")
    assert main(["watch", "good", "good2"]) == 0
    assert capsys.readouterr().out.splitlines().count("good  DONE  SUCCESS 1/1") == 1
    assert main(["watch", "good", "typo"]) == 1
    captured = capsys.readouterr()
    assert "typo  REJECTED  no such config" in captured.out
    assert "1 of 2 jobs failed; `neurocaas explain typo` says why" in captured.err


def test_without_names_the_open_jobs_are_watched(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done(s3, "good")
    assert main(["watch"]) == 0
    assert "no job is open" in capsys.readouterr().err
    running(s3, "going", 2)
    sent(s3, "new")
    assert main(["watch", "--timeout", "1"]) == 2
    assert "2 of 2 jobs have not ended after 1 s" in capsys.readouterr().err
    assert main(["watch", "good", "--all"]) == 2


class _Clock:
    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class _Handle:
    """A job that ends after so many looks."""

    def __init__(self, looks: int, state: str = "SUCCESS") -> None:
        self.looks, self.state = looks, state

    def status(self) -> JobState:
        self.looks -= 1
        if self.looks > 0:
            return JobState("t", "RUNNING", (DatasetState("a", "a", "IN PROGRESS"),))
        return JobState("t", "DONE", (DatasetState("a", "a", self.state),), f"{self.state} 1/1")


def watched(*looks: int) -> dict[str, Watched]:
    return {str(number): Watched("dti", _Handle(count)) for number, count in enumerate(looks)}


def test_each_end_is_told_once_and_the_first_may_be_enough() -> None:
    told: list[str] = []

    def show(title: str, state: JobState, ended_now: bool) -> None:
        if ended_now:
            told.append(title)

    states = watch_jobs(watched(3, 1, 2), show, clock=_Clock())
    assert told == ["1", "2", "0"]
    assert all(state.succeeded for state in states.values())
    told.clear()
    first = watch_jobs(watched(3, 1, 2), show, until_first=True, clock=_Clock())
    assert told == ["1"]
    assert [state.finished for state in first.values()] == [False, True, False]
    assert watch_jobs({}, show, clock=_Clock()) == {}


def test_more_jobs_are_asked_for_less_often() -> None:
    few, many = _Clock(), _Clock()
    watch_jobs(watched(*[2] * 4), lambda *_: None, clock=few)
    watch_jobs(watched(*[2] * 80), lambda *_: None, clock=many)
    assert (few.pauses, many.pauses) == ([1.0], [10.0])


def test_a_job_that_waits_says_why_while_it_is_followed(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    running(s3, "going", 2)
    monkeypatch.setattr(speaking, "WAITS_SECONDS", 0.0)
    assert main(["follow", "going", "--timeout", "1"]) == 2
    said = [line for line in capsys.readouterr().out.splitlines() if "waits for its machines" in line]
    assert len(said) == 1, "once, however often it is asked"
    assert said[0].startswith("going  RUNNING  Job going waits for its machines to start")

    class Away:
        def evidence(self, handle: Any) -> Any:
            raise ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeInstances")

    waits = speaking.Waits(Away(), None, lambda: 1e9)
    assert waits(JobState("t", "SUBMITTED")) == ""
    assert waits(JobState("t", "RUNNING", (DatasetState("a", "a", "IN PROGRESS", 1.0),))) == ""


# With an index
# ------------------------------------------------------------------------------------------------------------
NOW = datetime.now(UTC)


def entry(name: str, hours: float = 1, **facts: Any) -> IndexEntry:
    """A job that came so many hours ago."""
    began = NOW - timedelta(hours=hours)
    standard = {"state": "SUCCESS", "datasets": 2, "done": 2, "cost": 20_000, "submitter": "ann",
                "ended": iso(began + timedelta(minutes=5)), "analysis": "dti"}  # fmt: skip
    key = f"{GROUP}/submissions/{name}_submit.json"
    return IndexEntry(f"job_{name}", iso(began), **{"submission": key, **standard, **facts})


def index(s3: Any, *entries: IndexEntry, segment: int = 0, complete: bool = True) -> None:
    put(s3, segment_key(GROUP, segment), "".join(f"{one.line()}\n" for one in entries))
    if complete:
        put(s3, complete_key(GROUP), "{}")


def test_an_index_says_all_of_its_jobs(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index(
        s3,
        entry("good", 3),
        entry("bad", 2, state="FAILED", failed=1, why="b: out of memory"),
        entry("going", 1, state="RUNNING", done=1, ended="", cost=0, reserved=240_000, submitter="bob"),
        IndexEntry("rejected_typo", iso(NOW), "REJECTED", ended=iso(NOW), why="no such config"),
    )
    sent(s3, "good", "new")
    found = rows()
    assert list(found) == ["good", "bad", "going", "typo", "new"]
    good, bad, going, typo, new = found.values()
    assert (good.state, good.done, good.datasets, good.failed, good.usd, good.seconds) == (
        "SUCCESS", 2, 2, 0, 0.02, 300.0)  # fmt: skip
    assert (bad.failed, bad.why, bad.submitter) == (1, "b: out of memory", "ann")
    assert (going.done, going.usd, going.reserved_usd, going.submitter) == (1, None, 0.24, "bob")
    assert (typo.state, typo.datasets, typo.usd, typo.why) == ("REJECTED", None, None, "no such config")
    assert new.state == "SUBMITTED"
    assert set(rows(states=chosen_states("open"))) == {"going", "new"}
    assert set(rows(since=NOW - timedelta(hours=1.5))) == {"going", "typo", "new"}
    monkeypatch.setattr("neurocaas.overview.name_of", lambda *_: "bob")
    assert set(rows(mine=True)) == {"going"}
    assert main(["jobs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[2]["submitter"] == "bob"
    assert main(["jobs"]) == 0
    assert "  bob  " in capsys.readouterr().out


def test_a_large_index_takes_few_requests(s3: Any) -> None:
    for segment in range(10):
        some = [entry(f"j{segment}-{number}", 100 - segment) for number in range(4)]
        index(s3, *some, segment=segment)
    sent(s3, "new")
    analysis = Analysis(BUCKET, GROUP)
    calls: list[str] = []
    analysis.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    found = overview([analysis], limit=5)
    assert [one.job for one in found.rows][-2:] == ["j9-3", "new"]
    assert found.more
    assert Counter(calls) == {"ListObjectsV2": 2, "GetObject": 2}
    calls.clear()
    assert len(overview([analysis], limit=0).rows) == 41
    assert Counter(calls) == {"ListObjectsV2": 2, "GetObject": 10}


def test_until_an_index_is_complete_what_is_not_in_it_is_looked_up(s3: Any) -> None:
    world(s3)
    index(s3, entry("fresh"), entry("going", state="RUNNING", ended="", done=1), complete=False)
    sent(s3, "fresh")
    found = rows()
    assert set(found) == {"good", "going", "typo", "new", "fresh"}
    assert found["going"].done == 1, "as the index says"
    assert found["good"].usd == 0.0123, "as its certificate says"


def test_open_jobs_are_those_of_the_index(s3: Any) -> None:
    index(s3, entry("good"), entry("going", state="RUNNING", ended=""))
    sent(s3, "new")
    assert [handle.timestamp for _, handle in open_jobs([Analysis(BUCKET, GROUP)])] == ["going", "new"]


def test_a_name_that_was_used_again_is_listed_once(s3: Any) -> None:
    index(s3, entry("a", 9, state="FAILED"), entry("a", 1))
    assert [one.state for one in rows().values()] == ["SUCCESS"]
