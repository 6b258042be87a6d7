"""What to do when a budget has not enough left for what a job may cost at most: the ways out, with numbers.

What is reserved follows from `__duration__`, not from what datasets take. So a hundred short datasets may be
refused although they would cost little. Manager and forecast compute here. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from neurocaas.protocol.cost import at_most
from neurocaas.protocol.limits import BUDGET_MARGIN_MINUTES
from neurocaas.protocol.units import duration
from neurocaas.protocol.waiting import AS_BUDGET_ALLOWS

ENOUGH = 5
"""So many earlier runs say something of how long a dataset takes."""

SLACK = 1.5
"""So many times longer than the longest earlier run may a dataset take with a `__duration__` of ours."""


@dataclass(frozen=True)
class WaysOut:
    """`minutes`: a `__duration__` with which all datasets fit into what is left, and which the earlier runs
    leave room for; None when there is none. `most_minutes`: the longest that fits, 0 for none. `datasets`:
    how many fit with the duration that was asked for. `runs` earlier ones, the longest of which took
    `longest` seconds."""

    total: int
    datasets: int
    minutes: int | None
    most_minutes: int
    runs: int
    longest: float

    def text(self) -> str:
        """What to do, as a list of choices: the end of a sentence; "" when there is nothing to choose."""
        ways = []
        if self.minutes is not None:
            of = f"the longest of {self.runs} earlier runs took {duration(self.longest, tenths=True)}"
            ways.append(f"set __duration__ to {self.minutes} minute{'' if self.minutes == 1 else 's'} ({of})")
        elif self.most_minutes and self.runs < ENOUGH:
            ways.append(
                f"set __duration__ to at most {self.most_minutes} minutes, if that is enough for a dataset"
            )
        if self.datasets and self.total > 1:
            ways.append(f"submit {self.datasets} of the {self.total} datasets")
            ways.append(
                f'submit with "run": "{AS_BUDGET_ALLOWS}", which starts {self.datasets} now and the '
                "others as reservations are released"
            )
        return ", or ".join(ways)


def ways_out(
    total: int, minutes: int, usd_per_hour: float, left: int, seconds: Sequence[float], least: int = 1
) -> WaysOut:
    """For `total` datasets of `minutes` at a price, with `left` micro-dollars and the `seconds` of earlier
    runs. A duration has at least `least` minutes."""
    each = at_most(1, minutes, usd_per_hour)
    datasets = total if each <= 0 else max(0, min(total, left // each))
    most = _longest(total, minutes, usd_per_hour, left)
    longest = max(seconds, default=0.0)
    need = max(least, math.ceil(longest * SLACK / 60))
    fits = len(seconds) >= ENOUGH and need <= most and need < minutes
    chosen = min(most, 2 * need, minutes) if fits else None
    return WaysOut(total, datasets, chosen, most if most >= least else 0, len(seconds), longest)


def _longest(total: int, minutes: int, usd_per_hour: float, left: int) -> int:
    """The longest duration up to `minutes` with which all fit, 0 for none."""
    if usd_per_hour <= 0:
        return minutes
    guess = int(left / total / usd_per_hour / 1e6 * 60) - BUDGET_MARGIN_MINUTES + 1
    for most in range(min(minutes, guess), max(0, min(minutes, guess) - 3), -1):
        if at_most(total, most, usd_per_hour) <= left:
            return most
    return 0
