"""What a job may cost at most, and what its group may spend. Amounts in micro-dollars."""

from __future__ import annotations

from datetime import datetime

from neurocaas.protocol.budget_parameters import Limits, limits, names
from neurocaas.protocol.certificate import SetupLog
from neurocaas.protocol.cost import at_most, micro_dollars
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.job import Job
from neurocaas.protocol.ledger import budget_name
from neurocaas.protocol.logline import BUDGET_USED
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.spending import dollars, tell_nearly_used
from neurocaas.protocol.units import money
from runtime.manager.delivery import Notes
from runtime.manager.port import ManagerCloud


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
    group, or this member of it, cannot pay it.
    """
    try:
        allowed = limits_of(cloud, settings, job.group, job.submitter)
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
    limit, member_limit = allowed.group, allowed.member
    if not allowed.own:
        say(f"Customized budget not found. Using default budget value of {dollars(limit)}")
    budget, cost = budget_name(settings.analysis, job.group, log.started), worst_case(job)
    committed = cloud.committed(budget)
    within = cost <= limit and (member_limit is None or cost <= member_limit)
    paid = within and cloud.reserve(job.id, budget, cost, limit, job.submitter, member_limit)
    if limit:
        notes.metrics[BUDGET_USED] = round(100 * (committed + (cost if paid else 0)) / limit, 2)
    if paid:
        tell_nearly_used(cloud, budget)
        say(
            f"Projected total costs: {money(cost / 1e6)}. Remaining budget: "
            f"${dollars(max(0, limit - committed - cost))}"
        )
        return []
    if member_limit is not None:
        own = cloud.committed(budget, job.submitter)
        if min(limit - committed, limit) >= cost > member_limit - own:
            say(
                f"Projected total costs: {money(cost / 1e6)}. Over the budget of {_who(job)} "
                f"(${dollars(member_limit)}), cancelling job. Contact a lead of the group."
            )
            return [over_member_budget(job, cost, member_limit - own, member_limit)]
    say(
        f"Projected total costs: {money(cost / 1e6)}. Over budget (${dollars(limit)}), cancelling job. "
        "Contact administrator."
    )
    return [over_budget(cost, limit - committed, limit)]


def limits_of(cloud: ManagerCloud, settings: AnalysisSettings, group: str, member: str) -> Limits:
    """What the group may spend in a month, and this member of it (`neurocaas.protocol.budget_parameters`).
    Raises InvalidInput for a parameter that is not an amount."""
    if settings.budget_parameters is None:
        return Limits(micro_dollars(settings.budget_usd))
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


def over_member_budget(job: Job, cost: int, left: int, limit: int) -> Problem:
    """`left` is what the member's budget has left before this job."""
    got = (
        f"projected total costs of {money(cost / 1e6)} with ${dollars(max(0, left))} left of the month's "
        f"${dollars(limit)} of {_who(job)}"
    )
    do = (
        "Use fewer datasets, a cheaper instance_type or a shorter __duration__, or ask a lead of the group "
        "for a larger limit"
    )
    return Problem("budget", got, "costs that the rest of the member's budget covers", do)


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
