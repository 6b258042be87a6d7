"""What a group, and each member of it, may spend on an analysis in a month: parameters of Systems Manager, in
US dollars, and the one rule by which they count. The manager decides by it, and people's commands show it.

```
{root}/{group}/{analysis}                       the group's budget (groups.yaml); without it, the blueprint's
{root}/{group}/{analysis}/limit                 less than that: a lead of the group sets it
{root}/{group}/{analysis}/each                  each member's budget (groups.yaml); without it, there is none
{root}/{group}/{analysis}/each/limit            by a lead
{root}/{group}/{analysis}/members/{name}        one member's budget (groups.yaml), in place of `each`
{root}/{group}/{analysis}/members/{name}/limit  by a lead, in place of `each/limit`
```

Of what an administrator and a lead have set, the lower counts; what is said of one member goes before what is
said of each. A member may never spend more than the group has left. Submissions of which nobody can say who
made them count together, as those of one more member, for whom `each` holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.problems import InvalidInput, Problem, shown

ROOT = "/neurocaas/budgets"
"""A name that other tools know, as the managers of the analyses do."""

LIMIT, EACH, MEMBERS = "limit", "each", "members"
MOST = 1e12
_PLAIN = re.compile(r"[A-Za-z0-9.-]")


class Allowance(NamedTuple):
    """Micro-dollars a month. `own`: the group's is not only the blueprint's; `member` None: the member has no
    limit beside the group's."""

    group: int
    own: bool = False
    member: int | None = None


class ParameterNames(NamedTuple):
    """The parameters that decide what one member may spend: few enough for one GetParameters call."""

    budget: str
    limit: str
    each: str
    each_limit: str
    member: str
    member_limit: str


def names(root: str, group: str, analysis: str, member: str) -> ParameterNames:
    base = f"{root}/{group}/{analysis}"
    one = f"{base}/{MEMBERS}/{written(member)}"
    return ParameterNames(
        base, f"{base}/{LIMIT}", f"{base}/{EACH}", f"{base}/{EACH}/{LIMIT}", one, f"{one}/{LIMIT}"
    )


def written(member: str) -> str:
    """A member's name as a part of a parameter's: that has letters, digits and '.-_' only (Systems Manager
    API reference, "PutParameter"), people's have also '+=,@'. No two names are written alike; nobody is
    '_'."""
    return "".join(c if _PLAIN.fullmatch(c) else f"_{ord(c):02X}" for c in member) or "_"


def limits(names: ParameterNames, found: Mapping[str, str], default_usd: float) -> Allowance:
    """What counts, of the parameters that there are. Raises InvalidInput for one that is not an amount:
    nothing is spent on a budget that nobody can read."""
    budget, limit, each, each_limit, member, member_limit = (_amount(name, found.get(name)) for name in names)
    group = default_usd if budget is None else budget
    given = each if member is None else member
    by_lead = each_limit if member_limit is None else member_limit
    own = min((one for one in (given, by_lead) if one is not None), default=None)
    return Allowance(
        micro_dollars(group if limit is None else min(group, limit)),
        budget is not None or limit is not None,
        None if own is None else micro_dollars(own),
    )


def _amount(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < MOST:
        do = f"Ask the administrator to correct the parameter {name}"
        raise InvalidInput(
            [Problem("budget", f"{shown(text)} in the parameter {name}", "an amount in dollars, from 0", do)]
        )
    return value
