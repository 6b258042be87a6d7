"""The manager of an analysis: a function that turns a submission into machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.function import WorkerFunction, WorkerFunctionArgs
from components.machines import machine_path
from components.options import child
from components.place import Place
from components.policies import manager
from components.policies.document import rendered
from components.queue import WorkQueue
from neurocaas.protocol import limits, owner
from neurocaas.protocol.chain import Source
from neurocaas.protocol.outside import OutsideBucket

BATCH = 1
"""One submission a call: a slow one delays no other."""


@dataclass(frozen=True, kw_only=True)
class ManagerArgs:
    """`settings_key`, `settings_sha256`: the settings object in the artifact bucket.
    `instance_types`, `max_minutes`: what machines it may start, and for how long.
    `image_parameter`: the parameter that the launch templates resolve, None when they name an image.
    `subnets`: where machines may be, none for any."""

    place: Place
    stack: str
    analysis: str
    code: pulumi.Archive
    queue: WorkQueue
    bucket: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    settings_key: str
    settings_sha256: pulumi.Input[str]
    settings: pulumi.Resource
    boundary_arn: pulumi.Input[str]
    ledger_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    topic_key_arn: pulumi.Input[str]
    instance_types: Sequence[str]
    max_minutes: int
    image_parameter: str | None
    subnets: Sequence[str] = ()
    outside_buckets: Sequence[OutsideBucket] = ()
    sources: Sequence[Source] = ()
    log_days: int = 30


class Manager(pulumi.ComponentResource):
    """Queue -> function, with the least rights that launching from the stack's own templates needs."""

    function_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: ManagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:compute:Manager", name, {}, opts)
        worker = WorkerFunction(
            name,
            WorkerFunctionArgs(
                place=args.place,
                handler="runtime.manager.handler.handler",
                code=args.code,
                boundary_arn=args.boundary_arn,
                description=f"Turns submissions to {args.analysis} into machines",
                log_name=name,
                timeout_seconds=limits.MANAGER_TIMEOUT,
                log_days=args.log_days,
                environment={
                    "NEUROCAAS_SETTINGS_BUCKET": args.artifact_bucket,
                    "NEUROCAAS_SETTINGS_KEY": args.settings_key,
                    "NEUROCAAS_SETTINGS_SHA256": args.settings_sha256,
                    owner.VARIABLE: args.place.account,
                },
            ),
            opts=child(self),
        )
        policy = rendered(
            lambda **inputs: manager.manager(
                args.place,
                manager.ManagerRights(
                    analysis=args.analysis,
                    stack=args.stack,
                    machine_path=machine_path(args.stack),
                    instance_types=args.instance_types,
                    max_minutes=args.max_minutes,
                    settings_key=args.settings_key,
                    image_parameter=args.image_parameter,
                    subnets=args.subnets,
                    outside_buckets=args.outside_buckets,
                    sources=args.sources,
                    **inputs,
                ),
            ),
            bucket=args.bucket,
            artifact_bucket=args.artifact_bucket,
            queue_arn=args.queue.arn,
            log_group_arn=worker.log_group_arn,
            ledger_arn=args.ledger_arn,
            topic_arn=args.topic_arn,
            topic_key_arn=args.topic_key_arn,
        )
        function = worker.create(policy)
        # Messages wait in the queue until the function can read its settings.
        worker.read(args.queue, batch_size=BATCH, after=[args.settings])
        self.function_name, self.role_arn, self.log_group_name = (
            function.name,
            worker.role.arn,
            worker.log_group_name,
        )
        self.register_outputs({"function_name": self.function_name, "role_arn": self.role_arn})
