"""What an EC2 instance type is: virtual CPUs, memory, GPUs and a list price.

The table is ``instance_types.json`` beside this file (one entry a type, with the date and the source of its
figures). It serves the emulator (``DescribeInstanceTypes``) and the fleet (limits of a sandbox). Pure
standard library.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("instance_types.json")


@dataclass(frozen=True)
class InstanceType:
    """One type. ``memory_mib`` is MiB, ``usd_per_hour`` the on-demand Linux price in us-east-1 on the table's
    date.
    """

    name: str
    vcpu: int
    memory_mib: int
    gpus: int
    usd_per_hour: float

    @property
    def family(self) -> str:
        """``m5`` of ``m5.large``."""
        return self.name.split(".", 1)[0]

    @property
    def burstable(self) -> bool:
        """Whether it has CPU credits."""
        return self.family in ("t2", "t3", "t3a", "t4g")

    @property
    def architecture(self) -> str:
        """``arm64`` for families with a ``g`` behind their generation (EC2 user guide, "Amazon EC2 instance
        type naming conventions"), else ``x86_64``.
        """
        return "arm64" if re.fullmatch(r"[a-z]+\d+[a-z]*g[a-z]*", self.family) else "x86_64"


@dataclass(frozen=True)
class TypeTable:
    """All known types, and where and when the figures were taken."""

    types: dict[str, InstanceType]
    prices_date: str
    prices_source: str
    region: str


@cache
def table() -> TypeTable:
    """Read the table once a process."""
    raw = json.loads(_TABLE.read_text(encoding="utf-8"))
    types = {name: InstanceType(name=name, **values) for name, values in raw["types"].items()}
    return TypeTable(
        types=types, prices_date=raw["prices_date"], prices_source=raw["prices_source"], region=raw["region"]
    )


def instance_type(name: str) -> InstanceType | None:
    """The type called ``name``, or None when the table has no such type."""
    return table().types.get(name)
