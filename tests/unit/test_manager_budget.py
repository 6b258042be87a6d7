"""Money: nothing starts that its group's budget does not cover, and what a job did not need is given back,
exactly once.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.notice import about
from tests.unit.job_world import BUCKET, SETTINGS, World

MONTH = "dti/lab/2026-01"
WORST = micro_dollars(75 / 60 * 0.192)
"""One dataset for 60 + 15 minutes on the dearest type that may stand in."""


def with_budget(usd: float) -> World:
    return World(replace(SETTINGS, budget_usd=usd, budget_parameters="/neurocaas/budgets"))


def test_the_worst_case_is_reserved_and_the_real_cost_settled() -> None:
    world = with_budget(10)
    world.submit(world.submission())
    assert world.aws.budgets == {MONTH: (WORST, 0)}
    assert "Customized budget not found. Using default budget value of 10.00" in world.certificate()
    assert "Projected total costs: $0.24. Remaining budget: $9.76" in world.certificate()
    assert (
        f"Prices an hour, of {SETTINGS.prices_date}: m5.large $0.096, m5.xlarge $0.192."
        in world.certificate()
    )
    world.complete(next(iter(world.aws.ec2)))
    assert world.aws.budgets == {MONTH: (48_000, 48_000)}


def test_a_job_that_the_budget_does_not_cover_is_refused_with_the_numbers() -> None:
    world = with_budget(0.2)
    assert world.submit(world.submission()).exit_code == 99
    text = world.certificate()
    assert "Projected total costs: $0.24. Over budget ($0.20), cancelling job. Contact administrator." in text
    assert world.facts()["exit_class"] == "quota"
    assert (world.end() or "").startswith("FAILED 0/0")
    assert not world.aws.ec2
    assert world.aws.items == {}
    assert world.aws.budgets.get(MONTH, (0, 0)) == (0, 0)


@pytest.mark.parametrize(("value", "started"), [("1", True), ("0.2", False), ("1000000", True), ("0", False)])
def test_the_groups_own_budget_comes_first(value: str, started: bool) -> None:
    world = with_budget(0.2 if started else 10)
    world.aws.parameters_["/neurocaas/budgets/lab/dti"] = value
    world.submit(world.submission())
    assert bool(world.aws.ec2) is started


@pytest.mark.parametrize(
    ("budget", "limit", "started"),
    [("10", "0.2", False), ("0.2", "10", False), (None, "0.2", False), (None, "10", True)],
)
def test_a_lead_can_set_less_than_the_budget_and_never_more(
    budget: str | None, limit: str, started: bool
) -> None:
    world = with_budget(10)
    if budget:
        world.aws.parameters_["/neurocaas/budgets/lab/dti"] = budget
    world.aws.parameters_["/neurocaas/budgets/lab/dti/limit"] = limit
    world.submit(world.submission())
    assert bool(world.aws.ec2) is started
    assert ("Over budget ($0.20)" in world.certificate()) is not started


@pytest.mark.parametrize("value", ["prose", "", "nan", "-1", "inf"])
def test_a_budget_that_nobody_can_read_pays_for_nothing(value: str) -> None:
    world = with_budget(10)
    world.aws.parameters_["/neurocaas/budgets/lab/dti"] = value
    assert world.submit(world.submission()).exit_code == 99
    assert "in the parameter /neurocaas/budgets/lab/dti" in world.certificate()
    assert not world.aws.ec2


def test_two_submissions_at_once_cannot_both_pass() -> None:
    for _ in range(10):
        world = with_budget(0.3)
        barrier = threading.Barrier(3)

        def submit(number: int, world: World = world, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            world.submit(
                world.submission(timestamp=f"t{number}"), key=f"lab/submissions/{number}_submit.json"
            )

        threads = [threading.Thread(target=submit, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(world.aws.ec2) == 1
        assert world.aws.budgets[MONTH] == (WORST, 0)


def test_another_group_has_its_own_budget() -> None:
    world = with_budget(0.3)
    world.aws.upload(BUCKET, "other/inputs/a.zip")
    world.aws.upload(BUCKET, "other/configs/c.json", "{}")
    world.submit(world.submission())
    body = world.submission(dataname="other/inputs/a.zip", configname="other/configs/c.json")
    assert world.submit(body, key="other/submissions/a_submit.json").exit_code == 0
    assert set(world.aws.budgets) == {MONTH, "dti/other/2026-01"}


def test_what_was_reserved_for_nothing_is_released() -> None:
    world = with_budget(10)
    world.aws.capacity = {"m5.large": 0, "m5.xlarge": 0}
    world.submit(world.submission(wait="0s"))
    assert world.aws.budgets == {MONTH: (0, 0)}


def test_a_wait_for_capacity_keeps_one_reservation() -> None:
    world = with_budget(10)
    world.aws.capacity = {"m5.large": 0, "m5.xlarge": 0}
    world.submit(world.submission())
    world.clock.forward(150)
    world.deliver(receives=2)
    assert world.aws.budgets == {MONTH: (WORST, 0)}


def test_a_job_is_settled_in_the_month_of_its_submission() -> None:
    world = with_budget(10)
    world.clock.forward(11.9 * 3600)
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    assert world.clock().month == 2
    assert world.aws.budgets == {MONTH: (48_000, 48_000)}


def told(world: World) -> list[str]:
    return [text for subject, text in world.aws.notices if "of a budget is" in subject]


def test_a_budget_that_is_nearly_reserved_is_told_once_and_so() -> None:
    world = with_budget(0.9)  # three jobs of $0.24, and no fourth
    for number in range(3):
        world.submit(world.submission(timestamp=f"t{number}"), key=f"lab/submissions/{number}_submit.json")
        assert len(told(world)) == (number == 2), number
    assert told(world) == [
        "Group lab has spent $0.00 of its $0.90 of 2026-01 in dti. $0.72 more are reserved for jobs under "
        "way: that is what they can cost at most, and what they do not need comes back when they end."
    ]
    for machine in list(world.aws.ec2):
        world.complete(machine)
    world.submit(world.submission(timestamp="t4"), key="lab/submissions/4_submit.json")
    assert len(told(world)) == 1, "what was spent is far below"


def test_a_budget_that_is_nearly_spent_is_told_when_the_job_ends_that_spends_it() -> None:
    world = with_budget(0.24)
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.clock.forward(2.25 * 3600)
    world.write_status(machine, "SUCCESS")
    world.die(machine)
    assert told(world)[1:] == ["Group lab has spent $0.22 of its $0.24 of 2026-01 in dti."]
    assert world.aws.notices_about[-1] == about("budget", "lab", "dti")
    world.submit(world.submission(timestamp="t2"), key="lab/submissions/2_submit.json")
    assert len(told(world)) == 2


# Members
# ------------------------------------------------------------------------------------------------------------
ANN, BOB = "AROAXX:ann", "AROAXX:bob"
OWN = "/neurocaas/budgets/lab/dti"


def submit(world: World, name: str, principal: str = ANN) -> bool:
    """Whether it was started."""
    before = len(world.aws.ec2)
    world.principal = principal
    world.submit(world.submission(timestamp=name), key=f"lab/submissions/{name}_submit.json")
    return len(world.aws.ec2) > before


@pytest.mark.parametrize(
    ("parameters", "started"),
    [
        ({}, True),
        ({"/each": "0.2"}, False),
        ({"/each": "1"}, True),
        ({"/each": "0.2", "/members/ann": "1"}, True),
        ({"/each": "1", "/members/ann": "0.2"}, False),
        ({"/each/limit": "0.2"}, False),
        ({"/each/limit": "0.2", "/members/ann/limit": "1"}, True),
        ({"/members/ann": "0.2", "/members/ann/limit": "1"}, False),
        ({"/members/bob/limit": "0.2"}, True),
    ],
)
def test_a_member_may_have_a_budget_of_its_own(parameters: dict[str, str], started: bool) -> None:
    world = with_budget(10)
    world.aws.parameters_ |= {OWN + name: value for name, value in parameters.items()}
    assert submit(world, "t1") is started
    if not started:
        end = world.end() or ""
        assert "$0.20 left of the month's $0.20 of ann" in end
        assert "ask a lead" in end


def test_a_member_at_its_limit_stops_nobody_else() -> None:
    world = with_budget(10)
    world.aws.parameters_[f"{OWN}/each/limit"] = "0.3"
    assert submit(world, "t1")
    assert not submit(world, "t2")
    assert submit(world, "t3", BOB)
    assert submit(world, "t4", "AIDAUSER"), "of whom nobody can say who it is"
    assert not submit(world, "t5", "AIDAOTHER"), "these count together"
    assert world.aws.member_budgets[f"{MONTH}/ann"] == (WORST, 0)
    for machine in list(world.aws.ec2):
        world.complete(machine)
    assert world.aws.member_budgets[f"{MONTH}/ann"] == (48_000, 48_000)
    assert submit(world, "t6"), "what was not needed came back"


def test_the_groups_budget_counts_before_a_members() -> None:
    world = with_budget(0.3)
    world.aws.parameters_[f"{OWN}/each"] = "5"
    assert submit(world, "t1")
    assert not submit(world, "t2", BOB)
    assert "ask the administrator" in (world.end("t2") or "")


def test_jobs_that_cross_the_mark_at_a_time_do_not_cross_it_unseen() -> None:
    """Each alone stays below: what was committed is read after the reservation, which sees both."""
    world = with_budget(0.58)
    barrier = threading.Barrier(2)

    def submit(number: int) -> None:
        barrier.wait()
        world.submit(world.submission(timestamp=f"t{number}"), key=f"lab/submissions/{number}_submit.json")

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(world)
