"""A Lambda function of the service: its log group, its role, its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.queue import WorkQueue
from components.role import BoundedRole, BoundedRoleArgs

RUNTIME = "python3.12"


@dataclass(frozen=True, kw_only=True)
class WorkerFunctionArgs:
    """`handler`: module and function. `code`: its files. `timeout_seconds` 1 to 900. `memory_mib` 128 to
    10240, default 256.
    `log_days`: days that its log is kept, default 30. `log_name`: the part of the log group's name after
    /aws/lambda/."""

    place: Place
    handler: str
    code: pulumi.Archive
    boundary_arn: pulumi.Input[str]
    description: str
    log_name: str
    timeout_seconds: int
    memory_mib: int = 256
    log_days: int = 30
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.timeout_seconds <= 900:
            raise ValueError(f"timeout_seconds must be 1 to 900, got {self.timeout_seconds}")
        if not 128 <= self.memory_mib <= 10240:
            raise ValueError(f"memory_mib must be 128 to 10240, got {self.memory_mib}")


class WorkerFunction(pulumi.ComponentResource):
    """Log group and role at once; the function itself by `create`, when the role's policy can be written."""

    role: BoundedRole
    log_group_name: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: WorkerFunctionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:compute:WorkerFunction", name, {}, opts)
        self._logical, self._args = name, args
        # Made before the function: Lambda would make it on the first call, without retention.
        logs = aws.cloudwatch.LogGroup(
            name, name=f"/aws/lambda/{args.log_name}", retention_in_days=args.log_days, opts=child(self)
        )
        self.role = BoundedRole(
            name,
            BoundedRoleArgs(
                place=args.place,
                service="lambda",
                boundary_arn=args.boundary_arn,
                description=args.description,
            ),
            opts=child(self),
        )
        self._logs = logs
        self.log_group_name, self.log_group_arn = logs.name, logs.arn
        self.register_outputs({"role_arn": self.role.arn, "log_group": self.log_group_name})

    def create(
        self, policy: pulumi.Input[str], environment: Mapping[str, pulumi.Input[str]] | None = None
    ) -> aws.lambda_.Function:
        """The function, after its permissions: a role without them would fail the first event. `environment`:
        further variables, which may come from what needs the role."""
        self._granted = self.role.attach(policy)
        self._environment = {**self._args.environment, **(environment or {})}
        args = self._args
        self.function = self._function(self._logical, args.handler, args.description, args.timeout_seconds)
        return self.function

    def sibling(
        self, name: str, handler: str, description: str, *, timeout_seconds: int
    ) -> aws.lambda_.Function:
        """Another entry into the same code, with the same role, environment and log. After `create`."""
        return self._function(name, handler, description, timeout_seconds)

    def _function(
        self, name: str, handler: str, description: str, timeout_seconds: int
    ) -> aws.lambda_.Function:
        args = self._args
        return aws.lambda_.Function(
            name,
            description=description,
            role=self.role.arn,
            runtime=RUNTIME,
            architectures=["x86_64"],
            handler=handler,
            code=args.code,
            timeout=timeout_seconds,
            memory_size=args.memory_mib,
            environment={"variables": self._environment},
            logging_config={"log_format": "JSON", "log_group": self.log_group_name},
            opts=child(self, depends_on=[self._granted, self._logs]),
        )

    def read(
        self, queue: WorkQueue, *, batch_size: int, after: Sequence[pulumi.Resource] = ()
    ) -> aws.lambda_.EventSourceMapping:
        """Lets the function take messages of a queue at once (no batching window); failed ones come back one
        by one.
        """
        return aws.lambda_.EventSourceMapping(
            self._logical,
            event_source_arn=queue.arn,
            function_name=self.function.name,
            batch_size=batch_size,
            maximum_batching_window_in_seconds=0,
            function_response_types=["ReportBatchItemFailures"],
            opts=child(self, depends_on=[self._granted, *after]),
        )
