"""Two groups of two members and a lead each, as these people, with their own credentials under enforced IAM:
what a member's job and its money look like to themselves, to the others of the group, and to the other group.

Who submitted, and who was taken out, is told in `test_signing_in.py`; rights by prefix in
`test_security_matrix.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from localcloud.tests.denials import denied
from neurocaas import JobHandle
from neurocaas.protocol.keys import JobKeys
from tests.local.deployed import Deployed, outputs
from tests.local.job_helpers import Lab, ended, until
from tests.local.people import Member
from tests.local.states import up

pytestmark = [pytest.mark.local, pytest.mark.slow]

LAB1, LAB10 = ("ann", "eve"), ("bob", "joe")


@pytest.fixture(scope="module")
def people(service: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Member]:
    """Everybody, signed in."""
    folder, groups = tmp_path_factory.mktemp("people"), {"lab1": (*LAB1, "lea"), "lab10": (*LAB10, "kim")}
    return {
        name: Member(service, name, folder / name, group) for group, names in groups.items() for name in names
    }


@pytest.fixture(scope="module")
def first(people: Mapping[str, Member]) -> str:
    """A job of ann's that has ended."""
    people["ann"].submits("first", "--follow")
    return "first"


def waits(member: Member, seconds: int) -> None:
    member.has("config.json", json.dumps({"wait": seconds}))


def under_way(job: JobHandle) -> bool:
    state = job.status()
    return bool(state.datasets) and not state.finished


def test_the_group_sees_what_a_member_spent_and_the_other_group_does_not(
    people: Mapping[str, Member], first: str
) -> None:
    for name in ("eve", "lea"):
        told = people[name].asks("cost", "--by", "member")
        (row,) = told["totals"]
        assert (row["name"], row["jobs"], row["open"]) == ("ann", 1, 0)
        assert row["cost_usd"] == told["cost_usd"] > 0
        shown = {one["name"]: one["spent_usd"] for one in people[name].asks("limit")["members"]}
        assert shown == {"ann": pytest.approx(row["cost_usd"])}
    events = people["eve"].asks("events", first)
    assert [one["event"] for one in events][-1] == "job-ended"
    kim = people["kim"]
    assert kim.asks("cost", "--by", "member")["totals"] == kim.asks("jobs") == []
    assert kim.asks("limit")["spent_usd"] in (None, 0)
    for words in (("cost",), ("jobs",), ("limit",), ("status", first), ("events", first), ("stop-all",)):
        said = kim.at.types(*words, "--group", "lab1")
        assert said.returncode != 0, words
        assert first not in said.stdout
        assert "Traceback" not in said.stderr


def test_nothing_that_is_kept_of_a_job_is_the_other_groups(
    service: Deployed, people: Mapping[str, Member], first: str
) -> None:
    """Each object that there is, the index, figures and history of the group among them; and even the own
    group only reads what the service decides by."""
    lab = Lab(service)
    kept = lab.keys_below("jobs/lab1/")
    assert {key.split("/")[2] for key in kept} >= {"index", f"job_{first}", "analysis.json"}
    kept |= lab.keys_below(f"lab1/results/job_{first}/")
    s3 = {name: service.client("s3", service.user(name)) for name in people}
    for key in sorted(kept):
        there = {"Bucket": lab.bucket, "Key": key}
        assert s3["eve"].head_object(**there)["ContentLength"] >= 0, key
        for name in ("ann", "lea", "bob", "kim"):
            assert denied(partial(s3[name].put_object, **there, Body=b"")), (name, key)
            assert denied(partial(s3[name].delete_object, **there)), (name, key)
        for name in ("bob", "kim"):
            assert denied(partial(s3[name].get_object, **there)), (name, key)
    for name in (f"{first}_cancel.json", "x_submit.json", "rig_watch.json"):
        there = {"Bucket": lab.bucket, "Key": f"lab1/submissions/{name}"}
        for who in ("bob", "kim"):
            assert denied(partial(s3[who].put_object, **there, Body=b"{}")), (who, name)


def test_a_job_cannot_follow_one_of_the_other_group(people: Mapping[str, Member], first: str) -> None:
    said = people["bob"].types(
        "submit", "--after", first, "--key", "process_results/*", "--config", "config.json",
        "--timestamp", "thief", "--yes", code=2,
    )  # fmt: skip
    assert f"no job {first!r}" in said or "lab10" in said


def test_the_same_work_is_told_within_the_group_and_never_across(
    people: Mapping[str, Member], first: str
) -> None:
    eve, bob = people["eve"], people["bob"]
    again = ("submit", "--config", "config.json", "--yes", "--reuse")
    told = eve.types(*again, "--key", "lab1/inputs/scan.txt")
    assert first in told
    assert [one["job"] for one in eve.asks("jobs")] == [first]
    bob.has("scan.txt", "ann\n")  # the very same data
    bob.submits("of-bob", "--reuse", "--follow")
    assert "same work" not in bob.types("status", "of-bob")
    (row,) = bob.asks("jobs")
    assert (row["job"], row["state"]) == ("of-bob", "SUCCESS")


def test_a_leads_limit_of_a_member_refuses_that_member_alone(
    service: Deployed, people: Mapping[str, Member]
) -> None:
    ann, eve, lea, bob = (people[name] for name in ("ann", "eve", "lea", "bob"))
    assert "no right to the limits of lab1" in ann.types("limit", "--member", "eve", "--usd", "1", code=2)
    assert bob.at.types("limit", "--group", "lab1", "--member", "eve", "--usd", "1").returncode != 0
    lea.types("limit", "--member", "eve", "--usd", "0.01")
    try:
        assert "a lead of the group for a larger limit of yours" in eve.submits("too-much", "--again", code=2)
        by_hand = {
            "dataname": "lab1/inputs/scan.txt",
            "configname": "lab1/configs/c.json",
            "timestamp": "too-much",
        }
        s3 = service.client("s3", service.user("eve"))
        for key, body in (("configs/c.json", {"wait": 0}), ("submissions/too-much_submit.json", by_hand)):
            s3.put_object(Bucket=service.bucket, Key=f"lab1/{key}", Body=json.dumps(body))
        assert ended(Lab(service).analysis.job("too-much")).phase == "REJECTED"
        (row,) = [one for one in eve.asks("jobs") if one["job"] == "too-much"]
        assert (row["state"], row["submitter"]) == ("REJECTED", "eve")
        assert "eve" in row["why"]
        ann.submits("enough", "--follow", "--again")
    finally:
        lea.types("limit", "--member", "eve", "--remove")
    eve.submits("enough-too", "--follow", "--again")
    by = {one["name"]: one for one in lea.asks("cost", "--by", "member")["totals"]}
    assert (by["ann"]["jobs"], by["eve"]["jobs"]) == (2, 1)


def test_a_sweep_of_one_member_is_one_job_that_the_others_can_read(people: Mapping[str, Member]) -> None:
    people["ann"].submits("swept", "--sweep", "wait=0,1", "--follow")
    runs = people["eve"].asks("sweep", "swept")["runs"]
    assert [(one["parameters"], one["state"]) for one in runs] == [
        ({"wait": 0}, "SUCCESS"), ({"wait": 1}, "SUCCESS"),
    ]  # fmt: skip
    assert [one["submitter"] for one in people["lea"].asks("jobs") if one["job"] == "swept"] == ["ann"]


def test_a_manifest_lists_data_of_the_own_group_alone(
    service: Deployed, people: Mapping[str, Member], first: str
) -> None:
    eve, s3 = people["eve"], service.client("s3", service.user("eve"))
    s3.put_object(Bucket=service.bucket, Key="lab1/inputs/more.txt", Body=b"more")
    eve.has("list.csv", "dataset,wait\nlab1/inputs/scan.txt,0\nlab1/inputs/more.txt,1\n")
    eve.types("submit", "--manifest", "list.csv", "--timestamp", "listed", "--follow", "--yes")
    runs = people["ann"].asks("sweep", "listed")["runs"]
    assert [(one["parameters"], one["state"]) for one in runs] == [
        ({"wait": 0}, "SUCCESS"), ({"wait": 1}, "SUCCESS"),
    ]  # fmt: skip
    eve.has("list.csv", "dataset,wait\nlab10/inputs/scan.txt,0\n")
    said = eve.types("submit", "--manifest", "list.csv", "--timestamp", "thief", "--yes", code=2)
    assert "lab10/inputs/scan.txt" in said


def test_what_runs_have_needed_is_the_groups_own(people: Mapping[str, Member], first: str) -> None:
    assert people["lea"].asks("advise")["runs"] > 0
    assert people["kim"].at.types("advise", "--group", "lab1").returncode != 0


def test_what_does_not_fit_a_leads_limit_runs_as_it_allows(
    service: Deployed, people: Mapping[str, Member]
) -> None:
    joe, kim = people["joe"], people["kim"]
    for number in range(2):
        joe.has(f"part{number}.txt", f"{number}\n")
    worst = Lab(service, "lab10").analysis.forecast([2], budget=False).usd
    spent = kim.asks("limit")["spent_usd"] or 0
    kim.types("limit", "--usd", f"{spent + 1.5 * worst:.2f}")
    parts = [word for number in range(2) for word in ("--data", f"part{number}.txt")]
    asked = ("submit", *parts, "--config", "config.json", "--yes")
    said = joe.types(*asked, "--timestamp", "all-at-once", code=2)
    assert "as-budget-allows" in said
    joe.types(
        *asked, "--timestamp", "as-allowed", "--run", "as-budget-allows", "--wait-up-to", "2h", "--follow"
    )
    shown = joe.asks("limit")
    assert 0 < shown["spent_usd"] < shown["limit_usd"] < 2 * worst
    assert shown["reserved_usd"] == 0
    assert {"waiting"} <= {one["event"] for one in joe.asks("events", "as-allowed")}
    kim.types("limit", "--remove")


def test_a_watch_is_its_persons_and_the_other_group_does_not_see_it(people: Mapping[str, Member]) -> None:
    ann, eve, bob = people["ann"], people["eve"], people["bob"]
    ann.types("watch-folder", "inputs/rig/", "--config", "config.json", "--cap", "$5/month")
    (watch,) = until("the watch", lambda: eve.asks("watches")["watches"])
    assert (watch["name"], watch["submitter"]) == ("rig", "ann")
    assert bob.asks("watches")["watches"] == []
    assert bob.at.types("watches", "--group", "lab1", "--stop", "rig").returncode != 0
    eve.types("watches", "--stop", "rig")
    until("its end", lambda: [one["state"] for one in ann.asks("watches")["watches"]] in ([], ["off"]))


def test_a_lead_stops_all_of_the_group_and_nothing_of_the_other(
    service: Deployed, people: Mapping[str, Member]
) -> None:
    long = {"ann": "long-ann", "eve": "long-eve", "bob": "long-bob"}
    for name, stamp in long.items():
        waits(people[name], 600)
        people[name].submits(stamp, "--no-wait")
        waits(people[name], 0)
    labs = {"lab1": Lab(service), "lab10": Lab(service, "lab10")}
    for name, stamp in long.items():
        job = labs[people[name].group].analysis.job(stamp)
        until("its start", partial(under_way, job))
    listed = people["lea"].asks("stop-all")
    assert ({one["job"] for one in listed["open"]}, listed["stopped"]) == ({"long-ann", "long-eve"}, [])
    stopped = people["lea"].asks("stop-all", "--yes")
    assert ({one["job"] for one in stopped["stopped"]}, stopped["refused"]) == ({"long-ann", "long-eve"}, [])
    for stamp in ("long-ann", "long-eve"):
        job = labs["lab1"].analysis.job(stamp)
        assert not ended(job).succeeded
        assert "(lea)" in job.status().datasets[0].reason, "who stopped it"
    (row,) = [one for one in people["joe"].asks("jobs") if one["job"] == "long-bob"]
    assert row["state"] not in ("SUCCESS", "FAILED", "REJECTED")
    people["kim"].types("stop-all", "--yes")
    assert not ended(labs["lab10"].analysis.job("long-bob")).succeeded
    assert people["kim"].asks("limit")["reserved_usd"] == 0


@pytest.fixture(scope="module")
def followed(service: Deployed) -> Deployed:
    """Another analysis takes results of the first one's, and follows it by itself; of lab1 alone."""
    ground = service.ground
    first, second = (ground.root / "blueprints" / name for name in ("analysis", "report"))
    text = (first / "blueprint.yaml").read_text()
    shutil.copytree(first, second)
    plain = text.partition("stages:\n")[0].replace(
        "name: analysis\n", "name: report\ntakes_from: [analysis]\n"
    )
    (second / "blueprint.yaml").write_text(plain)
    more = "next: {analysis: report, datasets: ['*/summary.json'], config: {wait: 0}}\n"
    (first / "blueprint.yaml").write_text(text + more)
    groups = ground.root / "groups.yaml"
    said = "      analysis: {budget_usd: 100}\n"
    groups.write_text(groups.read_text().replace(said, f"{said}      report: {{budget_usd: 5}}\n"))
    ground.invoke("local.up")  # the engine gets a stack of the new analysis
    for stack in ("utils", "report-webdev"):
        up(ground, stack)
    up(ground, "analysis-webdev")
    service.read_outputs()
    return service


def test_the_next_step_is_done_in_the_name_of_who_submitted(
    followed: Deployed, people: Mapping[str, Member]
) -> None:
    """Who may not use the next analysis is told so; by hand, a job of one follows one of the other."""
    ann, eve, bob = people["ann"], people["eve"], people["bob"]
    ann.submits("whole", "--again", "--no-wait")
    bob.submits("alone", "--again", "--no-wait")
    report = ("--analysis", "report")
    eve.types(
        "submit", *report, "--after", "analysis/whole", "--key", "process_results/*/summary.json",
        "--config", "config.json", "--timestamp", "by-hand", "--yes",
    )  # fmt: skip
    ann.types("follow", "whole")
    jobs = until("the next job", lambda: {one["job"]: one for one in eve.asks("jobs", *report)})
    assert jobs["whole_report"]["submitter"] == "ann"
    for stamp in ("whole_report", "by-hand"):
        eve.types("follow", stamp, *report)
    by: dict[str, Any] = {one["name"]: one for one in ann.asks("cost", *report, "--by", "member")["totals"]}
    assert {name: one["jobs"] for name, one in by.items()} == {"ann": 1, "eve": 1}
    bob.types("follow", "alone")
    s3 = followed.client("s3", followed.user("bob"))
    certificate = s3.get_object(Bucket=followed.bucket, Key=JobKeys.of("lab10", "alone").records.certificate)
    assert "group lab10 may not use report" in certificate["Body"].read().decode()
    assert bob.at.types("jobs", *report).returncode != 0


def test_machines_of_the_next_analysis_read_results_of_their_own_group_alone(followed: Deployed) -> None:
    """Roles of lab1 and of debuggers: both have both analyses."""
    told = outputs(followed.ground, "report-webdev")
    root = followed.client("s3")
    for group in ("lab1", "lab10", "debuggers"):
        for key in (
            f"{group}/results/job_x/there",
            f"{group}/inputs/there",
            f"jobs/{group}/there",
        ):
            root.put_object(Bucket=followed.bucket, Key=key, Body=b"1")
    for group in ("lab1", "debuggers"):
        s3 = followed.client("s3", followed.role(told["groups"][group]["instance_role"]))

        def letters(prefix: str, s3: Any = s3) -> str:
            calls = {
                "G": lambda: s3.get_object(Bucket=followed.bucket, Key=f"{prefix}there"),
                "P": lambda: s3.put_object(Bucket=followed.bucket, Key=f"{prefix}mine", Body=b"2"),
                "L": lambda: s3.list_objects_v2(Bucket=followed.bucket, Prefix=prefix),
            }
            return "".join(letter for letter, call in calls.items() if not denied(call))

        for other in ("lab1", "lab10", "debuggers"):
            assert letters(f"{other}/results/job_x/") == ("GL" if other == group else ""), (group, other)
            assert letters(f"{other}/inputs/") == letters(f"jobs/{other}/") == "", (group, other)
