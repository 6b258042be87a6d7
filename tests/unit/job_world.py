"""A world for the job path: settings, a bucket with data, a manager, a monitor, and machines that behave as
told.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from neurocaas.protocol import members
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import EvidenceKeys, JobKeys
from neurocaas.protocol.settings import AnalysisSettings, Code, Group, Image, InstanceSettings, Limits
from neurocaas.protocol.status import DatasetStatus
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.dispatch import process
from runtime.manager.events import ObjectCreated
from runtime.monitor.machine import place
from runtime.monitor.sweep import sweep
from runtime.monitor.watch import JobWatch, StateChange
from tests.unit.fake_aws import Clock, FakeAws, ManagerView, MonitorView

BUCKET = "dti"
SUBMISSION = "lab/submissions/a_submit.json"

SETTINGS = AnalysisSettings(
    instance=InstanceSettings(
        type="m5.large",
        types=("m5.large", "m5.xlarge"),
        fallback=("m5.xlarge",),
        duration_minutes=60,
        max_duration_minutes=600,
        volume_gib=16,
    ),
    limits=Limits(dataset_size_gib=100, datasets=500),
    analysis="dti",
    stage="webdev",
    stack="dti-webdev",
    bucket=BUCKET,
    region="us-east-1",
    account="000000000000",
    groups={"lab": Group("lt-1", "1", "AROALAB"), "other": Group("lt-2", "1", "AROAOTHER")},
    prices={"m5.large": 0.096, "m5.xlarge": 0.192},
    prices_date="2026-01-01",
    budget_usd=300.0,
    image=Image("ami-1", True, "f" * 64),
    script="dti/run_dti.sh",
    code=Code("artifacts", "code/x.tar.gz", "a" * 64),
    ledger_table="ledger",
    queue_url="queue",
    topic_arn="arn:aws:sns:us-east-1:000000000000:notices",
    parameters={"type": "object", "properties": {"wait": {"type": "integer", "minimum": 0, "default": 5}}},
    blueprint_commit="abc123",
)


def changed(settings: AnalysisSettings, **changes: Any) -> AnalysisSettings:
    """The settings with other values, of their own or of what the blueprint says (`attempts=2`)."""
    for part in ("instance", "limits", "data"):
        value = getattr(settings, part)
        inner = {one.name: changes.pop(one.name) for one in fields(value) if one.name in changes}
        settings = replace(settings, **{part: replace(value, **inner)})
    return replace(settings, **changes)


class World:
    def __init__(self, settings: AnalysisSettings = SETTINGS) -> None:
        self.settings = settings
        self.clock = Clock()
        self.aws = FakeAws(clock=self.clock)
        self.log: list[str] = []
        self._runs = 0
        self.principal = ""
        """Who puts files into the bucket, as S3 names them: a session of role AROAX or AROAXX."""
        for group in settings.groups:
            text = members.text_of(["AROAX", "AROAXX"], provider=True, most=None, people=())
            self.aws.parameters_[members.people_parameter(group, 1)] = text
        for name in ("a.zip", "b.zip", "c.zip"):
            self.aws.upload(BUCKET, f"lab/inputs/{name}")
        self.aws.upload(BUCKET, "lab/configs/c.json", "{}")

    def submission(self, **fields: Any) -> dict[str, Any]:
        standard = {"dataname": "lab/inputs/a.zip", "configname": "lab/configs/c.json", "timestamp": "t1"}
        return {name: value for name, value in {**standard, **fields}.items() if value is not None}

    def submit(self, body: bytes | dict[str, Any], key: str = SUBMISSION, receives: int = 1) -> Outcome:
        self.aws.upload(BUCKET, key, body if isinstance(body, bytes) else json.dumps(body))
        return self.deliver(key, receives)

    def deliver(self, key: str = SUBMISSION, receives: int = 1) -> Outcome:
        self._runs += 1
        until = self.clock() + timedelta(seconds=121)
        etag = self.aws.etag(BUCKET, key) if (BUCKET, key) in self.aws.objects_ else "gone"
        event = ObjectCreated(BUCKET, key, 1, etag, principal=self.principal)
        delivery = Delivery(event, receives, f"run-{self._runs}", "arn:manager", until)
        return process(ManagerView(self.aws), self.settings, self.clock, delivery)

    def job(self, timestamp: str = "t1", group: str = "lab") -> Job:
        return Job.from_json(self.aws.text(BUCKET, JobKeys.of(group, timestamp).job))

    def job_of(self, instance: str) -> tuple[Job, int]:
        """The job of a machine, and the index of its dataset."""
        where = place(self.aws.ec2[instance])
        assert where is not None
        return self.job(where.job[2], where.job[1]), where.index

    def certificate(self, timestamp: str = "t1") -> str:
        return self.aws.text(BUCKET, JobKeys.of("lab", timestamp).certificate)

    def facts(self, timestamp: str = "t1") -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(
            self.aws.text(BUCKET, JobKeys.of("lab", timestamp).certificate_json)
        )
        return facts

    def end(self, timestamp: str = "t1") -> str | None:
        found = self.aws.objects_.get((BUCKET, JobKeys.of("lab", timestamp).end))
        return found[0].decode() if found else None

    def status(self, index: int, timestamp: str = "t1") -> DatasetStatus:
        return DatasetStatus.from_json(self.aws.text(BUCKET, self.job(timestamp).datasets[index].status_key))

    def report(self, instance: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.aws.text(BUCKET, f"logs/lab/{instance}.json"))
        return report

    # Machines
    # -------------------------------------------------------------------------------------------------------
    def event(self, instance: str, state: str) -> str:
        """Deliver one state-change event to the monitor."""
        change = StateChange(instance, state, self.clock())
        return JobWatch(MonitorView(self.aws), self.clock).changed(change, self.aws.ec2[instance])

    def boot(self, instance: str) -> None:
        self.aws.set_state(instance, "running")
        self.event(instance, "running")

    def write_status(self, instance: str, status: str, **fields: Any) -> None:
        job, index = self.job_of(instance)
        dataset = job.datasets[index]
        written = replace(DatasetStatus(status, dataset.inputpath, instance), **fields)
        self.aws.upload(BUCKET, dataset.status_key, written.to_json())
        self.aws.upload(BUCKET, self.evidence(instance).status, written.to_json())

    def evidence(self, instance: str) -> EvidenceKeys:
        """Where the machine's own word is."""
        return EvidenceKeys(self.job_of(instance)[0].launch_template.role_id, instance)

    def complete(self, instance: str, status: str = "SUCCESS", **fields: Any) -> None:
        """The machine's whole life: boot, final status, shutdown."""
        self.boot(instance)
        self.clock.forward(1800)
        self.write_status(instance, status, **fields)
        for state in ("shutting-down", "terminated"):
            self.aws.set_state(instance, state, reason_code="Client.InstanceInitiatedShutdown")
            self.event(instance, state)

    def die(self, instance: str, code: str = "Server.InternalError", reason: str = "internal error") -> None:
        for state in ("shutting-down", "terminated"):
            self.aws.set_state(instance, state, reason_code=code, reason=reason)
            self.event(instance, state)

    def reclaim(self, instance: str) -> None:
        """AWS takes a spot machine back; the manager hears of what the monitor asks for."""
        before = set(self.aws.objects_)
        self.die(instance, "Server.SpotInstanceTermination", "Spot Instance termination")
        for _, key in sorted(set(self.aws.objects_) - before):
            if key.endswith(".retry"):
                self.deliver(key)

    def sweep(self) -> None:
        sweep(MonitorView(self.aws), self.clock, lambda text, _job: self.log.append(text))
