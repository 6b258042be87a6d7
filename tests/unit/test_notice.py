"""Notices: whom each is about, and that no name in them can be more than a name."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.certificate import CertificateFacts
from neurocaas.protocol.notice import (
    BUDGET,
    JOB_ENDED,
    JOB_FAILED,
    REFUSED,
    SERVICE,
    SUBJECT,
    about,
    notice,
    send,
    subject_line,
)
from neurocaas.protocol.problems import Problem
from tests.unit.job_world import World


@pytest.fixture
def world() -> World:
    return World()


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CREATED = "2026-01-31T12:00:00.000Z"


@given(st.text(max_size=300))
def test_a_subject_is_one_short_line_of_printable_ascii(text: str) -> None:
    assert re.fullmatch(rf"[ -~]{{0,{SUBJECT}}}", subject_line(text))


@given(st.text(max_size=300), st.text(max_size=3000))
def test_a_name_or_reason_adds_no_line_to_a_notice(name: str, reason: str) -> None:
    problem = Problem("timestamp", reason, "another", "Submit again")
    facts = CertificateFacts(
        "user", NOW, "lab", name, f"lab/submissions/{name}", "dti", "b", problems=(problem,)
    )
    subject, text, attributes = notice(facts, CREATED, reason)
    assert len(text.split("\n")) == len(text.splitlines()) == 3
    assert attributes == about(REFUSED, "lab", "dti")
    assert "REJECTED" in subject_line(subject)


def test_what_is_not_known_is_no_attribute() -> None:
    assert about(SERVICE) == {"event": SERVICE}  # SNS takes no empty value
    assert about(BUDGET, "lab", "dti") == {
        "event": BUDGET,
        "group": "lab",
        "analysis": "dti",
        "about": "lab/budget/dti",
    }


class _Sns:
    class exceptions:  # noqa: N801 (botocore's name)
        ClientError = Exception

    def __init__(self) -> None:
        self.sent: list[dict[str, object]] = []

    def publish(self, **arguments: object) -> None:
        self.sent.append(arguments)


def test_sns_gets_the_attributes_that_subscriptions_filter_by() -> None:
    sns = _Sns()
    send(sns, "arn", "über\nx", "text", "manager", about(JOB_ENDED, "lab", "dti"))
    (sent,) = sns.sent
    assert sent["Subject"] == "?ber x"
    assert sent["MessageAttributes"] == {
        "event": {"DataType": "String", "StringValue": JOB_ENDED},
        "group": {"DataType": "String", "StringValue": "lab"},
        "analysis": {"DataType": "String", "StringValue": "dti"},
        "about": {"DataType": "String", "StringValue": "lab/job-ended/dti"},
    }


@pytest.mark.parametrize(("status", "event"), [("SUCCESS", JOB_ENDED), ("FAILED", JOB_FAILED)])
def test_a_job_that_ends_is_about_its_group_and_analysis(world: World, status: str, event: str) -> None:
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.complete(machine, status)
    assert world.aws.notices_about == [about(event, "lab", "dti")]


def test_a_notice_says_who_submitted_where_it_is_known(world: World) -> None:
    unknown = CertificateFacts("user", NOW, "lab", "t1", "k", "dti", "b")
    known = replace(unknown, submitter="ann")
    assert "Submitted by ann." in notice(known, CREATED, "because")[1].splitlines()
    assert "Submitted" not in notice(unknown, CREATED, "because")[1]


def test_a_refused_submission_is_told_to_its_group(world: World) -> None:
    world.submit(world.submission(configname="missing.json"))
    ((subject, text),) = world.aws.notices
    assert subject == "NeuroCAAS dti: job t1 of lab: REJECTED"
    assert "missing.json" in text
    assert world.aws.notices_about == [about(REFUSED, "lab", "dti")]


def test_a_file_that_names_no_job_is_told_to_its_group(world: World) -> None:
    world.submit(b"{}")
    assert world.aws.notices_about == [about(REFUSED, "lab", "dti")]
