"""What a submission will take and cost: pure estimates, and what they are read from."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from localcloud.tests.properties import examples
from neurocaas import Analysis, AnalysisError
from neurocaas.forecast import ENOUGH, Countdown, Run, estimate
from neurocaas.protocol.cost import Rates
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.ledger import budget_name
from neurocaas.protocol.spending import Spending, month_of, spending_key
from neurocaas.states import DatasetState, JobState
from runtime.instance.agent.pace import Pace
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, ended, put, tell


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        tell(client)
        yield client


def runs(*seconds: float, size: int | None = 100) -> list[Run]:
    return [Run(size, one, "m5.large") for one in seconds]


def test_similar_sizes_count_when_there_are_enough_of_them() -> None:
    small, large = runs(*range(1, 11)), runs(1000.0, size=100_000)
    p50, p90, count, similar = estimate(small + large, [110])
    assert (p50, count, similar) == (5.5, 10, True)
    assert p90 == pytest.approx(9.1)
    assert estimate(small[: ENOUGH - 1] + large, [110])[2:] == (ENOUGH, False)
    assert estimate(small + large, [None])[2:] == (11, False)


def test_without_history_there_is_no_time() -> None:
    assert estimate([], [1]) == (None, None, 0, False)
    assert estimate(runs(7.0), [1]) == (7.0, 7.0, 1, False)


@given(
    st.lists(st.floats(0.1, 1e6), min_size=1),
    st.lists(st.one_of(st.none(), st.integers(0, 10**12)), min_size=1),
)
def test_quantiles_lie_between_the_fastest_and_the_slowest(
    seconds: list[float], sizes: list[int | None]
) -> None:
    p50, p90, count, _ = estimate(runs(*seconds), sizes)
    assert p50 is not None
    assert p90 is not None
    slack = 1e-9 * max(seconds)
    assert min(seconds) - slack <= p50 <= p90 + slack <= max(seconds) + 2 * slack
    assert count == len(seconds)


def test_no_history_is_said_plainly_and_the_worst_case_is_known(s3: Any) -> None:
    found = Analysis(BUCKET, GROUP).forecast([3], budget=False)
    assert (found.p50, found.usd_p50) == (None, None)
    assert found.usd == pytest.approx((60 + 15) / 60 * 0.096)
    assert any("no history" in line for line in found.lines())


def test_a_dearer_type_that_may_stand_in_counts_for_the_worst_case(s3: Any) -> None:
    tell(s3, replace(ABOUT, fallback_types=("m5.xlarge",)))
    analysis = Analysis(BUCKET, GROUP)
    assert analysis.forecast([3], budget=False).usd == pytest.approx(1.25 * 0.192)
    assert analysis.forecast([3], budget=False, instance_type="m5.large").usd == pytest.approx(
        1.25 * 0.096
    ), "a chosen type is kept"


def test_disk_and_address_are_foretold_as_they_are_reserved(s3: Any) -> None:
    tell(s3, replace(ABOUT, rates=Rates(0.08, 0.005), disk=DiskRules(32, 1000, 2.0)))
    analysis, besides = Analysis(BUCKET, GROUP), 132 * 0.08 / 672 + 0.005
    found = analysis.forecast([3, 3], dataset_size_gib=100, budget=False)
    assert found.usd == pytest.approx(2 * 1.25 * (0.096 + besides), abs=2e-6)
    assert "besides, each: $0.0207 an hour for 132 GiB of disk and a public IPv4 address" in found.lines()
    unknown = analysis.forecast([3, None], budget=False)
    assert (unknown.volume_gib, unknown.unknown) == (1032, 1)
    assert any("1 of these datasets cannot be measured" in line for line in unknown.lines())


def test_the_groups_own_jobs_are_the_history(s3: Any) -> None:
    for number in range(6):
        ended(s3, f"j{number}", {"a": 60.0 + number, "b": 60.0 + number})
    put(s3, f"jobs/{GROUP}/job_broken/certificate.json", "{")
    found = Analysis(BUCKET, GROUP).forecast([3, 3], budget=False)
    assert (found.runs, found.similar) == (12, True)
    assert found.p50 == pytest.approx(62.5)
    assert found.usd_p50 == pytest.approx(2 * 63 / 3600 * 0.096)  # whole seconds are paid
    text = "\n".join(found.lines())
    assert "1 min 2 s (p50)" in text
    assert "from 12 earlier runs of similar size" in text
    assert "prices of 2026-11-01" in text


def test_an_instance_type_without_a_price_is_refused(s3: Any) -> None:
    with pytest.raises(AnalysisError, match=r"p4d\.24xlarge"):
        Analysis(BUCKET, GROUP).forecast([1], instance_type="p4d.24xlarge")


def test_an_analysis_that_says_nothing_of_itself_is_one_message(s3: Any) -> None:
    with pytest.raises(AnalysisError, match=r"jobs/strangers/analysis\.json"):
        Analysis(BUCKET, "strangers").forecast([1])


def ledger(committed: int) -> None:
    keys: Any = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
    types: Any = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    table = boto3.client("dynamodb")
    table.create_table(
        TableName="ledger", KeySchema=keys, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
    )
    item = {
        "pk": {"S": "budget"},
        "sk": {"S": budget_name("dti", GROUP, datetime.now(UTC))},
        "committed": {"N": str(committed)},
    }
    table.put_item(TableName="ledger", Item=item)


def test_what_is_left_comes_from_the_ledger(s3: Any) -> None:
    ledger(299_950_000)
    found = Analysis(BUCKET, GROUP).forecast([1])
    assert found.budget is not None
    assert found.budget.left == pytest.approx(0.05)
    assert any("would be refused" in line for line in found.lines())


def test_a_group_with_a_budget_of_its_own(s3: Any) -> None:
    ledger(1_000_000)
    tell(s3, replace(ABOUT, budget_parameters="/neurocaas/budgets"))
    boto3.client("ssm").put_parameter(Name=f"/neurocaas/budgets/{GROUP}/dti", Value="10", Type="String")
    found = Analysis(BUCKET, GROUP).forecast([1])
    assert found.budget is not None
    assert found.budget.left == pytest.approx(9.0)
    boto3.client("ssm").put_parameter(Name=f"/neurocaas/budgets/{GROUP}/dti/limit", Value="4", Type="String")
    lowered = Analysis(BUCKET, GROUP).forecast([1]).budget
    assert lowered is not None
    assert lowered.left == pytest.approx(3.0)


class Denied:
    """A session of an analyst: S3 and nothing else."""

    def client(self, service: str) -> Any:
        made = boto3.client(service)  # type: ignore[call-overload]
        if service != "s3":
            from botocore.exceptions import ClientError

            def refuse(**_: Any) -> None:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetItem")

            made.meta.events.register("before-call", refuse)
        return made


def spending(s3: Any, committed: int, spent: int, *, settling: bool = False) -> None:
    month = month_of(datetime.now(UTC))
    put(s3, spending_key(GROUP, month), Spending(month, committed, spent, settling).to_json())


def test_what_a_certificate_says_is_left_is_never_believed(s3: Any) -> None:
    """It was so when that job began."""
    ended(s3, "j1", {"a": 60.0})
    budget = Analysis(BUCKET, GROUP, session=Denied()).forecast([1]).budget
    assert budget is not None
    assert (budget.left, budget.limit) == (None, 300.0)
    assert "these credentials may not read what is spent of it" in budget.source


def test_a_member_reads_what_is_left_where_the_service_keeps_it(s3: Any) -> None:
    tell(s3, replace(ABOUT, tells_spending=True))
    analysis = Analysis(BUCKET, GROUP, session=Denied())
    fresh = analysis.forecast([1]).budget
    assert fresh is not None
    assert (fresh.left, fresh.exact) == (300.0, False), "nothing was reserved, or not since an upgrade"
    spending(s3, 299_950_000, 100_000_000)
    found = analysis.forecast([1])
    assert found.budget is not None
    assert (found.budget.spent, found.budget.reserved) == (100.0, 199.95)
    assert found.budget.left == pytest.approx(0.05)
    assert found.budget.exact
    assert "budget: $0.05 left (of $300.00 in " in "\n".join(found.lines())
    assert "$100.00 spent, $199.95 reserved for jobs under way)" in "\n".join(found.lines())
    assert any("would be refused" in line for line in found.lines())


def test_figures_that_may_be_too_high_refuse_nothing(s3: Any) -> None:
    tell(s3, replace(ABOUT, tells_spending=True))
    spending(s3, 300_000_000, 0, settling=True)
    found = Analysis(BUCKET, GROUP).forecast([1])
    assert not any("would be refused" in line for line in found.lines())
    put(s3, spending_key(GROUP, month_of(datetime.now(UTC))), "{")
    unread = Analysis(BUCKET, GROUP).forecast([1]).budget
    assert unread is not None
    assert unread.left is None


def test_a_budget_that_may_not_be_read_is_not_that_of_the_blueprint(s3: Any) -> None:
    tell(s3, replace(ABOUT, tells_spending=True, budget_parameters="/neurocaas/budgets"))
    budget = Analysis(BUCKET, GROUP, session=Denied()).forecast([1]).budget
    assert budget is not None
    assert (budget.left, budget.limit) == (None, None)
    assert "300" not in budget.source


def at(seconds: float, progress: float | None, eta: float | None, instance: str = "i-1") -> JobState:
    one = DatasetState(
        "a", "g/inputs/a", "IN PROGRESS", seconds, instance=instance, progress=progress, eta_seconds=eta
    )
    return JobState("t1", "RUNNING", (one,))


def left(countdown: Countdown, state: JobState) -> float | None:
    return countdown.told(state).datasets[0].eta_seconds


def test_the_time_left_is_that_of_earlier_runs_at_first_and_of_its_own_pace_at_last() -> None:
    countdown = Countdown(typical=100.0)
    assert left(countdown, at(10, None, None)) == 90
    assert left(countdown, at(20, 0.5, 20)) == pytest.approx(0.5 * 40 + 0.5 * 100 - 20)
    assert left(countdown, at(36, 0.9, 4)) == pytest.approx(0.9 * 40 + 0.1 * 100 - 36)
    assert left(Countdown(), at(10, None, None)) is None
    assert left(Countdown(), at(20, 0.5, 20)) == 20
    assert left(countdown, at(5, None, None, "i-2")) == 95  # another attempt begins anew


moments = st.lists(
    st.tuples(st.floats(0, 1000), st.none() | st.floats(0.001, 1), st.none() | st.floats(0, 10_000)),
    min_size=1,
    max_size=12,
).map(lambda found: sorted(found, key=lambda one: one[0]))


@settings(max_examples=examples(300), deadline=None)
@given(moments, st.none() | st.floats(1, 2000))
def test_the_time_left_never_rises_while_a_job_runs(
    seen: list[tuple[float, float | None, float | None]], typical: float | None
) -> None:
    countdown = Countdown(typical)
    told = [value for value in (left(countdown, at(*one)) for one in seen) if value is not None]
    assert told == sorted(told, reverse=True)
    assert all(value > 0 for value in told)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1)), min_size=1, max_size=12).map(sorted))
def test_the_time_left_that_a_machine_tells_never_rises(marks: list[tuple[float, float]]) -> None:
    pace = Pace()
    told = [value for value in (pace.left(value, elapsed) for elapsed, value in marks) if value is not None]
    assert told == sorted(told, reverse=True)
    assert all(value >= 0 for value in told)


def test_a_script_whose_marks_come_later_and_later_gets_no_estimate() -> None:
    pace = Pace()
    assert pace.left(0.0, 3) is None
    assert pace.left(0.5, 10) == 10
    assert pace.left(0.5, 14) == 6
    assert pace.left(0.6, 18) is None  # 30 seconds in all, after 20 were said
    assert pace.left(0.9, 19) == 1
    assert pace.left(0.9, 25) is None
