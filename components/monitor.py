"""The monitor: every change of a machine's state, and a sweep every few minutes, end in one set of code,
which writes to buckets by a role of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.alarms import errors_alarm
from components.function import WorkerFunction, WorkerFunctionArgs
from components.ledger import Ledger
from components.options import child
from components.place import Place
from components.policies import monitor, resources
from components.policies.document import rendered
from components.queue import WorkQueue, WorkQueueArgs
from components.role import BoundedRole, BoundedRoleArgs
from neurocaas.protocol import limits, owner

MACHINE_STATES = ("running", "stopped", "shutting-down", "terminated")
BATCH = 10


@dataclass(frozen=True, kw_only=True)
class MonitorArgs:
    """`code`: files of the function. `artifact_bucket`: where the settings of all analyses lie."""

    place: Place
    code: pulumi.Archive
    boundary_arn: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    ledger: Ledger
    topic_arn: pulumi.Input[str]
    topic_key_arn: pulumi.Input[str]
    log_days: int = 30


class Monitor(pulumi.ComponentResource):
    """EventBridge rule -> queue -> function for events; EventBridge schedule -> function for the sweep.
    `writer_role_arn`: of the role that it takes to write, to which the stacks of analyses give the
    buckets."""

    def __init__(self, name: str, args: MonitorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:compute:Monitor", name, {}, opts)
        queue = WorkQueue(
            name,
            WorkQueueArgs(consumer_timeout_seconds=limits.MONITOR_TIMEOUT, topic_arn=args.topic_arn),
            opts=child(self),
        )
        states = aws.cloudwatch.EventRule(
            name,
            description="State changes of machines",
            state="ENABLED",  # said, so that a deploy puts back what was switched off by hand
            event_pattern=json.dumps(
                {
                    "source": ["aws.ec2"],
                    "detail-type": ["EC2 Instance State-change Notification"],
                    "detail": {"state": list(MACHINE_STATES)},
                },
                sort_keys=True,
            ),
            opts=child(self),
        )
        admitted = queue.admit(
            rendered(
                lambda queue_arn, rule_arn: resources.queue_from_rule(
                    args.place, queue_arn=queue_arn, rule_arns=[rule_arn]
                ),
                queue_arn=queue.arn,
                rule_arn=states.arn,
            )
        )
        worker = WorkerFunction(
            name,
            WorkerFunctionArgs(
                place=args.place,
                handler="runtime.monitor.handler.handler",
                code=args.code,
                boundary_arn=args.boundary_arn,
                description="Closes datasets and jobs as machines end",
                log_name=name,
                timeout_seconds=limits.MONITOR_TIMEOUT,
                # the records of moved files of one job, as large as they may be, take about 240
                memory_mib=512,
                log_days=args.log_days,
                environment={
                    "NEUROCAAS_LEDGER_TABLE": args.ledger.name,
                    "NEUROCAAS_TOPIC_ARN": args.topic_arn,
                    "NEUROCAAS_ARTIFACT_BUCKET": args.artifact_bucket,
                    owner.VARIABLE: args.place.account,
                },
            ),
            opts=child(self),
        )
        writer = BoundedRole(
            f"{name}-writer",
            BoundedRoleArgs(
                place=args.place,
                role_arn=worker.role.arn,
                boundary_arn=args.boundary_arn,
                description="Writes of the monitor, for one bucket and one group at a time",
                path=monitor.WRITER_PATH,
            ),
            opts=child(self),
        )
        function = worker.create(
            rendered(
                lambda **inputs: monitor.monitor(args.place, **inputs),
                queue_arn=queue.arn,
                log_group_arn=worker.log_group_arn,
                ledger_arn=args.ledger.arn,
                topic_arn=args.topic_arn,
                topic_key_arn=args.topic_key_arn,
                artifact_bucket=args.artifact_bucket,
                writer_role_arn=writer.arn,
            ),
            {"NEUROCAAS_WRITER_ROLE_ARN": writer.arn},
        )
        mapping = worker.read(queue, batch_size=BATCH)
        aws.cloudwatch.EventTarget(
            name, rule=states.name, arn=queue.arn, opts=child(self, depends_on=[admitted, mapping])
        )
        sweep = worker.sibling(
            f"{name}-sweep",
            "runtime.monitor.handler.sweep",
            "Repairs what events missed",
            timeout_seconds=limits.MONITOR_TIMEOUT,
        )
        schedule = aws.cloudwatch.EventRule(
            f"{name}-sweep",
            description="The monitor's sweep",
            schedule_expression=f"rate({limits.SWEEP_INTERVAL // 60} minutes)",
            state="ENABLED",
            opts=child(self),
        )
        permitted = aws.lambda_.Permission(
            f"{name}-sweep",
            action="lambda:InvokeFunction",
            function=sweep.name,
            principal=args.place.principal("events"),
            source_arn=schedule.arn,
            opts=child(self),
        )
        aws.cloudwatch.EventTarget(
            f"{name}-sweep", rule=schedule.name, arn=sweep.arn, opts=child(self, depends_on=[permitted])
        )
        errors_alarm(
            name, "The monitor failed on a machine's event.", function.name, args.topic_arn, child(self)
        )
        errors_alarm(
            f"{name}-sweep",
            "The sweep failed: what events missed is not repaired.",
            sweep.name,
            args.topic_arn,
            child(self),
        )
        self.function_name, self.role_arn, self.writer_role_arn = function.name, worker.role.arn, writer.arn
        self.sweep_function_name, self.log_group_name, self.queue = sweep.name, worker.log_group_name, queue
        self.register_outputs({"function_name": self.function_name, "queue_url": queue.url})
