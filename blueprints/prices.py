"""What machines cost in each region, resolved when a stack is deployed. The table is data with a date and a
source for each region, refreshed by `invoke prices`; no deploy and no job asks for prices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from neurocaas.protocol.cost import Rates

FILE = Path(__file__).with_name("prices.json")
REGION = "us-east-1"
"""The region whose types are those that a blueprint may name."""


FAMILY_AT_MOST = 8
"""How many times the price of an analysis's type the sizes of its family may cost that submissions may ask
for without being listed.
"""


@dataclass(frozen=True)
class Prices:
    """US dollars an hour, on demand, Linux, shared tenancy; `rates`: what each machine has besides. `date`:
    when they were read from `source` (ISO).
    """

    date: str
    source: str
    region: str
    usd_per_hour: dict[str, float]
    rates: Rates

    def of(self, types: Iterable[str]) -> Prices:
        """The same table with these types only. Raises KeyError for one that it lacks."""
        return Prices(
            self.date,
            self.source,
            self.region,
            {name: self.usd_per_hour[name] for name in sorted(types)},
            self.rates,
        )

    def family(self, name: str) -> tuple[str, ...]:
        """The type itself, and the sizes of its family (m5, g4dn: kind and generation) that cost at most
        `FAMILY_AT_MOST` times as much, the cheapest first. Only the type where it has no price."""
        limit = FAMILY_AT_MOST * self.usd_per_hour.get(name, 0.0)
        sizes = {
            one: usd
            for one, usd in self.usd_per_hour.items()
            if one.partition(".")[0] == name.partition(".")[0] and usd <= limit
        }
        return (name, *sorted(sizes.keys() - {name}, key=lambda one: (sizes[one], one)))


def regions(file: Path = FILE) -> tuple[str, ...]:
    """The regions of the table, sorted."""
    return tuple(sorted(json.loads(file.read_text())["regions"]))


def table(region: str = REGION, file: Path = FILE) -> Prices:
    """The prices of a region. An instance type that is not among them cannot be used: its jobs could not be
    paid for.

    Raises KeyError for a region that the table lacks.
    """
    entry = json.loads(file.read_text())["regions"][region]
    rates = Rates(gp3_gib_month=entry["gp3_gib_month"], ipv4_hour=entry["ipv4_hour"])
    return Prices(entry["date"], entry["source"], region, entry["usd_per_hour"], rates)
