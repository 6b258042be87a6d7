"""Machines that EC2 accepts and ends before they run: limits of volumes, and capacity, are often met in this
way and not as an error of RunInstances (EC2 user guide, "Instance terminates immediately").

A machine that ran is none of these, whatever code it ended with: it has been seen running, or has said
something. What never ran costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

from neurocaas.protocol.attempt import CAPACITY
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.status import FAILED, INITIALIZING, DatasetStatus
from runtime.monitor.machine import DatasetVerdict
from runtime.monitor.port import Instance

_LACKING = frozenset(
    {"Client.VolumeLimitExceeded", "Server.InsufficientInstanceCapacity", "Server.InternalError"}
)
"""What may be there a few minutes later."""

_FAULTS = {
    "Client.InternalError": (
        "platform",
        "as a rule the key that encrypts new volumes in the account may not be used for machines; the "
        "administrator allows that in the key's policy (docs/aws.md)",
    ),
    "Client.InvalidSnapshot.NotFound": (
        "image",
        "a snapshot of the machine image is gone; the analysis's developer bakes it again (invoke bake-ami) "
        "and deploys",
    ),
}
"""What stays: the exit class, and what to do."""


def verdict_of_unstarted(
    instance: Instance, status: DatasetStatus, *, seen_running: bool
) -> DatasetVerdict | None:
    """The verdict of a machine that has ended without having run; None for all others."""
    code = instance.reason_code
    if seen_running or status.status != INITIALIZING or not (code in _LACKING or code in _FAULTS):
        return None
    why = f"EC2 ended the machine before it ran ({instance.reason or code})"
    if code in _LACKING:
        return DatasetVerdict(FAILED, f"{why}.", None, CAPACITY)
    exit_class, do = _FAULTS[code]
    return DatasetVerdict(FAILED, f"{why}: {do}.", None, exit_class)


def free(report: ComputeReport) -> ComputeReport:
    """The report of a machine that never ran."""
    return replace(report, price=0.0, spot_price=0.0 if report.spot else None, besides_price=0.0)
