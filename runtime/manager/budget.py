"""What a job may cost at most, and what its group may spend. Amounts in micro-dollars."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from neurocaas.protocol.afford import ways_out
from neurocaas.protocol.budget_parameters import Allowance, limits, names
from neurocaas.protocol.certificate import SetupLog
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.documents import moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.ledger import Reservation, budget_name
from neurocaas.protocol.logline import BUDGET_USED
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.sizes import SIZES_MAX_BYTES, read_sizes, run_times, sizes_key
from neurocaas.protocol.spending import dollars, tell_nearly_used
from neurocaas.protocol.units import money
from neurocaas.protocol.waiting import AS_BUDGET_ALLOWS
from runtime.manager.delivery import Notes
from runtime.manager.port import BucketRefusedError, ManagerCloud, ObjectTooLargeError


def worst_case(job: Job) -> int:
    """What each dataset may cost at most, for all. The monitor ends a job before it costs more than was
    reserved."""
    return len(job.datasets) * job.at_most_each


_TRIES = 4
"""Attempts at a reservation as the budget allows, while other jobs reserve at the same time."""


@dataclass(frozen=True)
class Reserved:
    """The first `paid` datasets of a job are paid, others not because of `problems`. `hopeless`: nor can
    they ever be, with this limit. `line`: which of `lines_of` it waits for."""

    paid: int
    problems: tuple[Problem, ...] = ()
    hopeless: bool = False
    line: str = ""


def reserve(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    log: SetupLog,
    job: Job,
    now: datetime,
    notes: Notes,
    before: int = 0,
    *,
    turn: bool = True,
) -> Reserved:
    """Reserve what the job may cost at most, in the month in which it was submitted, for its group and the
    member that has submitted it: for all its datasets, or as the budget allows, if it runs so. The first
    `before` are paid already. Not its `turn`: others that wait come first, and nothing is tried.

    What is spent of a month never becomes less, and what a dataset has cost is spent as soon as it has ended.
    So what does not fit into a limit beside what is spent never will: the rest is all that can be released.
    """
    try:
        allowed = limits_of(cloud, settings, job.group, job.submitter)
    except InvalidInput as error:
        return Reserved(before, error.problems, hopeless=True)

    def say(text: str) -> None:
        log.detail("get_costmonitoring", text, now)

    say(
        f"Prices an hour, of {settings.prices_date}: "
        f"{', '.join(f'{name} ${price:g}' for name, price in job.prices.items())}."
    )
    if job.oom_types:
        say(
            "A dataset that runs out of memory is run again on the next larger of "
            f"{', '.join(job.oom_types)}."
        )
    if job.besides_per_hour:
        say(
            f"Each machine has besides, for ${job.besides_per_hour:.4f} an hour: {job.volume_gib} GiB of "
            "disk and a public IPv4 address."
        )
    limit, member_limit = allowed.group, allowed.member
    if not allowed.own:
        say(f"Customized budget not found. Using default budget value of {dollars(limit)}")
    total, each, partly = len(job.datasets), job.at_most_each, job.run == AS_BUDGET_ALLOWS
    budget, cost = budget_of(job), (total - before) * each
    purses = _purses(cloud, job, limit, member_limit)
    count = 0
    for _ in range(_TRIES if turn else 0):
        count = total - before
        if partly and each:
            count = max(0, min(count, min(one.left for one in purses) // each))
        enough = count > 0 and all(count * each <= one.limit for one in purses)
        wanted = Reservation(budget, count * each, limit, job.submitter, member_limit, before + count, before)
        if enough and cloud.reserve(job.id, wanted):
            break
        count, earlier = 0, purses
        purses = _purses(cloud, job, limit, member_limit)
        if purses == earlier:  # else another job was faster
            break
    taken, paid = count * each, before + count
    if limit:
        notes.metrics[BUDGET_USED] = round(100 * (purses[0].committed + taken) / limit, 2)
    if count:
        tell_nearly_used(cloud, budget)
    if paid == total:
        say(
            f"Projected total costs: {money(taken / 1e6)}. Remaining budget: "
            f"${dollars(max(0, purses[0].left - taken))}"
        )
        return Reserved(total)
    need = each if partly else cost
    if count:
        say(f"{money(taken / 1e6)} reserved for {count} of {total - before} datasets; the others wait.")
    hopeless = not count and any(need > one.limit - one.spent for one in purses)
    # the member's only where the group's would do
    lacks = purses[0] if need > purses[0].left - taken else purses[-1]
    if not count:
        over = f"Projected total costs: {money(cost / 1e6)}. "
        if not hopeless and job.waits_for_budget:
            say(f"{over}${dollars(max(0, lacks.left))} left now.")
        elif lacks.member is None:
            say(f"{over}Over budget (${dollars(limit)}), cancelling job. Contact administrator.")
        else:
            say(
                f"{over}Over the budget of {_who(job)} (${dollars(lacks.limit)}), cancelling job. Contact a "
                "lead of the group."
            )
    problem = _unpaid(cloud, job, total - paid, replace(lacks, committed=lacks.committed + taken))
    return Reserved(paid, (problem,), hopeless, lacks.name)


@dataclass(frozen=True)
class _Purse:
    """A budget, or what a member has of it (`member` None: the group's own): its limit, and what is
    committed and spent of it."""

    name: str
    member: str | None
    limit: int
    committed: int
    spent: int

    @property
    def left(self) -> int:
        return self.limit - self.committed


def _purses(cloud: ManagerCloud, job: Job, limit: int, member_limit: int | None) -> list[_Purse]:
    """What pays for the job: the group's budget, and the member's part of it where that is limited."""
    group, *own = lines_of(job)
    found = [_Purse(group, None, limit, *cloud.account(group))]
    if member_limit is not None:
        account = cloud.account(group, job.submitter)
        found.append(_Purse(own[0], job.submitter, member_limit, *account))
    return found


def budget_of(job: Job) -> str:
    """The sort key of the budget of a job: of the month of its submission."""
    return budget_name(job.analysis, job.group, moment(job.created))


def lines_of(job: Job) -> tuple[str, str]:
    """What jobs may wait for that need the same money: the group's budget, the member's part of it."""
    return budget_of(job), f"{budget_of(job)}/{job.submitter}"


def _unpaid(cloud: ManagerCloud, job: Job, datasets: int, purse: _Purse) -> Problem:
    """Why so many datasets of a job are not paid, and what to do."""
    raw = None
    with suppress(ObjectTooLargeError, BucketRefusedError):
        raw = cloud.get(job.bucket, sizes_key(job.group), SIZES_MAX_BYTES)
    seconds = run_times(read_sizes(raw), job.instance_types)
    out = ways_out(datasets, job.duration_minutes, job.hourly_at_most, max(0, purse.left), seconds)
    cost = datasets * job.at_most_each
    if purse.member is None:
        return over_budget(cost, purse.left, purse.limit, out.text())
    return over_member_budget(job, cost, purse.left, purse.limit, out.text())


def limits_of(cloud: ManagerCloud, settings: AnalysisSettings, group: str, member: str) -> Allowance:
    """What the group may spend in a month, and this member of it (`neurocaas.protocol.budget_parameters`).
    Raises InvalidInput for a parameter that is not an amount."""
    if settings.budget_parameters is None:
        return Allowance(micro_dollars(settings.budget_usd))
    wanted = names(settings.budget_parameters, group, settings.analysis, member)
    return limits(wanted, cloud.parameters(wanted), settings.budget_usd)


def _who(job: Job) -> str:
    return job.submitter or "submissions of nobody that the service knows"


def hold_limit(cloud: ManagerCloud, settings: AnalysisSettings) -> int:
    """What the developers' group may spend in a month on machines that are held; nothing where its budget
    cannot be read: no job stays open for that."""
    try:
        return limits_of(cloud, settings, GROUP, "").group
    except InvalidInput:
        return 0


def over_member_budget(job: Job, cost: int, left: int, limit: int, ways: str = "") -> Problem:
    """`left` is what the member's budget has left before this job; `ways` out, in words."""
    got = (
        f"projected total costs of {money(cost / 1e6)} with ${dollars(max(0, left))} left of the month's "
        f"${dollars(limit)} of {_who(job)}"
    )
    do = f"{_first(ways)}; or use a cheaper instance_type, or ask a lead of the group for a larger limit"
    return Problem("budget", got, "costs that the rest of the member's budget covers", do)


def over_budget(cost: int, left: int, limit: int, ways: str = "") -> Problem:
    """`left` is what the budget has left before this job; `ways` out, in words."""
    got = (
        f"projected total costs of {money(cost / 1e6)} with ${dollars(max(0, left))} left of the month's "
        f"${dollars(limit)}"
    )
    do = f"{_first(ways)}; or use a cheaper instance_type, or ask the administrator for a larger budget"
    return Problem("budget", got, "costs that the rest of the budget covers", do)


def _first(ways: str) -> str:
    """The ways out, as the beginning of a sentence."""
    ways = ways or "use fewer datasets, or a shorter __duration__"
    return f"{ways[0].upper()}{ways[1:]}"
