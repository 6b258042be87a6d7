"""What was spent, who may spend what, and an end to everything that spends."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from neurocaas import Analysis, AnalysisError, access, places
from neurocaas.budget import refusals
from neurocaas.cli import main
from neurocaas.commands import paying
from neurocaas.commands.command import Ended
from neurocaas.configuration import Profile
from neurocaas.protocol.analyses import DeployedAnalysis, parameter
from neurocaas.protocol.budget_parameters import names, written
from neurocaas.protocol.documents import iso
from neurocaas.protocol.job_index import IndexEntry, complete_key, segment_key
from neurocaas.protocol.published_settings import about_key
from neurocaas.protocol.spending import Share, Spending, month_of, spending_key
from neurocaas.spending import spending, totals
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, put, run, service

NOW = datetime.now(UTC)
MONTH = month_of(NOW)
ROOT = "/neurocaas/budgets"
BASE = f"{ROOT}/{GROUP}/dti"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    about = replace(ABOUT, tells_spending=True, budget_parameters=ROOT)
    with service(monkeypatch, about, {**MEMBER, places.STATE: str(tmp_path)}) as client:
        put(client, complete_key(GROUP), "{}")
        yield client


def entry(name: str, who: str = "ann", usd: float = 0.5, when: datetime = NOW, **facts: Any) -> IndexEntry:
    standard = {"state": "SUCCESS", "datasets": 2, "done": 2, "seconds": 120.0, "ended": iso(when)}
    return IndexEntry(
        f"job_{name}", iso(when), **{"submitter": who, "cost": round(usd * 1e6), **standard, **facts}
    )


def index(s3: Any, *entries: IndexEntry, segment: int = 0) -> None:
    put(s3, segment_key(GROUP, segment), "".join(f"{one.line()}\n" for one in entries))


def spent(s3: Any, committed: float, spent: float, **members: tuple[float, float]) -> None:
    """The document of this month, in dollars."""
    shares = {name: Share(round(a * 1e6), round(b * 1e6)) for name, (a, b) in members.items()}
    document = Spending(MONTH, round(committed * 1e6), round(spent * 1e6), members=shares)
    put(s3, spending_key(GROUP, MONTH), document.to_json())


def parameters(**values: str) -> None:
    ssm = boto3.client("ssm")
    for name, value in values.items():
        ssm.put_parameter(Name=BASE + name.replace("__", "/"), Value=value, Type="String", Overwrite=True)


# Spent
# ------------------------------------------------------------------------------------------------------------
def world(s3: Any) -> None:
    before = NOW.replace(day=1) - timedelta(days=3)
    index(
        s3,
        entry("old", usd=7, when=before),
        entry("a1"),
        entry("a2", usd=0.25),
        entry("b1", "bob", 2),
        entry("who", "", 0.1),
        entry("on", "bob", 0, state="RUNNING", ended="", done=1, reserved=240_000),
        entry("no", "bob", 0, state="REJECTED", datasets=0, why="no such config"),
    )


def document(capsys: pytest.CaptureFixture[str], command: Any, **flags: Any) -> Any:
    capsys.readouterr()
    run(command, json=True, **flags)
    return json.loads(capsys.readouterr().out)


def test_a_month_is_told_by_job_member_and_analysis(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world(s3)
    found = document(capsys, paying.cost)
    assert (found["cost_usd"], found["reserved_usd"]) == (2.85, 0.24)
    assert {one["job"]: one["submitter"] for one in found["jobs"]} == {
        "a1": "ann", "a2": "ann", "b1": "bob", "who": ""}  # fmt: skip
    assert found["analyses"][0]["open"] == ["on"]
    members = {one["name"]: one for one in document(capsys, paying.cost, by="member")["totals"]}
    assert {name: (one["jobs"], one["cost_usd"]) for name, one in members.items()} == {
        "bob": (1, 2), "ann": (2, 0.75), "(unknown)": (1, 0.1)}  # fmt: skip
    assert (members["bob"]["open"], members["bob"]["reserved_usd"]) == (1, 0.24)
    (whole,) = document(capsys, paying.cost, by="analysis")["totals"]
    assert (whole["name"], whole["datasets"], whole["seconds"]) == (BUCKET, 8, 480)


def test_since_a_day_goes_beyond_a_month(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world(s3)
    found = document(capsys, paying.cost, since="20w", by="month")
    assert found["month"] is None
    assert [one["cost_usd"] for one in found["totals"]] == [7, 2.85]
    assert [one["name"] for one in found["totals"]][-1] == MONTH
    with pytest.raises(AnalysisError, match="--month and --since"):
        run(paying.cost, since="2d", month=MONTH)
    with pytest.raises(AnalysisError, match="--by memebr") as caught:
        run(paying.cost, by="memebr")
    assert caught.value.do == "did you mean member?"


def test_the_table_and_csv_have_the_same_rows(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world(s3)
    run(paying.cost, by="member", csv=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["name"], float(one["cost_usd"])) for one in rows] == [
        ("bob", 2), ("ann", 0.75), ("(unknown)", 0.1)]  # fmt: skip
    run(paying.cost, by="member")
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()[1:4]] == ["bob", "ann", "(unknown)"]
    assert said.out.splitlines()[-1] == f"group {GROUP} in {MONTH}: $2.85 for 4 jobs"
    assert "1 job without an end" in said.err
    assert "$0.24 are reserved" in said.err


def test_a_month_takes_few_requests_however_many_jobs_there_are(s3: Any) -> None:
    for segment in range(10):
        index(s3, *[entry(f"j{segment}-{number}", usd=0.01) for number in range(40)], segment=segment)
    analysis = Analysis(BUCKET, GROUP)
    calls: list[str] = []
    analysis.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    found = spending(analysis, MONTH)
    assert (len(found.bills), round(found.usd, 6)) == (400, 4.0)
    assert Counter(calls) == {"ListObjectsV2": 1, "GetObject": 10}
    assert totals([found], "member")[0].jobs == 400
    calls.clear()
    assert not spending(analysis, "2001-01").bills


# Limits
# ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurocaas.budget.name_of", lambda *_: "ann")


def test_what_is_left_is_the_ledgers_and_a_leads_limit_counts_at_once(s3: Any, ann: None) -> None:
    spent(s3, 150, 100, ann=(30, 20), bob=(120, 80))
    budget = Analysis(BUCKET, GROUP).budget()
    assert (budget.left, budget.member) == (150, None)
    parameters(__limit="160")
    assert Analysis(BUCKET, GROUP).budget().left == pytest.approx(10)
    parameters(__each__limit="35")
    budget = Analysis(BUCKET, GROUP).budget()
    assert budget.left == pytest.approx(5)
    assert budget.member is not None
    assert (budget.member.limit, budget.member.spent, budget.member.reserved) == (35, 20, 10)
    assert "yours: $5.00 of $35.00" in budget.told()
    assert refusals([4], budget) == []
    (too_much,) = refusals([6], budget)
    assert "a lead of the group" in str(too_much)
    (ever,) = refusals([40], budget)
    assert "$35.00 a month" in str(ever)


def test_a_lead_sees_and_sets_limits_of_the_group_and_of_members(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    spent(s3, 150, 100, ann=(30, 20), bob=(120, 80))
    parameters(__members__bob="140")
    found = document(capsys, paying.limit)
    assert (found["budget_usd"], found["limit_usd"], found["left_usd"]) == (300, None, 150)
    assert document(capsys, paying.limit, usd="200")["left_usd"] == 50
    assert document(capsys, paying.limit, each=True, usd="40")["each"]["limit_usd"] == 40
    found = document(capsys, paying.limit, member="bob", usd="130")
    members = {one["name"]: one for one in found["members"]}
    assert (members["ann"]["allowed_usd"], members["ann"]["left_usd"]) == (40, 10)
    assert members["ann"]["limit_usd"] is None
    assert (members["bob"]["budget_usd"], members["bob"]["limit_usd"]) == (140, 130)
    assert (members["bob"]["spent_usd"], members["bob"]["reserved_usd"], members["bob"]["left_usd"]) == (
        80, 40, 10)  # fmt: skip
    assert document(capsys, paying.limit, member="eve")["members"][-1]["allowed_usd"] == 40
    assert document(capsys, paying.limit, each=True, remove=True)["each"]["allowed_usd"] is None
    assert document(capsys, paying.limit, each=True, remove=True)["each"]["limit_usd"] is None
    run(paying.limit)
    said = capsys.readouterr().out
    assert "group debuggers" in said
    assert "bob" in said


@pytest.mark.parametrize("usd", ["-1", "much", "nan", "inf", "1e10", "140", "250"])
def test_what_is_no_limit_is_refused(s3: Any, usd: str) -> None:
    parameters(__members__bob="140")
    with pytest.raises(AnalysisError, match=f"--usd {usd}"):
        run(paying.limit, member="bob", usd=usd)
    for wrong in ({"usd": "1", "remove": True}, {"member": "bob", "each": True}):
        with pytest.raises(AnalysisError, match="one of them"):
            run(paying.limit, **wrong)
    with pytest.raises(AnalysisError, match="--member"):
        run(paying.limit, member="a/../b", usd="1")


def test_who_is_no_lead_is_told_who_may(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutParameter")

    real: Any = boto3.Session.client

    def client(self: Any, name: str, **more: Any) -> Any:
        made = real(self, name, **more)
        if name == "ssm":
            made.meta.events.register("before-call.ssm.PutParameter", refuse)
        return made

    monkeypatch.setattr(boto3.Session, "client", client)
    with pytest.raises(AnalysisError, match="no right to the limits"):
        run(paying.limit, usd="1")


def test_who_may_not_take_the_role_of_the_leads_is_told_the_same(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a profile, the command itself asks for that role: the group and its region are not what is
    wrong."""

    def session_of(profile: Profile, group: str) -> Any:
        if profile.lead:
            raise access.NoRole("user/ann", "role/lab+lead", group)
        return boto3.Session()

    monkeypatch.setattr(access, "profile_in_use", lambda *_: Profile(way="keys", group=GROUP))
    monkeypatch.setattr(access, "session_of", session_of)
    with pytest.raises(AnalysisError, match="no right to the limits") as caught:
        run(paying.limit, usd="1")
    assert f"the leads of {GROUP}" in str(caught.value)


def test_no_two_members_have_the_same_parameters() -> None:
    people = ["", "_", "a_b", "a=b", "a_3Db", "a.b", "a-b", "a@b.c", "each", "limit", "A", "a"]
    assert len({written(name) for name in people}) == len(people)
    assert len({one for name in people for one in names(ROOT, "lab", "dti", name)}) == 4 + 2 * len(people)


# Everything
# ------------------------------------------------------------------------------------------------------------
def test_everything_of_a_group_is_stopped_by_one_command(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ssm, account = boto3.client("ssm"), boto3.client("sts").get_caller_identity()["Account"]
    for analysis, bucket in (("dti", BUCKET), ("motion", "motion-bucket")):
        one = DeployedAnalysis(analysis, "webdev", bucket, account, "us-east-1")
        ssm.put_parameter(Name=parameter(GROUP, analysis, "webdev"), Value=one.to_json(), Type="String")
    s3.create_bucket(Bucket="motion-bucket")
    going = entry("m1", state="RUNNING", ended="")
    for key, body in (
        (about_key(GROUP), ABOUT.to_json()),
        (complete_key(GROUP), "{}"),
        (segment_key(GROUP, 0), going.line()),
    ):
        s3.put_object(Bucket="motion-bucket", Key=key, Body=body.encode())
    world(s3)
    put(s3, f"{GROUP}/submissions/new_submit.json", "{}")
    assert main(["stop-all"]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == ["dti-webdev/new", "dti-webdev/on", "motion-webdev/m1"]
    assert "3 jobs would be stopped: add --yes" in said.err
    assert main(["stop-all", "--yes"]) == 0
    said = capsys.readouterr()
    assert sorted(said.out.splitlines()) == [
        "asked to end dti-webdev/new",
        "asked to end dti-webdev/on",
        "asked to end motion-webdev/m1",
    ]
    orders = {
        (bucket, one["Key"])
        for bucket in (BUCKET, "motion-bucket")
        for one in s3.list_objects_v2(Bucket=bucket)["Contents"]
        if one["Key"].endswith("_cancel.json")
    }
    assert orders == {
        (BUCKET, f"{GROUP}/submissions/new_cancel.json"),
        (BUCKET, f"{GROUP}/submissions/on_cancel.json"),
        ("motion-bucket", f"{GROUP}/submissions/m1_cancel.json"),
    }


def test_what_could_not_be_stopped_is_told(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world(s3)

    def no(self: Any) -> str:
        raise AnalysisError("no right to write", "a right", "ask")

    monkeypatch.setattr("neurocaas.job.JobHandle.cancel", no)
    with pytest.raises(Ended, match="1 of 1 job could not be asked to end"):
        run(paying.stop_all, analysis=BUCKET, yes=True)
    assert "no right to write" in capsys.readouterr().err
