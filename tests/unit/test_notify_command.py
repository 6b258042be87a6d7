"""`invoke notify`: who is told, who has confirmed, who is left over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest

from blueprints import notify as said
from blueprints.notify import DAILY, Notify
from console import notify


@pytest.fixture
def sns() -> Iterator[Any]:
    with moto.mock_aws():
        yield boto3.client("sns", region_name="us-east-1")


TOLD = {
    "lab1": (Notify(to="pi@x.example", digest=DAILY), Notify(to="new@x.example", events=("budget",))),
    "lab2": (Notify(to="pi@x.example", events=("job-failed",), analyses=("dti",)),),
}
ARN = "arn:aws:sns:us-east-1:123456789012:t:1"


def test_each_address_has_a_state_and_what_its_groups_tell_it() -> None:
    there = {
        "pi@x.example": (ARN, True),
        "gone@x.example": (f"{ARN}2", True),
        "admin@x.example": (f"{ARN}3", False),
        "late@x.example": ("", True),
    }
    found = {row.address: row for row in notify.rows(TOLD, there)}
    assert {address: row.state for address, row in found.items()} == {
        "pi@x.example": notify.CONFIRMED,
        "new@x.example": notify.MISSING,
        "gone@x.example": notify.STRAY,
    }
    assert found["pi@x.example"].groups == {
        "lab1": "job-ended, job-failed, job-idle, budget, refused (ended jobs once a day)",
        "lab2": "job-failed of dti",
    }
    text = notify.table(list(found.values()))
    assert "1 of 3 are told nothing yet" in text
    assert "--tidy" in text
    assert json.loads(notify.as_json(list(found.values())))["addresses"][0]["confirmed"] is False


def test_who_has_not_confirmed_is_waiting(sns: Any) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    for address, parts in said.by_address(TOLD).items():
        notify.ask(sns, topic, address, said.policy(parts))
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="admin@x.example")
    own = {"FilterPolicy": json.dumps({"event": ["service"]})}
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ops@x.example", Attributes=own)
    there = notify.subscriptions(sns, topic)
    assert {address: filtered for address, (_, filtered) in there.items()} == {
        "pi@x.example": True,
        "new@x.example": True,
        "admin@x.example": False,
        "ops@x.example": False,
    }
    assert {row.state for row in notify.rows(TOLD, {**there, "new@x.example": ("", True)})} == {
        notify.CONFIRMED,
        notify.WAITING,
    }


def test_without_notify_it_says_so() -> None:
    assert notify.table(notify.rows({"lab1": ()}, {})) == "no group of groups.yaml has `notify`\n"
