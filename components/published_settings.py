"""The document that tells the users of an analysis what it is (neurocaas.protocol.published_settings)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from blueprints.machine_kinds import kind
from blueprints.model import Blueprint
from blueprints.prices import Prices
from components.names import logical
from components.options import child
from components.packaging import CodeArchive
from components.policies.manager import BUDGET_PARAMETERS
from components.settings import larger_types
from neurocaas.protocol.chain import Source
from neurocaas.protocol.need import Need
from neurocaas.protocol.published_settings import About, about_key
from neurocaas.protocol.settings import Image


@dataclass(frozen=True, kw_only=True)
class AboutObjectArgs:
    """What the document names. `bucket`: of the analysis, where it is put. `template_ids`: the launch
    template of each group; `roles`: for each group the ARNs of those
    that reach outside buckets; `sources`: other analyses whose results it may take.
    """

    blueprint: Blueprint
    commit: str | None
    bucket: pulumi.Input[str]
    image: Image
    code: CodeArchive
    prices: Prices
    ledger_table: str
    dead_letter_queue_url: pulumi.Input[str]
    template_ids: Mapping[str, pulumi.Input[str]]
    roles: Mapping[str, Mapping[str, pulumi.Input[str]]]
    sources: Mapping[str, Sequence[Source]]


class AboutObject(pulumi.ComponentResource):
    """`jobs/{group}/analysis.json` in the analysis's bucket, for each group of the blueprint."""

    def __init__(self, name: str, args: AboutObjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:storage:AboutObject", name, {}, opts)
        for group in args.blueprint.groups:
            known = pulumi.Output.all(
                group=group,
                url=args.dead_letter_queue_url,
                template=args.template_ids[group],
                roles=pulumi.Output.all(**args.roles[group]),
            )
            text = known.apply(
                lambda found: render(args, found["group"], found["url"], found["template"], found["roles"])
            )
            aws.s3.BucketObjectv2(
                logical(name, group),
                bucket=args.bucket,
                key=about_key(group),
                content=text,
                content_type="application/json",
                opts=child(self),
            )
        self.register_outputs({})


def render(
    args: AboutObjectArgs,
    group: str,
    dead_letter_queue_url: str,
    template_id: str,
    roles: Mapping[str, str],
) -> str:
    """The document's text for one group: the same analysis gives the same bytes. Of outside buckets it names
    those that the group may use."""
    blueprint, instance = args.blueprint, args.blueprint.instance
    outside = tuple(
        replace(one, groups=()) for one in blueprint.outside_buckets if not one.groups or group in one.groups
    )
    return About(
        analysis=blueprint.name,
        stage=blueprint.stage.value,
        title=blueprint.title,
        instance_type=instance.type,
        instance_types=instance.types,
        fallback_types=instance.fallback,
        prices=args.prices.usd_per_hour,
        prices_date=args.prices.date,
        duration_minutes=instance.duration_minutes,
        max_datasets=blueprint.limits.datasets,
        budget_usd=blueprint.budget_usd,
        budget_parameters=BUDGET_PARAMETERS,
        image_id=args.image.id,
        code_sha256=args.code.sha256,
        script=f"{blueprint.name}/{blueprint.script}",
        blueprint_commit=args.commit,
        compare=blueprint.compare,
        launch_template_id=template_id,
        folder=blueprint.data.folder,
        ignore=blueprint.data.ignore,
        oom_types=larger_types(instance, args.prices),
        config=blueprint.config_rules,
        image_ready=args.image.ready,
        rates=args.prices.rates,
        disk=blueprint.disk_rules,
        need=instance.need,
        input_addresses=blueprint.input_addresses,
        sources=tuple(args.sources[group]),
        tells_spending=True,
        machines={
            name: Need(one.vcpu, one.gib, one.gpus)
            for name in args.prices.usd_per_hour
            if (one := kind(name)) is not None
        },
        description=blueprint.description,
        dataset_description=blueprint.dataset_description,
        dataset_example=blueprint.dataset_example,
        outside_buckets=outside,
        outside_roles=dict(roles) if outside else {},
        ledger_table=args.ledger_table,
        dead_letter_queue_url=dead_letter_queue_url,
    ).to_json()
