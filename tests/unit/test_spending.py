"""The document of what a group has spent follows the table, whoever is killed or late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.spending import Spending, spending_key, tell_spending
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
    assert told() == Spending("2026-01", committed=450, spent=150)
    assert told().reserved == 300
    assert (told().committed, told().spent) == world.budget()
    assert world.manager.forget(OTHER, "now")
    assert told() == Spending("2026-01", committed=150, spent=150)


def test_a_manager_that_was_killed_after_it_had_reserved_tells_when_it_comes_again(world: Table) -> None:
    world.open(JOB, 400)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    assert world.manager.reserve(JOB, MONTH, 400, 1000)
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
    assert told() == Spending("2026-01", committed=250, spent=150), "the next job says it right again"


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
