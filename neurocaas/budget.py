"""What a group may still spend on an analysis this month.

The budget is the group's: its parameter, or the analysis's default, less where a lead has set a lower limit.
What is spent and reserved is read in the document that the service keeps true for the group
(`neurocaas.protocol.spending`); of a service of an earlier version only administrators know it, from its
table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, code_of
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.ledger import BUDGETS, budget_name
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.spending import Spending, month_of, spending_key
from neurocaas.protocol.units import money


@dataclass(frozen=True)
class Budget:
    """In USD, of one `month`. None is what cannot be known; `source` says how `left` is known. `reserved`:
    what jobs under way may still spend. `exact`: the service would decide by these figures now."""

    left: float | None
    source: str
    limit: float | None = None
    spent: float | None = None
    reserved: float | None = None
    month: str = ""
    exact: bool = False

    def told(self) -> str:
        """In one phrase: `$120.00 left (of $300.00 in 2026-11: $150.00 spent, $30.00 reserved)`."""
        return f"{'unknown' if self.left is None else f'{money(self.left)} left'} ({self.source})"


def budget_left(about: About, group: str, session: Any, objects: Bucket) -> Budget:
    """The group's budget of this month."""
    now = datetime.now(timezone.utc)
    month, limit = month_of(now), _limit(about, group, session)
    if limit is None:
        return Budget(None, "these credentials may not read the group's budget", month=month)
    spending, exact = _spending(about, group, session, objects, now)
    if spending is None:
        source = f"of {money(limit)} in {month}; these credentials may not read what is spent of it"
        return Budget(None, source, limit, month=month)
    spent, reserved = spending.spent / 1e6, spending.reserved / 1e6
    figures = f"{money(spent)} spent, {money(reserved)} reserved for jobs under way"
    source = f"of {money(limit)} in {month}: {figures}"
    return Budget(max(0.0, limit - spent - reserved), source, limit, spent, reserved, month, exact)


def refusals(costs: Sequence[float], budget: Budget | None) -> list[AnalysisError]:
    """What the service would say of jobs that cost so much at most, in USD: only what is sure."""
    if budget is None or budget.limit is None or not costs:
        return []
    total = sum(costs)
    do = (
        "use fewer datasets, a cheaper instance type or a shorter __duration__, or ask the administrator for "
        "a larger budget"
    )
    if max(costs) > budget.limit:
        got = f"a job that may cost {money(max(costs))}, with a budget of {money(budget.limit)} a month"
    elif budget.exact and budget.left is not None and total > budget.left:
        got = f"costs of up to {money(total)}, with {budget.told()}"
    else:
        return []
    return [AnalysisError(got, "costs that the rest of the group's budget covers", do)]


def _spending(
    about: About, group: str, session: Any, objects: Bucket, now: datetime
) -> tuple[Spending | None, bool]:
    """What is spent this month, and whether the service would decide by it now."""
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


def _limit(about: About, group: str, session: Any) -> float | None:
    """The budget of a month; None where these credentials may not read it."""
    import botocore.exceptions

    if about.budget_parameters is None:
        return about.budget_usd
    ssm, name = session.client("ssm"), f"{about.budget_parameters}/{group}/{about.analysis}"
    try:
        own, lower = _amount(ssm, name), _amount(ssm, f"{name}/limit")
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith("AccessDenied"):
            raise
        return None
    return min(about.budget_usd if own is None else own, math.inf if lower is None else lower)


def _amount(ssm: Any, name: str) -> float | None:
    import botocore.exceptions

    try:
        return float(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except botocore.exceptions.ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
        return None
    except ValueError:
        return 0.0  # the manager refuses every submission while the budget is no amount
