"""Who is in a group, as its people see it and its leads change it: `neurocaas members`, and lists by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest

from neurocaas.cli import main
from neurocaas.protocol import members
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.members import Member, MemberChanges
from tests.unit.client_jobs import GROUP
from tests.unit.client_world import MEMBER, ended, put, service

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schema" / "commands" / "members.json"
PEOPLE = (
    Member("ann", sessions=("ann",)),
    Member("bob", sessions=("bob",)),
    Member("lea", lead=True, sessions=("lea",)),
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as made:
        told()
        yield made


def told(most: int | None = 4, *, group: str = GROUP) -> None:
    text = members.text_of(["AROALAB"], provider=False, most=most, people=PEOPLE)
    boto3.client("ssm").put_parameter(
        Name=members.people_parameter(group, 1), Value=text, Type="String", Overwrite=True
    )


def changes() -> MemberChanges | None:
    found = members.read(boto3.client("ssm"), GROUP)
    return found.changes if found.changes != MemberChanges() else None


def test_everybody_of_a_group_sees_who_is_in_it(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()[1:4]] == [
        ["ann", "member"],
        ["bob", "member"],
        ["lea", "lead"],
    ]
    assert out.endswith("3 people of at most 4\n")


def test_a_lead_adds_and_takes_out_and_takes_it_back(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members", "--add", "kim", "--remove", "ann", "--remove", "bob", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    assert {one["name"]: one["change"] for one in found["people"]} == {
        "ann": "taken out",
        "bob": "taken out",
        "lea": "",
        "kim": "to be added",
    }
    assert changes() == MemberChanges(("kim",), ("ann", "bob"))
    assert main(["members", "--add", "ann"]) == 0
    assert changes() == MemberChanges(("kim",), ("bob",))
    assert main(["members", "--add", "bob", "--remove", "kim"]) == 0
    assert "the next deploy of the service does it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told_of"),
    [
        ("--remove lea --remove nobody", ["lea, who leads", "nobody, who is not in the group"]),
        ("--add kim --add max", ["5 people, with room for 4"]),
        ("--add ann --remove ann", ["ann, to be added and taken out"]),
        ("--add a/b", ["'a/b', which is no name"]),
    ],
)
def test_what_a_lead_cannot_change_is_told_at_once(
    s3: Any, words: str, told_of: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["members", *words.split()]) == 2
    err = capsys.readouterr().err
    assert all(text in err for text in told_of), err
    assert changes() is None


def test_leads_add_nobody_where_the_administrator_has_not_said_how_many(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    told(None)
    assert main(["members", "--add", "kim"]) == 2
    assert "members_max" in capsys.readouterr().err
    assert main(["members", "--remove", "bob"]) == 0
    assert changes() == MemberChanges((), ("bob",))


def test_a_group_of_a_blueprint_alone_has_no_list(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members", "--group", "other"]) == 2
    assert "nobody says who is in the group other" in capsys.readouterr().err


def submitted(s3: Any, stamp: str, submitter: str) -> None:
    ended(s3, stamp, {"a.txt": 60.0}, submitter=submitter)
    put(s3, f"{GROUP}/submissions/{stamp}_submit.json", "{}")
    key = JobKeys.of(GROUP, stamp).job
    job = json.loads(s3.get_object(Bucket=MEMBER["NEUROCAAS_ANALYSIS"], Key=key)["Body"].read())
    put(s3, key, json.dumps({**job, "submitter": submitter}))


def test_jobs_are_listed_with_who_has_submitted_them_and_by_name(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(s3, "t1", "ann")
    submitted(s3, "t2", "bob")
    assert main(["jobs"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[1:3] for line in out.splitlines()[1:]] == [["t1", "ann"], ["t2", "bob"]]
    monkeypatch.setattr("neurocaas.overview.name_of", lambda session, group: "bob")
    assert main(["jobs", "--mine", "--json"]) == 0
    assert [(one["job"], one["submitter"]) for one in json.loads(capsys.readouterr().out)] == [("t2", "bob")]
    assert main(["status", "t1"]) == 0
    assert ", by ann" in capsys.readouterr().out
