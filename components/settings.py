"""The document that tells a manager what was deployed (neurocaas.protocol.settings)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from blueprints import memory
from blueprints.model import Blueprint
from blueprints.prices import Prices
from components.machines import GroupMachines
from components.options import child
from components.packaging import CodeArchive
from components.place import Place
from components.policies.manager import BUDGET_PARAMETERS
from neurocaas.protocol.chain import Source
from neurocaas.protocol.settings import CLOSED, Code, Group, Image, InstanceSettings, Subnet


def settings_key(blueprint: Blueprint) -> str:
    """Of the settings object in the artifact bucket."""
    return f"analyses/{blueprint.stack}/settings.json"


@dataclass(frozen=True, kw_only=True)
class SettingsObjectArgs:
    """Everything that the document names. `recipe_sha256`: of the recipe that the image should be of, None
    without scripts.
    """

    place: Place
    blueprint: Blueprint
    commit: str | None
    bucket: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    machines: Mapping[str, GroupMachines]
    image: Image
    code: CodeArchive
    prices: Prices
    ledger_table: pulumi.Input[str]
    queue_url: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    subnets: Sequence[Subnet] = ()
    sources: Sequence[Source] = ()


class SettingsObject(pulumi.ComponentResource):
    """`analyses/<stack>/settings.json` in the artifact bucket, and its SHA-256."""

    key: str
    sha256: pulumi.Output[str]
    object: aws.s3.BucketObjectv2

    def __init__(
        self, name: str, args: SettingsObjectArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:compute:SettingsObject", name, {}, opts)
        self.key = settings_key(args.blueprint)
        text = pulumi.Output.all(
            bucket=args.bucket,
            artifact_bucket=args.artifact_bucket,
            ledger_table=args.ledger_table,
            queue_url=args.queue_url,
            topic_arn=args.topic_arn,
            ids=pulumi.Output.all(
                **{group: machines.template_id for group, machines in args.machines.items()}
            ),
            versions=pulumi.Output.all(
                **{group: machines.template_version for group, machines in args.machines.items()}
            ),
            roles=pulumi.Output.all(**{group: machines.role_id for group, machines in args.machines.items()}),
        ).apply(lambda known: render(args, **known))
        self.object = aws.s3.BucketObjectv2(
            name,
            bucket=args.artifact_bucket,
            key=self.key,
            content=text,
            content_type="application/json",
            opts=child(self),
        )
        self.sha256 = text.apply(lambda known: hashlib.sha256(known.encode()).hexdigest())
        self.register_outputs({"key": self.key, "sha256": self.sha256})


def render(
    args: SettingsObjectArgs,
    *,
    bucket: str,
    artifact_bucket: str,
    ledger_table: str,
    queue_url: str,
    topic_arn: str,
    ids: Mapping[str, str],
    versions: Mapping[str, str],
    roles: Mapping[str, str],
) -> str:
    """The document's text: the same settings give the same bytes."""
    return args.blueprint.settings(
        bucket=bucket,
        region=args.place.region,
        account=args.place.account,
        groups={group: Group(ids[group], versions[group], roles[group]) for group in sorted(ids)},
        prices=args.prices.usd_per_hour,
        prices_date=args.prices.date,
        # closed machines have no public address
        rates=replace(args.prices.rates, ipv4_hour=0.0)
        if args.blueprint.network == CLOSED
        else args.prices.rates,
        budget_parameters=BUDGET_PARAMETERS,
        image=args.image,
        code=Code(artifact_bucket, args.code.key, args.code.sha256),
        ledger_table=ledger_table,
        queue_url=queue_url,
        topic_arn=topic_arn,
        subnets=tuple(args.subnets),
        sources=tuple(args.sources),
        blueprint_commit=args.commit,
        oom_types=larger_types(args.blueprint.instance, args.prices),
    ).to_json()


def larger_types(instance: InstanceSettings, prices: Prices) -> dict[str, tuple[str, ...]]:
    """For each type that a submission may ask for, those on which a dataset that ran out of memory is run
    again.
    """
    if not instance.grow_memory:
        return {}
    return {
        name: memory.larger(name, instance.types, prices.usd_per_hour, instance.fallback)
        for name in sorted(instance.types)
    }
