"""Who submitted: from the principal of S3's event to the person, and to all that is written of the job."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol import members
from neurocaas.protocol.members import Member, MemberChanges, Roster, roster, session_of_subject
from neurocaas.protocol.stop import StopOrder
from tests.unit.job_world import BUCKET, World

ROLES = ("AROALAB", "AROALEAD")
PEOPLE = (
    Member("ann", user_id="AIDAANN", sessions=("ann",)),
    Member("bob", sessions=("bob@example.org",)),
    Member("lea", lead=True, user_id="AIDALEA", sessions=("lea", "lea@example.org")),
)
ANN = "AWS:AIDAANN"
NAMES = st.from_regex(r"[A-Za-z0-9_+,.@-]{2,64}", fullmatch=True)


def told(world: World, changes: MemberChanges | None = None, group: str = "lab") -> None:
    """The parameters of a group, as a deploy and a lead have written them."""
    text = members.text_of(ROLES, provider=False, most=None, people=PEOPLE)
    world.aws.parameters_[members.people_parameter(group, 1)] = text
    if changes:
        world.aws.parameters_[members.changes_parameter(group)] = changes.to_json()


@pytest.fixture
def world() -> World:
    made = World()
    told(made)
    return made


@pytest.mark.parametrize(
    ("principal", "name"),
    [
        (ANN, "ann"),
        ("AIDAANN", "ann"),
        ("AWS:AIDAOTHER", ""),
        ("AWS:AROALAB:ann", "ann"),
        ("AWS:AROALEAD:lea@example.org", "lea"),
        ("AWS:AROALAB:bob", ""),  # a name here is no name of a session
        ("AWS:AROALAB:nobody", ""),
        ("AWS:AROALAB:=root@example.org", "=root@example.org"),
        ("AWS:AROAADMIN:ann", ""),  # another role, whose sessions anybody may have named
        ("AWS:AROAOTHER:ann", ""),
        ("000000000000", ""),
        ("Anonymous", ""),
        ("", ""),
        ("AWS:AROALAB:ann\n", ""),
    ],
)
def test_a_principal_is_a_person_or_nobody(principal: str, name: str) -> None:
    assert Roster(ROLES, people={one.name: one for one in PEOPLE}).submitter(principal) == name


def test_a_provider_that_names_its_people_itself_is_believed() -> None:
    known = Roster(ROLES, provider=True, people={one.name: one for one in PEOPLE})
    assert known.submitter("AWS:AROALAB:eve@example.org") == "eve@example.org"
    assert known.submitter("AWS:AROAADMIN:eve@example.org") == ""


@given(st.lists(NAMES, unique=True, max_size=40), st.booleans(), st.sampled_from([None, 1, 12]))
def test_what_a_deploy_says_is_read_again(names: list[str], provider: bool, most: int | None) -> None:
    people = [Member(name, not index, f"AIDA{index}", (name,)) for index, name in enumerate(sorted(names))]
    texts = {
        members.people_parameter("lab", number): members.text_of(
            ROLES, provider=provider, most=most, people=share
        )
        for number, share in enumerate(members.shares(people), start=1)
    }
    assert all(len(text) <= members.PARAMETER_BYTES for text in texts.values())
    read = roster("lab", texts)
    assert (list(read.people.values()), read.roles) == (people, ROLES)
    assert (read.provider, read.most) == (provider, most)


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_two_subjects_without_separators_are_two_sessions(one: str, other: str) -> None:
    assert members.fits(session_of_subject(one))
    if one != other and not set("|/:") & {*one, *other}:
        assert session_of_subject(one) != session_of_subject(other)


@given(st.lists(st.tuples(st.booleans(), NAMES), max_size=20))
def test_the_last_wish_of_a_lead_counts(wishes: list[tuple[bool, str]]) -> None:
    changes, wanted = MemberChanges(), dict[str, bool]()
    for add, name in wishes:
        changes = changes.adding(name) if add else changes.removing(name)
        wanted[name] = add
    assert not set(changes.add) & set(changes.remove)
    assert set(changes.remove) == {name for name, add in wanted.items() if not add}
    assert MemberChanges.from_json(changes.to_json()) == changes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema_version": 1, "add": [], "remove": ["a b"]}',
        '{"schema_version": 2, "add": [], "remove": []}',
        json.dumps({"schema_version": 1, "add": ["a"] * 101, "remove": []}),
    ],
)
def test_what_is_no_changes_changes_nothing(text: str) -> None:
    assert MemberChanges.from_json(text) is None
    assert roster("lab", {members.changes_parameter("lab"): text}).changes == MemberChanges()


def test_everything_that_is_written_of_a_job_says_who_submitted(world: World) -> None:
    world.principal = ANN
    assert world.submit(world.submission()).exit_code == 0
    assert world.job().submitter == "ann"
    assert "SUBMITTED BY: ann\n" in world.certificate()
    ((instance, machine),) = world.aws.ec2.items()
    assert machine.tags["submitter"] == "ann"
    world.boot(instance)
    world.complete(instance)
    assert "by ann" in world.aws.notices[-1][1]
    assert world.facts()["submitter"] == "ann"
    assert "SUBMITTED BY: ann\n" in world.certificate()


def test_a_refused_submission_says_who_sent_it(world: World) -> None:
    world.principal = "AWS:AROALAB:bob@example.org"
    world.submit(world.submission(dataname="lab/inputs/none.zip"))
    assert world.facts()["submitter"] == "bob"
    assert "by bob" in world.aws.notices[-1][1]
    assert "SUBMITTED BY: bob" in world.certificate()
    world.submit({"timestamp": "%"}, "lab/submissions/x_submit.json")
    facts = json.loads(world.aws.text(BUCKET, "jobs/lab/rejected_x/certificate.json"))
    assert facts["submitter"] == "bob"


def test_whose_event_was_lost_is_nobody(world: World) -> None:
    assert world.submit(world.submission()).exit_code == 0
    assert world.job().submitter == ""
    assert "SUBMITTED BY" not in world.certificate()
    assert "submitter" not in next(iter(world.aws.ec2.values())).tags
    assert not world.aws.count("roster")


def test_whom_a_lead_has_taken_out_submits_and_cancels_nothing(world: World) -> None:
    world.principal = "AWS:AIDALEA"
    world.submit(world.submission(timestamp="t0"), "lab/submissions/b_submit.json")
    told(world, MemberChanges(remove=("ann", "lea")))
    world.principal = ANN
    outcome = world.submit(world.submission())
    assert outcome.exit_code == 99
    assert "'ann', whom a lead has taken out of group 'lab'" in outcome.message
    assert not [one for one in world.aws.ec2.values() if one.tags["job"] == "t1"]
    world.submit({"timestamp": "t0"}, "lab/submissions/b_cancel.json")
    assert (BUCKET, "jobs/lab/job_t0/stop.json") not in world.aws.objects_
    world.principal = "AWS:AIDALEA"  # groups.yaml says who leads
    assert world.submit(world.submission(timestamp="t2"), "lab/submissions/c_submit.json").exit_code == 0


def test_a_cancellation_says_who_has_cancelled(world: World) -> None:
    world.principal = ANN
    world.submit(world.submission())
    world.principal = "AWS:AROALEAD:lea"
    world.submit({"timestamp": "t1"}, "lab/submissions/a_cancel.json")
    order = StopOrder.from_json(world.aws.text(BUCKET, "jobs/lab/job_t1/stop.json"))
    assert order.text == "cancelled: by lab/submissions/a_cancel.json (lea)"
    assert replace(order, by="").text == "cancelled: by lab/submissions/a_cancel.json"


def test_another_group_s_roster_says_nothing_here(world: World) -> None:
    world.aws.parameters_.clear()
    told(world, group="lab1")
    told(world, group="la")
    world.principal = ANN
    world.submit(world.submission())
    assert world.job().submitter == ""
