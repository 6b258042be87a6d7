"""The conditions of requests to the table, by an AWS that evaluates them: what a manager or a monitor that
comes late, twice or second may not do, and what a throttled table makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from neurocaas.protocol import ledger
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import (
    BUDGETS,
    CLAIMS,
    HEARD,
    Claim,
    Reservation,
    Waiting,
    claim_key,
    item_key,
    transact,
)
from neurocaas.protocol.waiting import BUDGET, ROOM, Waiter
from neurocaas.protocol.watches import Watch
from runtime.manager.aws import AwsManagerCloud
from runtime.manager.events import ObjectCreated, objects_created
from runtime.manager.port import JobGoneError
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.port import Heard, Paid, Search, Written
from tests.unit.job_world import BUCKET, SETTINGS

JOB, OTHER = JobId(BUCKET, "lab", "t1"), JobId(BUCKET, "lab", "t2")
MONTH = "dti/lab/2026-01"
ABOUT = {"submission": "k", "analysis": "dti"}
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Table:
    """The table, and the clients of both functions."""

    def __init__(self) -> None:
        self.client = boto3.client("dynamodb")
        self.client.create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self.manager, self.monitor = (
            AwsManagerCloud("ledger"),
            AwsMonitorCloud("ledger", None, artifacts="artifacts"),
        )

    def item(self, key: dict[str, Any]) -> dict[str, Any]:
        item = self.client.get_item(TableName="ledger", Key=key).get("Item", {})
        return {name: next(iter(value.values())) for name, value in item.items()}

    def budget(self) -> tuple[int, int]:
        item = self.item({"pk": {"S": BUDGETS}, "sk": {"S": MONTH}})
        return int(item.get("committed", 0)), int(item.get("spent", 0))

    def kinds(self) -> set[str]:
        return {item["pk"]["S"] for item in self.client.scan(TableName="ledger")["Items"]}

    def lease(self, job: JobId = JOB, owner: str = "one", now: float = 100.0, until: float = 200.0) -> str:
        return self.manager.lease(job, owner, now, until, ABOUT)

    def open(self, job: JobId = JOB, amount: int | None = None, limit: int = 1000) -> Any:
        """A job that a manager has at hand, and its item."""
        self.lease(job)
        if amount is not None:
            assert self.manager.reserve(job, Reservation(MONTH, amount, limit))
        return self.monitor.open_job(job)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield Table()


# Money
# ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("second", "fits"), [(400, True), (401, False), (999, False)])
def test_what_is_committed_never_exceeds_the_limit(table: Table, second: int, fits: bool) -> None:
    table.open(JOB, 600)
    table.open(OTHER)
    assert table.manager.reserve(OTHER, Reservation(MONTH, second, 1000)) is fits
    assert table.budget() == (600 + second * fits, 0)
    assert ("reserved" in table.item(item_key(OTHER))) is fits
    assert table.item(item_key(JOB))["reserved"] == "600"
    assert table.item(item_key(JOB))["budget"] == MONTH


def test_a_reservation_is_made_once_whatever_is_asked_for_later(table: Table) -> None:
    table.open(JOB, 600)
    assert table.manager.reserve(JOB, Reservation(MONTH, 300, 1000))
    assert (table.budget(), table.item(item_key(JOB))["reserved"]) == ((600, 0), "600")


def test_more_is_reserved_for_a_job_while_there_is_room_and_each_part_once(table: Table) -> None:
    table.open(JOB)
    assert table.manager.paid(JOB) == 0
    assert table.manager.reserve(JOB, Reservation(MONTH, 400, 1000, paid=2))
    assert table.manager.paid(JOB) == 2
    assert not table.manager.reserve(JOB, Reservation(MONTH, 800, 1000, paid=6, before=2))
    for _ in range(2):
        assert table.manager.reserve(JOB, Reservation(MONTH, 600, 1000, paid=5, before=2))
    assert (table.manager.paid(JOB), table.manager.account(MONTH)) == (5, (1000, 0))
    assert table.item(item_key(JOB))["reserved"] == "1000"


def test_what_a_dataset_has_cost_takes_the_place_of_its_reservation_once(table: Table) -> None:
    table.open(JOB, 600)
    paid = Paid(MONTH, 200, 50)
    for now in (1.0, 2.0):
        for succeeded in (True, False):
            item = table.monitor.close_dataset(
                JOB, 1, succeeded=succeeded, instance="i-1", now=now, paid=paid
            )
            assert item is not None
    assert table.budget() == (450, 50)
    item = table.monitor.close_dataset(JOB, 0, succeeded=False, instance="i-2", now=3.0, paid=paid)
    assert item is not None
    assert (item.reserved, item.settled, sorted(item.closed), item.closed_at) == (200, 100, [0, 1], 3.0)
    assert item.instances == {"i-1", "i-2"}
    too_much = Paid(MONTH, 300, 300)
    item = table.monitor.close_dataset(JOB, 2, succeeded=True, instance=None, now=4.0, paid=too_much)
    assert item is not None
    assert (item.reserved, sorted(item.closed)) == (200, [0, 1, 2]), (
        "closed, and the job's end tells its cost"
    )
    table.monitor.settle(item, 130, "2026-01-31")
    assert table.budget() == (130, 130)


def test_a_dataset_of_a_job_that_has_ended_releases_nothing(table: Table) -> None:
    table.open(JOB, 600)
    table.manager.forget(JOB, "2026-01-31")
    paid = Paid(MONTH, 200, 50)
    assert table.monitor.close_dataset(JOB, 0, succeeded=True, instance=None, now=1.0, paid=paid) is None
    assert table.budget() == (0, 0)


# The queue of jobs that wait
# ------------------------------------------------------------------------------------------------------------
def test_the_queue_of_an_analysis_has_its_jobs_in_order(table: Table) -> None:
    first = Waiter(JOB, 1.5, 9.0, 2.0, 3.0, BUDGET, 7, MONTH, "queue", "{ü}")
    second = Waiter(OTHER, 2.5, 9.0, 2.0, 3.0, ROOM, 1)
    assert table.manager.waiters(BUCKET) == []
    assert not table.monitor.may_wake(BUCKET, 10.0, 0.0), "nobody waits"
    for one in (second, first, replace(second, wants=2), first):
        table.manager.enter_queue(one)
    assert table.manager.waiters(BUCKET) == table.monitor.waiters(BUCKET) == [first, replace(second, wants=2)]
    assert table.manager.waiters("another") == []
    assert [table.monitor.may_wake(BUCKET, now, now - 5) for now in (10.0, 12.0, 16.0)] == [True, False, True]
    for _ in range(2):
        table.manager.leave_queue(JOB)
    assert [one.job for one in table.monitor.waiters(BUCKET)] == [OTHER]
    table.manager.leave_queue(JobId("another", "lab", "t1"))


def test_nothing_is_reserved_for_a_job_that_another_has_ended(table: Table) -> None:
    """Nor may its manager believe so: it would start machines that nobody has paid for."""
    table.open(JOB)
    assert table.manager.forget(JOB, "2026-01-31")
    with pytest.raises(JobGoneError):
        table.manager.reserve(JOB, Reservation(MONTH, 300, 1000))
    assert (table.budget(), table.kinds()) == ((0, 0), {CLAIMS})


def test_a_job_is_settled_for_what_was_reserved_for_it_and_for_nothing_else(table: Table) -> None:
    item = table.open(JOB, 600)
    table.monitor.settle(replace(item, reserved=500), 50, "2026-01-31")
    assert (table.budget(), table.monitor.open_job(JOB)) == ((600, 0), item), (
        "another reservation than the one that was read"
    )
    table.monitor.settle(replace(item, reserved=None, budget=None), 0, "2026-01-31")
    assert (table.budget(), table.monitor.open_job(JOB)) == ((600, 0), item), (
        "read before there was a reservation"
    )
    table.monitor.settle(item, 50, "2026-01-31T13")
    assert (table.budget(), table.monitor.open_job(JOB)) == ((50, 50), None)
    assert table.item(claim_key(JOB))["ended"] == "2026-01-31T13"


def test_a_job_ends_once_for_the_first_that_ends_it(table: Table) -> None:
    item = table.open(JOB, 600)
    assert table.manager.forget(JOB, "first")
    table.monitor.settle(item, 50, "second")
    assert not table.manager.forget(JOB, "third")
    assert (table.budget(), table.item(claim_key(JOB))["ended"]) == ((0, 0), "first")


def test_a_job_without_a_reservation_ends_once_too(table: Table) -> None:
    item = table.open(JOB)
    table.monitor.settle(item, 0, "first")
    assert not table.manager.forget(JOB, "second")
    table.monitor.settle(item, 0, "third")
    assert (table.kinds(), table.item(claim_key(JOB))["ended"]) == ({CLAIMS}, "first")


# Who works on a job
# -------------------------------------------------------------------------------------------------------
def test_a_lease_ends_after_its_time_and_not_at_it(table: Table) -> None:
    assert table.lease(until=200.0) == "taken"
    assert table.lease(owner="two", now=200.0, until=300.0) == "busy"
    assert table.item(item_key(JOB))["owner"] == "one"
    assert table.lease(owner="two", now=200.001, until=300.0) == "taken"
    item = table.item(item_key(JOB))
    assert (item["owner"], item["created"], item["lease"], item["submission"]) == (
        "two",
        "100.000",
        "300.000",
        "k",
    )


def test_a_job_that_is_launched_or_has_ended_is_leased_to_nobody(table: Table) -> None:
    table.lease()
    table.manager.launched(JOB, 2, frozenset({1}), 300.0)
    assert table.lease(now=1e6, until=2e6) == "launched"
    item = table.monitor.open_job(JOB)
    assert item is not None
    assert (item.state, item.total, item.failed, item.lease) == ("launched", 2, frozenset({1}), None)
    table.monitor.settle(item, 0, "2026-01-31")
    assert table.lease(now=1e6, until=2e6) == "ended"
    assert table.kinds() == {CLAIMS}


@pytest.mark.parametrize("owner", ["two", ""])
def test_only_the_owner_gives_a_lease_back(table: Table, owner: str) -> None:
    table.lease()
    table.manager.release(JOB, owner)
    assert table.item(item_key(JOB))["lease"] == "200.000"
    table.manager.release(JOB, "one")
    assert {"lease", "owner"}.isdisjoint(table.item(item_key(JOB)))


def test_a_launch_is_taken_over_after_its_lease_and_not_before(table: Table) -> None:
    table.lease(until=200.0)
    assert not table.monitor.abandon(JOB, 200.0)
    assert table.monitor.abandon(JOB, 200.001)
    assert (table.item(item_key(JOB))["state"], "total" in table.item(item_key(JOB))) == ("launched", False)
    assert not table.monitor.abandon(JOB, 1e6), "what is launched is not launched again"
    assert not table.monitor.abandon(OTHER, 1e6)
    assert table.monitor.open_job(OTHER) is None


def test_one_monitor_writes_the_end_and_another_only_when_the_first_is_dead(table: Table) -> None:
    table.open()
    assert table.monitor.begin_end(JOB, now=1000.0, stale=980.0)
    assert not table.monitor.begin_end(JOB, now=1001.0, stale=881.0)
    assert not table.monitor.begin_end(JOB, now=1120.0, stale=1000.0), "as old as it may be"
    assert table.item(item_key(JOB))["ending"] == "1000.000"
    assert table.monitor.begin_end(JOB, now=1121.0, stale=1001.0)
    assert table.item(item_key(JOB))["ending"] == "1121.000"
    assert not table.monitor.begin_end(OTHER, now=1.0, stale=0.0)
    assert table.monitor.open_job(OTHER) is None, "a job that has ended does not come back"


def test_nothing_brings_a_job_back_that_has_ended(table: Table) -> None:
    table.manager.launched(JOB, 1, frozenset(), 300.0)
    table.manager.abandon(JOB)
    table.manager.give_up(JOB, 0)
    table.manager.release(JOB, "")
    assert not table.manager.note_stop(JOB, "why", 1.0)
    assert not table.monitor.note_stop(JOB, "why", 1.0)
    assert table.monitor.close_dataset(JOB, 0, succeeded=True, instance="i-1", now=1.0) is None
    assert table.monitor.retry_dataset(JOB, 0, 2, "i-1") is None
    assert table.manager.retries(JOB) is None
    assert table.kinds() == set()


def test_the_first_order_to_stop_stays(table: Table) -> None:
    table.open()
    assert table.manager.note_stop(JOB, "first", 5.0)
    assert table.monitor.note_stop(JOB, "second", 6.0)
    item = table.monitor.open_job(JOB)
    assert item is not None
    assert (item.stop, item.stopped) == ("first", 5.0)


def test_a_further_attempt_counts_while_its_dataset_is_open(table: Table) -> None:
    table.open()
    for index in (0, 1, 2):
        table.monitor.retry_dataset(JOB, index, 2, f"i-{index}")
    table.monitor.close_dataset(JOB, 0, succeeded=True, instance=None, now=1.0)
    table.manager.give_up(JOB, 1)
    assert table.manager.retries(JOB) == frozenset({"2:2"})
    item = table.monitor.open_job(JOB)
    assert item is not None
    assert (item.succeeded, item.failed, item.instances, item.closed_at) == (
        frozenset({0}),
        frozenset({1}),
        frozenset({"i-0", "i-1", "i-2"}),
        1.0,
    )


def test_a_claim_is_replaced_only_by_who_has_seen_it_and_only_after_its_end(table: Table) -> None:
    first, other = Claim("c1", "k1", "2026-01-31"), Claim("c2", "k2", "2026-02-01")
    assert table.manager.claim(JOB, first) is None
    assert table.manager.claim(JOB, first) == first, "not even by itself"
    assert table.manager.claim(JOB, other, first) == first
    assert table.manager.forget(JOB, "now")
    assert table.manager.claim(JOB, other, replace(first, started="2025")) == replace(first, ended="now")
    assert table.manager.claim(JOB, other, first) is None
    assert table.manager.claim(JOB, first, first) == other
    assert table.lease() == "taken", "the end of the deleted job is not this one's"


# A table that is busy
# ----------------------------------------------------------------------------------------------------
class Busy:
    """What DynamoDB answers a transaction, the reasons of each write in turn; then what the real client
    does.
    """

    def __init__(self, client: Any, *answers: tuple[str, ...]) -> None:
        self._client, self.answers, self.calls = client, list(answers), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **arguments: Any) -> Any:
        self.calls += 1
        if not self.answers:
            return self._client.transact_write_items(**arguments)
        reasons = [{"Code": code} for code in self.answers.pop(0)]
        answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise self._client.exceptions.TransactionCanceledException(answer, "TransactWriteItems")

    def update_item(self, **arguments: Any) -> Any:
        self.calls += 1
        if not self.answers:
            return self._client.update_item(**arguments)
        raise ClientError({"Error": {"Code": self.answers.pop(0)[0]}}, "UpdateItem")


TRANSIENT = ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"]


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_sleep", lambda _: None)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("code", TRANSIENT)
@pytest.mark.parametrize("place", [0, 1])
def test_a_busy_table_decides_nothing(
    table: Table, code: str, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither beside a condition that does not hold: which of the two it is shows only when the table has
    time.
    """
    for beside in ("None", "ConditionalCheckFailed"):
        answer = (code, beside) if place == 0 else (beside, code)
        job = JobId(BUCKET, "lab", f"t-{beside}")
        busy = Busy(table.client, answer, answer)
        monkeypatch.setitem(table.manager.clients.__dict__, "dynamodb", busy)
        assert table.lease(job) == "taken"
        busy.answers = [answer]
        assert table.manager.reserve(job, Reservation(MONTH, 100, 1000))
        busy.answers = [answer]
        assert table.manager.forget(job, "now")
        assert busy.calls == 7
    assert table.budget() == (0, 0)


def test_a_table_that_stays_busy_is_an_error_and_no_answer(table: Table) -> None:
    pauses: list[float] = []
    with pytest.raises(ClientError):
        transact(Busy(table.client, *[("None", "ThrottlingError")] * 100), [{}], pauses.append)
    assert 0 < sum(pauses) < 10


def test_an_error_that_is_no_condition_is_told_at_once(table: Table) -> None:
    busy = Busy(table.client, ("ValidationError", "None"))
    with pytest.raises(ClientError):
        transact(busy, [{}])
    assert busy.calls == 1


@pytest.mark.usefixtures("no_pauses")
def test_a_single_write_that_meets_a_transaction_is_tried_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.open()
    busy = Busy(table.client, ("TransactionConflictException",), ("TransactionConflictException",))
    monkeypatch.setitem(table.monitor.clients.__dict__, "dynamodb", busy)
    assert table.monitor.begin_end(JOB, 1.0, 0.0)
    busy.answers = [("TransactionConflictException",)] * 100
    with pytest.raises(ClientError):
        table.monitor.begin_end(JOB, 1.0, 2.0)
    busy.answers = [("AccessDeniedException",)]
    with pytest.raises(ClientError, match="AccessDenied"):
        table.monitor.begin_end(JOB, 1.0, 2.0)


# What was heard, and the search
# -------------------------------------------------------------------------------------------
def test_what_was_heard_and_what_was_sent_are_kept_apart(table: Table) -> None:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="submissions")["QueueUrl"]
    key = "lab/submissions/my ä+1_submit.json"
    table.manager.hear(BUCKET, key, "e1")
    assert table.monitor.heard(BUCKET, [key, "other"]) == {key: Heard("e1")}
    table.monitor.deliver(queue, BUCKET, Written(key, "e2", NOW, 7), 50.0)
    assert table.monitor.heard(BUCKET, [key]) == {key: Heard("e1", "e2", 50.0)}
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert objects_created(message["Body"]) == [ObjectCreated(BUCKET, key, 7, "e2")], (
        "as S3 would have told it"
    )
    table.manager.hear(BUCKET, key, "e2")
    assert table.monitor.heard(BUCKET, [key]) == {key: Heard("e2")}
    assert table.monitor.heard("elsewhere", [key]) == {}
    assert table.kinds() == {HEARD}


def test_what_was_heard_of_many_and_of_long_keys_is_found(table: Table) -> None:
    keys = [f"lab/submissions/{number:03}{'é' * (number * 4)}_submit.json" for number in range(120)]
    for number, key in enumerate(keys):
        table.manager.hear(BUCKET, key, f"e{number}")
    assert table.monitor.heard(BUCKET, keys) == {key: Heard(f"e{number}") for number, key in enumerate(keys)}


def test_keys_that_the_table_had_no_time_for_are_asked_for_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        table.manager.hear(BUCKET, key, "e")
    real = table.client.batch_get_item

    def some(RequestItems: dict[str, Any]) -> Any:  # noqa: N803
        wanted = RequestItems["ledger"]["Keys"]
        answer = real(RequestItems={"ledger": {**RequestItems["ledger"], "Keys": wanted[:2]}})
        rest = {"ledger": {**RequestItems["ledger"], "Keys": wanted[2:]}} if wanted[2:] else {}
        return {**answer, "UnprocessedKeys": rest}

    monkeypatch.setattr(table.client, "batch_get_item", some)
    monkeypatch.setitem(table.monitor.clients.__dict__, "dynamodb", table.client)
    assert set(table.monitor.heard(BUCKET, keys)) == set(keys)


def test_where_a_search_stands_is_kept_for_each_bucket(table: Table) -> None:
    assert table.monitor.searched(BUCKET) is None
    for search in (Search("lab/submissions/a", 5.0, 1.0), Search("", 9.0, 5.0)):
        table.monitor.note_search(BUCKET, search)
        assert table.monitor.searched(BUCKET) == search
    assert table.monitor.searched("other") is None


def test_analyses_and_their_submissions_are_listed(table: Table) -> None:
    s3 = boto3.client("s3")
    for bucket in (BUCKET, "artifacts"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="artifacts", Key="analyses/dti.json", Body=SETTINGS.to_json().encode())
    s3.put_object(Bucket="artifacts", Key="analyses/old.json", Body=b'{"schema_version": 1}')
    s3.put_object(Bucket="artifacts", Key="code/x.json", Body=SETTINGS.to_json().encode())
    (found,) = table.monitor.analyses()
    assert (found.bucket, found.groups, found.queue_url) == (BUCKET, ("lab", "other"), "queue")
    assert list(AwsMonitorCloud("ledger", None).analyses()) == []
    for name in "abc":
        s3.put_object(Bucket=BUCKET, Key=f"lab/submissions/{name}", Body=name.encode())
    first, second = table.monitor.submissions(BUCKET, "lab/submissions/", "lab/submissions/a", 2)
    assert [first.key, second.key] == ["lab/submissions/b", "lab/submissions/c"]
    assert first.etag == s3.head_object(Bucket=BUCKET, Key=first.key)["ETag"].strip('"')
    assert (first.size, first.modified.tzinfo is not None) == (1, True)
    assert len(table.monitor.submissions(BUCKET, "lab/submissions/", "lab/submissions/", 2)) == 2


# Jobs that follow others, and watched folders
# ------------------------------------------------------------------------------------------------------------
WAITS = Waiting(JOB, 500.0, "queue", "message")


def test_what_a_job_waits_for_is_in_its_item_until_it_goes_on(table: Table) -> None:
    table.open(JOB)
    table.lease(OTHER, "one")
    table.manager.wait(OTHER, "another", WAITS)
    assert table.manager.waiting(OTHER) is None
    table.manager.wait(OTHER, "one", WAITS)
    table.manager.follow(JOB, OTHER)
    table.manager.release(OTHER, "one")
    assert table.manager.waiting(OTHER) == WAITS
    assert table.manager.followers(JOB) == (OTHER,)
    items = {item.job: item for item in table.monitor.open_jobs()}
    assert (items[OTHER].waiting, items[JOB].followers) == (WAITS, (OTHER,))
    assert table.lease(OTHER, "two", 300.0, 400.0) == "taken"
    table.manager.go_on(OTHER, "two", 310.0)
    after = table.monitor.open_job(OTHER)
    assert after is not None
    assert (after.waiting, after.since) == (None, 310.0)


def test_nobody_follows_a_job_that_has_ended(table: Table) -> None:
    table.open(JOB)
    table.manager.forget(JOB, "2026-01-31")
    table.manager.follow(JOB, OTHER)
    assert table.item(item_key(JOB)) == {}
    assert table.manager.followers(JOB) == ()


def test_a_job_counts_in_its_cap_once_and_is_settled_once(table: Table) -> None:
    cap = "dti/lab/rig1/2026-01"
    assert table.manager.take_cap(cap, "t1", 600, 1000)
    assert table.manager.take_cap(cap, "t1", 600, 1000)
    assert not table.manager.take_cap(cap, "t2", 401, 1000)
    assert table.manager.take_cap(cap, "t2", 400, 1000)
    assert table.monitor.committed_of_cap(cap) == 1000
    for cloud in (table.monitor, table.manager):
        cloud.settle_cap(cap, "t1", 100)
        assert table.monitor.committed_of_cap(cap) == 500
    table.monitor.settle_cap(cap, "t3", 0)
    assert table.monitor.committed_of_cap("dti/lab/rig1/2026-02") == 0


def test_a_watch_is_registered_ended_and_turned_on_again(table: Table) -> None:
    watch = Watch(
        *(BUCKET, "lab", "rig1", "on", "ann", "lab/inputs/rig1/", "c", "c", 600, 1000, 10),
        *("files", "**", False, "2026-01-31T12:00:00.000Z", "2026-03-02T12:00:00.000Z"),
    )
    table.manager.register(watch)
    assert list(table.monitor.watches()) == [(watch, "")]
    table.manager.end_watch(BUCKET, "lab", "rig1", "left")
    assert list(table.monitor.watches()) == [(watch, "left")]
    table.manager.register(replace(watch, state="paused"))
    assert list(table.monitor.watches()) == [(replace(watch, state="paused"), "")]


def test_folders_are_listed_without_what_is_in_them(table: Table) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for name in ("a/x", "a/y", "b", "b/x", "b0", "c/deep/x", "d"):
        s3.put_object(Bucket=BUCKET, Key=f"lab/inputs/{name}", Body=b"x")
    prefix = "lab/inputs/"
    assert table.monitor.folders(BUCKET, prefix, "", 10) == [f"{prefix}{name}/" for name in "abc"]
    assert table.monitor.folders(BUCKET, prefix, f"{prefix}a/", 1) == [f"{prefix}b/"]
    assert table.monitor.folders(BUCKET, prefix, f"{prefix}c/", 10) == []
