"""Quotas of EC2 and EBS that a service of many machines meets: which code stands for which machines.

Codes are those of Service Quotas ("On-Demand Instance quotas" and "Spot Instance quotas" in the EC2 user
guide, "Amazon EBS quotas"); the instances' are counted in virtual CPUs.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class _Quota(NamedTuple):
    """What people call some families of machines, and the codes of their two quotas."""

    name: str
    on_demand: str
    spot: str


_STANDARD = _Quota("Standard", "L-1216C47A", "L-34B43A08")
_G_AND_VT = _Quota("G and VT", "L-DB2E81BA", "L-3819A6DF")
_OTHERS = {
    "inf": _Quota("Inf", "L-1945791B", "L-B5D1601B"),
    "trn": _Quota("Trn", "L-2C3B7624", "L-6B0D517C"),
    "vt": _G_AND_VT,
    "g": _G_AND_VT,
    "p": _Quota("P", "L-417A185B", "L-7212CCBC"),
    "x": _Quota("X", "L-7295265B", "L-E3A00192"),
}
"""By how the letters of a family begin."""

GP3_TIB = "L-7A658B76"
"""Of the service `ebs`: storage for gp3 volumes, in TiB."""


def vcpu_quota(instance_type: str, *, spot: bool = False) -> str:
    """The code of the quota that counts machines of this type."""
    quota = _quota(instance_type)
    return quota.spot if spot else quota.on_demand


def quota_name(instance_type: str, *, spot: bool = False) -> str:
    """What people call it."""
    return f"{'Spot' if spot else 'On-Demand'} {_quota(instance_type).name}"


def _quota(instance_type: str) -> _Quota:
    letters = re.match(r"[a-z]*", instance_type)
    family = letters[0] if letters else ""
    return next((quota for begin, quota in _OTHERS.items() if family.startswith(begin)), _STANDARD)
