"""A machine that does next to nothing while its script runs is told, once: as an event of its job and by a
notice. Whether it does is the machine's word (`evidence/{machine}/idle.json`): nothing but what people are
told follows from it.

The sweep looks, every five minutes, at machines that have run for IDLE_AFTER: one GET for each, MOST in one
sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.events import tell
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import EvidenceKeys
from neurocaas.protocol.notice import JOB_IDLE, about
from neurocaas.protocol.resources import IDLE_AFTER
from runtime.monitor.port import Instance, MonitorCloud

IDLE = "machine-idle"
"""The event."""

MOST = 500
_MAX_BYTES = 4096


class IdleMachines:
    """What one sweep tells of machines that do nothing."""

    def __init__(self) -> None:
        self._left = MOST

    def tell(
        self, cloud: MonitorCloud, job: Job, index: int, machine: Instance, clock: Callable[[], datetime]
    ) -> bool:
        """Tell of a machine that runs, if it says that it is idle and nobody has told it. `cloud` acts for
        the job's group. True when it was told now."""
        now = clock()
        if now - machine.launched < timedelta(seconds=IDLE_AFTER) or self._left <= 0:
            return False
        self._left -= 1
        key = EvidenceKeys(job.launch_template.role_id, machine.instance_id).idle
        content = cloud.get(job.bucket, key, _MAX_BYTES)
        if content is None:
            return False
        name, since = job.datasets[index].name, _since(content.body, machine.launched, now)
        minutes = int((now - since).total_seconds() // 60)
        text = (
            f"{name}: machine {machine.instance_id} has done next to nothing for {minutes} minutes; it is "
            "paid all the same"
        )
        facts: dict[str, str | int] = {"dataset": name, "instance": machine.instance_id, "minutes": minutes}
        if not tell(cloud, job.id, IDLE, text, now=now, once=machine.instance_id, **facts):
            return False
        cloud.publish(
            f"NeuroCAAS {job.analysis}: a machine of job {job.timestamp} of {job.group} is idle",
            f"{text}. Job {job.timestamp} (group {job.group}, analysis {job.analysis}). It is ended after "
            f"{job.duration_minutes} minutes at the latest; `neurocaas cancel {job.timestamp}` ends it now.",
            about(JOB_IDLE, job.group, job.analysis),
        )
        return True


def _since(raw: bytes, launched: datetime, now: datetime) -> datetime:
    """As the machine says, where that can be: after its start, and at least IDLE_AFTER ago."""
    latest = now - timedelta(seconds=IDLE_AFTER)
    try:
        since = moment(str(loads(raw, "idle.json").get("since")))
    except DocumentError:
        return latest
    return since if launched <= since <= latest else latest
