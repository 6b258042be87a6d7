"""What an analysis tells the index of analyses (`neurocaas.protocol.analyses`)."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from blueprints.model import Blueprint
from components.names import logical
from components.options import child
from components.place import Place
from neurocaas.protocol.analyses import DeployedAnalysis, parameter


@dataclass(frozen=True, kw_only=True)
class IndexEntriesArgs:
    """`blueprint`: with all groups that use it. `bucket`: of the analysis."""

    place: Place
    blueprint: Blueprint
    bucket: pulumi.Input[str]


class IndexEntries(pulumi.ComponentResource):
    """A parameter for each group, which its members may read: where the analysis is."""

    def __init__(self, name: str, args: IndexEntriesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:IndexEntries", name, {}, opts)
        blueprint, place = args.blueprint, args.place

        def text(bucket: str) -> str:
            return DeployedAnalysis(
                blueprint.name, blueprint.stage.value, bucket, place.account, place.region, blueprint.title
            ).to_json()

        for group in blueprint.groups:
            aws.ssm.Parameter(
                logical(name, group),
                name=parameter(group, blueprint.name, blueprint.stage.value),
                type="String",
                insecure_value=pulumi.Output.from_input(args.bucket).apply(text),  # told to all of the group
                description=f"Where {group} finds {blueprint.name}",
                opts=child(self),
            )
        self.register_outputs({})
