"""What a group may still spend on an analysis this month, and the person who asks.

The budget is the group's: its parameter, or the analysis's default, less where a lead has set a lower limit;
a member may have one of its own in it (`neurocaas.protocol.budget_parameters`, the rule by which the service
decides). What is spent and reserved is read in the document that the service keeps true for the group
(`neurocaas.protocol.spending`); of a service of an earlier version only administrators know it, from its
table. All is read when it is asked for: what a lead has changed counts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, code_of
from neurocaas.membership import name_of
from neurocaas.protocol.budget_parameters import Allowance, limits, names
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.ledger import BUDGETS, budget_name
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.spending import Share, Spending, month_of, spending_key
from neurocaas.protocol.units import money


@dataclass(frozen=True)
class MemberBudget:
    """In USD, what one member of the group may spend of its budget, and has. `name` "": whoever the service
    has no name for."""

    name: str
    limit: float
    spent: float
    reserved: float

    @property
    def left(self) -> float:
        return max(0.0, self.limit - self.spent - self.reserved)


@dataclass(frozen=True)
class Budget:
    """In USD, of one `month`. None is what cannot be known; `source` says how `left` is known: the least of
    what the group has left and what the person who asks has (`member`, None without a limit of its own).
    `reserved`: what jobs under way may still spend. `exact`: the service would decide by these figures
    now."""

    left: float | None
    source: str
    limit: float | None = None
    spent: float | None = None
    reserved: float | None = None
    month: str = ""
    exact: bool = False
    member: MemberBudget | None = None

    @property
    def most(self) -> float | None:
        """The most that the person may spend in a whole month."""
        if self.limit is None or self.member is None:
            return self.limit
        return min(self.limit, self.member.limit)

    def told(self) -> str:
        """In one phrase: `$120.00 left (of $300.00 in 2026-11: $150.00 spent, $30.00 reserved)`."""
        return f"{'unknown' if self.left is None else f'{money(self.left)} left'} ({self.source})"


def budget_left(about: About, group: str, session: Any, objects: Bucket) -> Budget:
    """The group's budget of this month, and what the person who asks may spend of it."""
    now = datetime.now(timezone.utc)
    me = name_of(session, group) if about.budget_parameters is not None else ""
    month, allowed = month_of(now), limits_of(about, group, session, me)
    if allowed is None:
        return Budget(None, "these credentials may not read the group's budget", month=month)
    limit = allowed.group / 1e6
    spending, exact = spending_of(about, group, session, objects, now)
    if spending is None:
        source = f"of {money(limit)} in {month}; these credentials may not read what is spent of it"
        return Budget(None, source, limit, month=month)
    spent, reserved = spending.spent / 1e6, spending.reserved / 1e6
    figures = f"{money(spent)} spent, {money(reserved)} reserved for jobs under way"
    source, left, member = (
        f"of {money(limit)} in {month}: {figures}",
        max(0.0, limit - spent - reserved),
        None,
    )
    if allowed.member is not None:
        own = spending.members.get(me, Share(0, 0))
        member = MemberBudget(me, allowed.member / 1e6, own.spent / 1e6, own.reserved / 1e6)
        source += (
            f"; yours: {money(member.left)} of {money(member.limit)}, with {money(member.spent)} spent, "
            f"{money(member.reserved)} reserved"
        )
        left = min(left, member.left)
    return Budget(left, source, limit, spent, reserved, month, exact, member)


def refusals(costs: Sequence[float], budget: Budget | None, ways: str = "") -> list[AnalysisError]:
    """What the service would say of jobs that cost so much at most, in USD: only what is sure. `ways` out of
    it, in words."""
    if budget is None or budget.most is None or not costs:
        return []
    total = sum(costs)
    ways = ways or "use fewer datasets, or a shorter __duration__"
    do = f"{ways}; or use a cheaper instance type, or ask the administrator for a larger budget"
    if budget.member is not None:
        do += ", or a lead of the group for a larger limit of yours"
    if max(costs) > budget.most:
        got = f"a job that may cost {money(max(costs))}, with a budget of {money(budget.most)} a month"
    elif budget.exact and budget.left is not None and total > budget.left:
        got = f"costs of up to {money(total)}, with {budget.told()}"
    else:
        return []
    return [AnalysisError(got, "costs that the rest of the group's budget covers", do)]


def spending_of(
    about: About, group: str, session: Any, objects: Bucket, now: datetime
) -> tuple[Spending | None, bool]:
    """What is spent this month (None where it cannot be known), and whether the service would decide by it
    now."""
    if not about.tells_spending:
        return _of_table(about, group, session, now), True
    raw = objects.get(spending_key(group, month_of(now)))
    if raw is None:  # nothing was reserved, or not since the service was upgraded
        return Spending(month_of(now), 0, 0), False
    try:
        found = Spending.from_json(raw)
    except DocumentError:
        return None, False
    return found, not found.settling


def _of_table(about: About, group: str, session: Any, now: datetime) -> Spending | None:
    import botocore.exceptions

    name = budget_name(about.analysis, group, now)
    try:
        answer = session.client("dynamodb").get_item(
            TableName=about.ledger_table, Key={"pk": {"S": BUDGETS}, "sk": {"S": name}}
        )
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith(("AccessDenied", "ResourceNotFound")):
            raise
        return None
    item = answer.get("Item", {})
    committed, spent = (int(item.get(key, {}).get("N", "0")) for key in ("committed", "spent"))
    return Spending(month_of(now), committed, spent)


def limits_of(about: About, group: str, session: Any, member: str) -> Allowance | None:
    """What the group may spend in a month, and this member of it; None where these credentials may not read
    it."""
    import botocore.exceptions

    if about.budget_parameters is None:
        return Allowance(micro_dollars(about.budget_usd))
    wanted = names(about.budget_parameters, group, about.analysis, member)
    try:
        found = read_parameters(session.client("ssm"), wanted)
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith("AccessDenied"):
            raise
        return None
    try:
        return limits(wanted, found, about.budget_usd)
    except InvalidInput:
        return Allowance(0, own=True)  # the manager refuses every submission while a budget is no amount


def read_parameters(ssm: Any, wanted: Sequence[str]) -> dict[str, str]:
    """The values of those parameters that there are. A service of before asks for them one by one: only that
    was its people's right."""
    import botocore.exceptions

    try:
        answer = ssm.get_parameters(Names=list(wanted))
        return {str(one["Name"]): str(one["Value"]) for one in answer["Parameters"]}
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith("AccessDenied"):
            raise
    found = dict[str, str]()
    for name in wanted:
        try:
            found[name] = str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except botocore.exceptions.ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
    return found
