"""The limits of a group and its members in one analysis, as its people see them and its leads set them
(`neurocaas.protocol.budget_parameters`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.budget import read_parameters, spending_of
from neurocaas.errors import AnalysisError, code_of
from neurocaas.protocol.budget_parameters import EACH, ParameterNames, limits, names
from neurocaas.protocol.members import PERSON
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.spending import Share, Spending, month_of
from neurocaas.spending import UNKNOWN
from neurocaas.typed import command as typed

MOST = 1_000_000_000


@dataclass(frozen=True)
class Allotment:
    """In USD: of a group, or a member of it (`name`). `budget` is what an administrator has given (the
    blueprint's, for a group that has none of its own), `limit` what a lead has set, `allowed` the one that
    counts; None for none. `spent` and `reserved` this month, None where that cannot be read."""

    name: str
    budget: float | None
    limit: float | None
    allowed: float | None
    spent: float | None
    reserved: float | None

    @property
    def left(self) -> float | None:
        if self.allowed is None or self.spent is None or self.reserved is None:
            return None
        return max(0.0, self.allowed - self.spent - self.reserved)


@dataclass(frozen=True)
class Overall:
    """The group's, each member's own limits (`each`: what holds for those who have none of their own), and
    those of the members who have spent something this month, or were asked for."""

    analysis: str
    group: str
    month: str
    whole: Allotment
    each: Allotment
    members: tuple[Allotment, ...]


def read(analysis: Any, members: tuple[str, ...] = ()) -> Overall:
    """How it stands now. `analysis`: a `neurocaas.Analysis`. A few requests, and one for each five
    members."""
    about, now = analysis.about(), datetime.now(timezone.utc)
    spending, _ = spending_of(about, analysis.group, analysis.session, analysis.objects, now)
    shown = sorted({*(spending.members if spending else ()), *members})
    root = about.budget_parameters
    wanted = {
        name: names(root or "", analysis.group, about.analysis, name) for name in dict.fromkeys(["", *shown])
    }
    found = dict[str, str]()
    if root is not None:
        every = list(dict.fromkeys(one for some in wanted.values() for one in some))
        ssm = analysis.session.client("ssm")
        for start in range(0, len(every), 10):  # of one GetParameters call
            found |= read_parameters(ssm, every[start : start + 10])

    def number(name: str) -> float | None:
        return float(found[name]) if name in found else None

    first = wanted[""]
    try:
        allowed = {name: limits(some, found, about.budget_usd) for name, some in wanted.items()}
    except InvalidInput as error:
        raise AnalysisError(
            error.problems[0].got, "amounts in dollars", "ask the administrator to correct it"
        ) from None
    whole = Allotment(
        analysis.group,
        about.budget_usd if first.budget not in found else number(first.budget),
        number(first.limit),
        allowed[""].group / 1e6,
        *_amounts(spending, None),
    )
    each = Allotment(
        EACH, number(first.each), number(first.each_limit), _usd(_each(first, found)), None, None
    )
    people = tuple(
        Allotment(
            name or UNKNOWN,
            number(wanted[name].member),
            number(wanted[name].member_limit),
            _usd(allowed[name].member),
            *_amounts(spending, name),
        )
        for name in shown
    )
    return Overall(about.analysis, analysis.group, month_of(now), whole, each, people)


def _each(first: ParameterNames, found: dict[str, str]) -> int | None:
    only = {name: value for name, value in found.items() if name in (first.each, first.each_limit)}
    return limits(first, only, 0.0).member


def _usd(amount: int | None) -> float | None:
    return None if amount is None else amount / 1e6


def _amounts(spending: Spending | None, member: str | None) -> tuple[float | None, float | None]:
    if spending is None:
        return None, None
    one = spending if member is None else spending.members.get(member, Share(0, 0))
    return one.spent / 1e6, one.reserved / 1e6


def change(analysis: Any, usd: str, *, member: str = "", each: bool = False) -> None:
    """Set a lead's limit of the group, of a member, or of `each` member; "" takes it away. It counts from the
    next submission on. Raises AnalysisError for an amount that is no limit, and for who is no lead."""
    import botocore.exceptions

    about = analysis.about()
    if about.budget_parameters is None:
        raise AnalysisError(
            f"{analysis.name} has no budgets of groups", "a service that keeps them", "deploy it again"
        )
    if member and not PERSON.fullmatch(member):
        raise AnalysisError(f"--member {member}", PERSON.pattern, "write a name as groups.yaml has it")
    whose = names(about.budget_parameters, analysis.group, about.analysis, member)
    if each:
        given, name = whose.each, whose.each_limit
    elif member:
        given, name = whose.member, whose.member_limit
    else:
        given, name = whose.budget, whose.limit
    ssm = analysis.session.client("ssm")
    try:
        if not usd:
            try:
                ssm.delete_parameter(Name=name)
            except ssm.exceptions.ParameterNotFound:
                pass
            return
        amount, budget = _amount(usd), read_parameters(ssm, [given]).get(given)
        if budget is not None and amount >= float(budget):
            raise AnalysisError(
                f"--usd {usd}",
                f"less than the budget, {float(budget):.2f}",
                "leave it, or have the budget changed in groups.yaml",
            )
        ssm.put_parameter(Name=name, Value=f"{amount:.2f}", Type="String", Overwrite=True)
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith("AccessDenied"):
            raise
        raise no_lead(analysis.group) from None


def no_lead(group: str) -> AnalysisError:
    """Somebody who does not lead the group."""
    return AnalysisError(
        f"no right to the limits of {group}",
        f"the leads of {group}, and administrators",
        f"sign in as a lead: `{typed('login')} --lead`, or in a checkout "
        f'eval "$(invoke credentials --group {group} --lead)"',
    )


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= MOST:
        raise AnalysisError(
            f"--usd {text}", f"a number of dollars from 0 to {MOST}", "write it as 50 or 49.90"
        )
    return amount
