"""What a job may cost at most, and what its group may spend. Amounts in micro-dollars."""

from __future__ import annotations

import math
from datetime import datetime

from neurocaas.protocol.certificate import SetupLog
from neurocaas.protocol.cost import at_most, micro_dollars
from neurocaas.protocol.job import Job
from neurocaas.protocol.ledger import budget_name
from neurocaas.protocol.logline import BUDGET_USED
from neurocaas.protocol.notice import BUDGET, about
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.units import money
from runtime.manager.delivery import Notes
from runtime.manager.port import ManagerCloud

NOTICE_PERCENT = 80
"""Part of a group's budget of a month from which on the topic is told, once."""


def worst_case(job: Job) -> int:
    """Every machine runs for its whole duration and a margin, as the dearest type that may stand in, or on
    which a dataset that ran out of memory may be run again, with its volume and its address. Further attempts
    must do with that: the monitor ends a job before it costs more than was reserved."""
    dearest = max(job.prices[name] for name in (*job.instance_types, *job.oom_types))
    return at_most(len(job.datasets), job.duration_minutes, dearest + job.besides_per_hour)


def reserve(
    cloud: ManagerCloud, settings: AnalysisSettings, log: SetupLog, job: Job, now: datetime, notes: Notes
) -> list[Problem]:
    """Reserve what the job may cost at most, in the month in which it was submitted; the problem when the
    group cannot pay it.
    """
    try:
        limit, own = limit_of(cloud, settings, job.group)
    except InvalidInput as error:
        return list(error.problems)

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
    if not own:
        say(f"Customized budget not found. Using default budget value of {dollars(limit)}")
    budget, cost = budget_name(settings.analysis, job.group, log.started), worst_case(job)
    committed = cloud.committed(budget)
    paid = cost <= limit and cloud.reserve(job.id, budget, cost, limit)
    if limit:
        notes.metrics[BUDGET_USED] = round(100 * (committed + (cost if paid else 0)) / limit, 2)
    if paid:
        _tell_nearly_used(cloud, settings, job, cloud.committed(budget), cost, limit)
        say(
            f"Projected total costs: {money(cost / 1e6)}. Remaining budget: "
            f"${dollars(max(0, limit - committed - cost))}"
        )
        return []
    say(
        f"Projected total costs: {money(cost / 1e6)}. Over budget (${dollars(limit)}), cancelling job. "
        "Contact administrator."
    )
    return [over_budget(cost, limit - committed, limit)]


def _tell_nearly_used(
    cloud: ManagerCloud, settings: AnalysisSettings, job: Job, committed: int, cost: int, limit: int
) -> None:
    """Tell the topic when this job's reservation has taken its group's budget to NOTICE_PERCENT. `committed`
    was read afterwards: of jobs that reserve at a time, one at least sees the whole."""
    mark = limit * NOTICE_PERCENT
    if 100 * (committed - cost) < mark <= 100 * committed:
        cloud.publish(
            f"NeuroCAAS {settings.analysis}: {NOTICE_PERCENT} % of a budget is used",
            f"Group {job.group} has spent or reserved ${dollars(committed)} of its ${dollars(limit)} of this "
            f"month in {settings.analysis}, since job {job.timestamp}.",
            about(BUDGET, job.group, settings.analysis),
        )


def limit_of(cloud: ManagerCloud, settings: AnalysisSettings, group: str) -> tuple[int, bool]:
    """The group's budget of a month, and whether it is its own: the SSM parameter
    `{budget_parameters}/{group}/{analysis}` in dollars, else the blueprint's; less where a lead of the group
    has set a lower limit, in the parameter `{budget_parameters}/{group}/{analysis}/limit`. Raises
    InvalidInput for a parameter that is not an amount: nothing is spent on a budget that nobody can read."""
    if settings.budget_parameters is None:
        return micro_dollars(settings.budget_usd), False
    name = f"{settings.budget_parameters}/{group}/{settings.analysis}"
    names = (name, f"{name}/limit")
    found = cloud.parameters(names)
    budget, lower = (_amount(one, found.get(one)) for one in names)
    amount = settings.budget_usd if budget is None else budget
    return micro_dollars(
        amount if lower is None else min(amount, lower)
    ), budget is not None or lower is not None


def _amount(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e12:
        do = f"Ask the administrator to correct the parameter {name}"
        raise InvalidInput(
            [Problem("budget", f"{shown(text)} in the parameter {name}", "an amount in dollars, from 0", do)]
        )
    return value


def dollars(amount: int) -> str:
    return f"{amount / 1_000_000:.2f}"


def over_budget(cost: int, left: int, limit: int) -> Problem:
    """`left` is what the budget has left before this job."""
    got = (
        f"projected total costs of {money(cost / 1e6)} with ${dollars(max(0, left))} left of the month's "
        f"${dollars(limit)}"
    )
    do = (
        "Use fewer datasets, a cheaper instance_type or a shorter __duration__, or ask the administrator "
        "for a larger budget"
    )
    return Problem("budget", got, "costs that the rest of the budget covers", do)
