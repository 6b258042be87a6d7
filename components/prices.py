"""Prices of instance types, resolved when a stack is deployed. The table is data with a date; no call asks for prices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Prices:
    """US dollars an hour, on demand, Linux. `date`: when the table was written down (ISO)."""

    date: str
    region: str
    usd_per_hour: dict[str, float]

    def of(self, types: Iterable[str]) -> Prices:
        """The same table with these types only. Raises KeyError for one that it lacks."""
        return Prices(self.date, self.region, {name: self.usd_per_hour[name] for name in sorted(types)})


def table(file: Path = FILE) -> Prices:
    """The table of the project. An instance type that is not in it cannot be used: its jobs could not be paid for."""
    data = json.loads(file.read_text())
    return Prices(data["date"], data["region"], data["usd_per_hour"])
