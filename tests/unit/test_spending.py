"""The document of what a group has spent follows the table, whoever is killed or late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Reservation, budget_key, item_key
from neurocaas.protocol.spending import Figures, Share, Spending, spending_key, tell_spending
from tests.unit.job_world import BUCKET
from tests.unit.test_ledger_conditions import JOB, MONTH, OTHER, Table, table

assert table  # the fixture

KEY = spending_key("lab", "2026-01")


@pytest.fixture
def world(table: Table) -> Table:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return table


def told() -> Spending:
    return Spending.from_json(boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read())


def test_a_reservation_and_its_settlement_are_told(world: Table) -> None:
    first, _ = world.open(JOB, 400), world.open(OTHER, 300)
    assert (told().committed, told().reserved, told().spent) == (700, 700, 0)
    world.monitor.settle(first, 150, "now")
    assert told() == Spending("2026-01", 450, 150, members={"": Share(450, 150)})
    assert told().reserved == 300
    assert (told().committed, told().spent) == world.budget()
    assert world.manager.forget(OTHER, "now")
    assert told() == Spending("2026-01", 150, 150, members={"": Share(150, 150)})


def test_a_manager_that_was_killed_after_it_had_reserved_tells_when_it_comes_again(world: Table) -> None:
    world.open(JOB, 400)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    assert world.manager.reserve(JOB, Reservation(MONTH, 400, 1000))
    assert told().committed == 400


def test_a_monitor_that_is_killed_while_it_settles_leaves_a_mark(
    world: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = world.open(JOB, 400)
    tell, calls = world.monitor._tell_spending, list[bool]()

    def once(job: Any, budget: str, *, settling: bool = False) -> None:
        calls.append(settling)
        if not settling:
            raise KeyboardInterrupt
        tell(job, budget, settling=settling)

    monkeypatch.setattr(world.monitor, "_tell_spending", once)
    with pytest.raises(KeyboardInterrupt):
        world.monitor.settle(item, 150, "now")
    assert calls == [True, False]
    assert (told().settling, told().committed) == (True, 400)
    assert world.budget() == (150, 150)
    world.open(OTHER, 100)
    assert (told().settling, told().committed, told().spent) == (False, 250, 150), (
        "the next job says it right again"
    )


class Late:
    """An S3 client before whose write `meanwhile` happens, once."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._s3, self._meanwhile = boto3.client("s3"), meanwhile
        self.exceptions = self._s3.exceptions

    def put_object(self, **arguments: Any) -> None:
        then, self._meanwhile = self._meanwhile, lambda: None
        then()
        self._s3.put_object(**arguments)


def test_who_writes_late_does_not_leave_old_figures(world: Table) -> None:
    world.open(JOB, 400)
    late = Late(lambda: world.open(OTHER, 300))
    tell_spending(late, world.client, "ledger", JOB, MONTH)
    assert told().committed == 700


def test_a_bucket_that_takes_nothing_hinders_no_job(table: Table) -> None:
    item = table.open(JOB, 400)
    table.monitor.settle(item, 150, "now")
    assert table.budget() == (150, 150)


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 2}', '{"schema_version": 1, "month": 3}'])
def test_a_document_of_another_shape_is_not_read(text: str) -> None:
    with pytest.raises(DocumentError):
        Spending.from_json(text)


# Members
# ------------------------------------------------------------------------------------------------------------
def reserve(world: Table, job: JobId, amount: int, member: str, limit: int | None = None) -> bool:
    world.lease(job)
    return world.manager.reserve(job, Reservation(MONTH, amount, 1000, member, limit))


def test_each_member_has_figures_of_its_own(world: Table) -> None:
    assert reserve(world, JOB, 400, "ann")
    assert reserve(world, OTHER, 300, "bob")
    item = world.monitor.open_job(JOB)
    assert item is not None
    world.monitor.settle(item, 150, "now")
    assert world.manager.forget(OTHER, "now")
    assert told().members == {"ann": Share(150, 150), "bob": Share(0, 0)}


@pytest.mark.parametrize(("amount", "fits"), [(100, True), (101, False)])
def test_a_member_never_commits_more_than_its_limit(world: Table, amount: int, fits: bool) -> None:
    assert reserve(world, JOB, 400, "ann", 500)
    assert reserve(world, OTHER, amount, "ann", 500) is fits
    assert told().members["ann"].committed == world.budget()[0] == 400 + amount * fits
    assert reserve(world, OTHER, 300, "bob", 500), "another member is not touched"


def test_what_was_reserved_before_there_were_members_is_settled_as_it_was(world: Table) -> None:
    item = world.open(JOB, 400)
    world.client.update_item(TableName="ledger", Key=item_key(JOB), UpdateExpression="REMOVE #m",
                             ExpressionAttributeNames={"#m": "member"})  # fmt: skip
    world.client.delete_item(TableName="ledger", Key=budget_key(MONTH, ""))
    world.monitor.settle(replace(item, member=None), 150, "now")
    assert told() == Spending("2026-01", 150, 150)


# The alarm
# ------------------------------------------------------------------------------------------------------------
def figures(committed: int, spent: int, *told: str) -> Figures:
    return Figures(committed, spent, 100, frozenset(told))


@pytest.mark.parametrize(
    ("found", "alarm"),
    [
        (figures(79, 79), ""),
        (figures(80, 79), "reserved:100"),
        (figures(90, 79, "reserved:100"), ""),
        (figures(80, 80, "reserved:100"), "spent:100"),
        (figures(80, 80, "reserved:100", "spent:100"), ""),
        (figures(100, 85, "spent:100"), ""),
        (figures(90, 10, "reserved:50", "spent:50"), "reserved:100"),
        (Figures(5, 5, 0), ""),
    ],
)
def test_an_alarm_is_due_once_for_what_is_spent_and_once_for_what_is_reserved(
    found: Figures, alarm: str
) -> None:
    assert found.alarm == alarm


def test_an_alarm_is_taken_on_once(world: Table) -> None:
    world.open(JOB, 900)
    assert world.manager.figures(MONTH) == Figures(900, 0, 1000)
    assert world.manager.take_alarm(MONTH, "reserved:1000")
    assert not world.monitor.take_alarm(MONTH, "reserved:1000")
    assert world.monitor.take_alarm(MONTH, "spent:1000")
    assert world.monitor.figures(MONTH).told == {"reserved:1000", "spent:1000"}
