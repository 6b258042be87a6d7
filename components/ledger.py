"""The table of open jobs and of money: one for all analyses."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child


@dataclass(frozen=True, kw_only=True)
class LedgerArgs:
    """`protect`: neither Pulumi nor DynamoDB lets it go; default false."""

    protect: bool = False


class Ledger(pulumi.ComponentResource):
    """A table with the string keys `pk` and `sk` (see neurocaas.protocol.ledger), paid by request, with
    point-in-time recovery.
    """

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: LedgerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:storage:Ledger", name, {}, opts)
        table = aws.dynamodb.Table(
            name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="pk",
            range_key="sk",
            attributes=[{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
            server_side_encryption={"enabled": True},
            point_in_time_recovery={"enabled": True},
            deletion_protection_enabled=args.protect,
            opts=child(self, protect=args.protect or None),
        )
        self.name, self.arn = table.name, table.arn
        self.register_outputs({"name": self.name, "arn": self.arn})
