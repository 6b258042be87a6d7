"""Another machine for a dataset whose spot machine AWS has taken back, whose machine had not enough memory,
or whose machine EC2 has ended before it ran. The monitor asks for it, by an object among the service's
records (`neurocaas.protocol.attempt`). A request counts only if the job's item in the ledger says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from neurocaas.protocol.attempt import CAPACITY, HOST, MEMORY, AttemptRequest
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId, RetryKey
from neurocaas.protocol.ledger import retry_name
from neurocaas.protocol.limits import CAPACITY_ATTEMPTS, JOB_MAX_BYTES, SUBMISSION_MAX_BYTES
from neurocaas.protocol.settings import AnalysisSettings
from runtime.manager.answer import fail_dataset
from runtime.manager.cancel import read_order
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.launch import Launcher, LaunchResult, options, own_machines, room_for
from runtime.manager.port import ManagerCloud
from runtime.manager.shortfall import NextStep, shortfall


def retry(
    cloud: ManagerCloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Launch the machine of a further attempt; while there is no capacity, wait as long as a submission
    would.
    """
    key = RetryKey.parse(delivery.event.key)
    delivery.notes.timestamp = key.timestamp
    item = JobId(settings.bucket, key.group, key.timestamp)
    keys = item.keys
    if retry_name(key.dataset, key.attempt) not in (cloud.retries(item) or ()):
        return Outcome(0, f"ignored: no open job has asked for {event_name(key)}")
    raw = cloud.get(settings.bucket, keys.job, JOB_MAX_BYTES)
    if raw is None:
        return Outcome(0, "ignored: the job document is gone; the sweep ends the job")
    job = Job.from_json(raw)
    asked = AttemptRequest.from_json(cloud.get(settings.bucket, delivery.event.key, SUBMISSION_MAX_BYTES))
    for machine in own_machines(job, cloud.machines(item)):
        if (machine.dataset, machine.attempt) == (key.dataset, key.attempt):
            return Outcome(0, f"delivered again: {machine.instance_id} is there for {event_name(key)}")
    order = read_order(cloud, settings.bucket, keys)
    if order is not None:
        return _give_up(cloud, settings, job, item, key, order.text, clock())
    if asked.because == CAPACITY and delivery.receives < min(key.attempt, CAPACITY_ATTEMPTS):
        # what was short a moment ago has a little more time after each attempt
        return Outcome(0, f"waiting: {event_name(key)} follows one that EC2 ended at once", again=True)
    if room_for(cloud, settings) == 0:
        result = LaunchResult(next=key.dataset, full=True)
    else:
        launcher = Launcher(cloud, job, delivery.owner_arn, lambda _: None, lambda: delivery.ending(clock()))
        ways = options(job, asked.instance_type if asked.instance_type in job.oom_types else None)
        result = launcher.another(key.dataset, key.attempt, ways)
    if result.machines:
        return Outcome(0, f"launched {result.machines[0].instance_id} for {event_name(key)}")
    short = shortfall(result, job, missing=1)
    if short.then is not NextStep.END and delivery.receives < CAPACITY_ATTEMPTS:
        return Outcome(0, f"waiting: {short.problem.text()}", again=True)
    why = "AWS has taken the spot machine back, and no other was started"
    if asked.because == CAPACITY:
        why = "EC2 has ended its machine before it ran, and no other was started"
    if asked.because == HOST:
        why = "Its machine has failed by AWS's fault, and no other was started"
    if asked.because == MEMORY:
        why = f"Its machine ran out of memory, and no larger one ({asked.instance_type}) was started"
    return _give_up(cloud, settings, job, item, key, f"{why}: {short.problem.text()}", clock())


def event_name(key: RetryKey) -> str:
    return f"attempt {key.attempt} of dataset {key.dataset} of job {key.timestamp}"


def _give_up(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    job: Job,
    item: JobId,
    key: RetryKey,
    reason: str,
    now: datetime,
) -> Outcome:
    fail_dataset(cloud, job, key.dataset, reason, now)
    cloud.give_up(item, key.dataset)
    return Outcome(99, f"gave up {event_name(key)}: {reason}")
