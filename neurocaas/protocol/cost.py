"""What a machine costs: the one place where prices become amounts. Reservation, enforcement, settlement and
forecast compute here, so that none of them can leave out what another counts.

A machine is charged for itself (on demand, or at spot's price), its volume and its public IPv4 address: by
the second, for a minute at least (EC2 user guide, "On-Demand Instances"; EBS pricing; VPC pricing, "Public
IPv4 address"). A month of a volume counts as February's hours, the fewest that AWS divides a month's price
by. Burstable types are started without the right to borrow (`burstable`), so there are no surplus credits to
pay. Every amount is rounded up: what is reserved is never less than what is settled for the same time.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from neurocaas.protocol.limits import BUDGET_MARGIN_MINUTES

MINIMUM_SECONDS = 60
"""A machine that EC2 ends sooner costs as much."""

MONTH_HOURS = 28 * 24

STANDARD_CREDITS = "standard"
"""The `CpuCredits` of burstable types: without credits left they compute at their baseline. T3, T3a and T4g
start as "unlimited" unless told so, and what they borrow is charged when they end, up to ten times the price
of the machine (EC2 user guide, "Unlimited mode for burstable performance instances").
"""

_BURSTABLE = re.compile(r"t\d")


@dataclass(frozen=True)
class Rates:
    """US dollars for what each machine of a region has besides: a GiB of gp3 volume for a month, a public
    IPv4 address for an hour. Nothing in documents of before these were counted: their jobs go on as they were
    reserved."""

    gp3_gib_month: float = 0.0
    ipv4_hour: float = 0.0

    def hourly(self, volume_gib: int) -> float:
        """USD an hour for a machine's volume and address, beside its own price."""
        return volume_gib * self.gp3_gib_month / MONTH_HOURS + self.ipv4_hour


def burstable(instance_type: str) -> bool:
    """Whether a type has CPU credits (t2, t3, t3a, t4g)."""
    return _BURSTABLE.match(instance_type) is not None


def micro_dollars(usd: float) -> int:
    """Whole micro-dollars, rounded up: sums of them are exact, and nothing costs nothing."""
    return math.ceil(round(usd * 1_000_000, 3))


def charge(usd_per_hour: float, seconds: float) -> int:
    """Micro-dollars for a machine that lived so long, at the price of itself and of what it has besides."""
    return micro_dollars(usd_per_hour * max(math.ceil(seconds), MINIMUM_SECONDS) / 3600)


def at_most(machines: int, minutes: int, usd_per_hour: float) -> int:
    """Micro-dollars that are reserved for machines which may live for `minutes`, and for the margin in which
    the service ends one that does not end by itself."""
    return machines * charge(usd_per_hour, (minutes + BUDGET_MARGIN_MINUTES) * 60)
