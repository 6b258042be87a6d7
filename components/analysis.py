"""The stack of one analysis in one stage: from the bucket that people write to, to the machines that
compute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pulumi
import pulumi_aws as aws

from blueprints.model import Blueprint
from blueprints.parents import ParentImage
from blueprints.prices import Prices
from blueprints.provision import Provision
from components.alarms import AlarmSet, WatchArgs
from components.artifacts import SHARED_TAGS
from components.image import ImagePipeline, ImagePipelineArgs
from components.index import IndexEntries, IndexEntriesArgs
from components.machines import GroupMachines, GroupMachinesArgs
from components.manager import Manager, ManagerArgs
from components.names import logical
from components.options import child
from components.outputs import SCHEMA_VERSION, AnalysisOutputs, UtilsOutputs
from components.packaging import CodeArchive, file_asset, lambda_archive
from components.people import AnalystGroup, AnalystGroupArgs
from components.place import Place
from components.policies import outside
from components.published_settings import AboutObject, AboutObjectArgs
from components.queue import WorkQueue, WorkQueueArgs
from components.settings import SettingsObject, SettingsObjectArgs, settings_key
from components.start_images import RootDevices
from components.storage import AnalysisBucket, AnalysisBucketArgs
from neurocaas.protocol import limits, linking
from neurocaas.protocol.chain import Source
from neurocaas.protocol.keys import RESULTS
from neurocaas.protocol.settings import CLOSED, Image, Subnet
from neurocaas.protocol.tags import ANALYSIS_TAG, STACK_TAG


@dataclass(frozen=True, kw_only=True)
class AnalysisStackArgs:
    """`blueprint`: what the analysis is. `utils`: outputs of the stack `utils`. `provision`: its recording,
    None without scripts. `parent`: what `image.parent` stands for. `root_devices`: what the images call their
    root volumes. `code`, `prices`: as resolved on this machine. `commit`: of the blueprint. `log_days`: days
    that logs are kept. `known_groups`: those of the blueprint's groups whose people `utils` has made, from
    groups.yaml, and the IAM group of each. `sources`: what `takes_from` means, each with its groups."""

    place: Place
    blueprint: Blueprint
    utils: UtilsOutputs
    provision: Provision | None
    parent: ParentImage
    root_devices: RootDevices
    code: CodeArchive
    prices: Prices
    commit: str | None
    log_days: int = 30
    known_groups: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[Source, frozenset[str]]] = field(default_factory=dict)


class AnalysisStack(pulumi.ComponentResource):
    """Bucket, queue, manager, machines of each group, image pipeline, analysts' groups, alarms."""

    outputs: dict[str, Any]
    """The values of AnalysisOutputs, by name."""

    def __init__(
        self, name: str, args: AnalysisStackArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:analysis:AnalysisStack", name, {}, opts)
        self._name, self._args, self._below = name, args, child(self)
        blueprint, place, utils = args.blueprint, args.place, args.utils
        artifact_bucket, topic = utils.artifact_bucket, utils.topic_arn
        queue = WorkQueue(
            f"{name}-submissions",
            WorkQueueArgs(
                consumer_timeout_seconds=limits.MANAGER_TIMEOUT,
                # The pause between two attempts to launch while AWS has no capacity, hence short.
                visibility_seconds=limits.QUEUE_VISIBILITY,
                attempts=limits.QUEUE_MAX_RECEIVES,
                topic_arn=topic,
            ),
            opts=self._below,
        )
        code = aws.s3.BucketObjectv2(
            f"{name}-code",
            bucket=artifact_bucket,
            key=args.code.key,
            source=file_asset(args.code.path),
            content_type="application/gzip",
            tags=SHARED_TAGS,
            # Named by its content: machines that are starting, other stages and later reruns may still ask
            # for the old one.
            opts=child(self, retain_on_delete=True),
        )
        admitted = self._admit_monitor()
        machines = self._machines()
        pipeline = self._pipeline()
        image = self._image(pipeline)
        settings = SettingsObject(
            f"{name}-settings",
            SettingsObjectArgs(
                place=place,
                blueprint=blueprint,
                commit=args.commit,
                bucket=blueprint.bucket,
                artifact_bucket=artifact_bucket,
                machines=machines,
                image=image,
                code=args.code,
                prices=args.prices,
                ledger_table=utils.ledger_table,
                queue_url=queue.url,
                topic_arn=topic,
                subnets=self._subnets,
                sources=[source for source, _ in args.sources.values()],
            ),
            opts=child(self, depends_on=[code]),
        )
        manager = Manager(
            f"{name}-manager",
            ManagerArgs(
                place=place,
                stack=blueprint.stack,
                analysis=blueprint.name,
                code=lambda_archive(blueprint.root, "manager", with_yaml=True),
                queue=queue,
                bucket=blueprint.bucket,
                artifact_bucket=artifact_bucket,
                settings_key=settings.key,
                settings_sha256=settings.sha256,
                settings=settings.object,
                boundary_arn=utils.permissions_boundary_arn,
                ledger_arn=utils.ledger_table_arn,
                topic_arn=topic,
                topic_key_arn=utils.kms_key_arn,
                instance_types=blueprint.instance.types,
                max_minutes=blueprint.instance.max_duration_minutes,
                outside_buckets=blueprint.outside_buckets,
                sources=[source for source, _ in args.sources.values()],
                image_parameter=None if self._baked else args.parent.parameter,
                subnets=[subnet.id for subnet in self._subnets],
                log_days=args.log_days,
            ),
            opts=self._below,
        )
        watch = AlarmSet(
            name,
            WatchArgs(
                function_name=manager.function_name,
                topic_arn=topic,
            ),
            opts=self._below,
        )
        people = {
            group: AnalystGroup(
                logical(name, group, "analysts"),
                AnalystGroupArgs(place=place, group=group, bucket=blueprint.bucket),
                opts=self._below,
            )
            for group in blueprint.groups
            if group not in args.known_groups
        }
        analysts: dict[str, pulumi.Input[str]] = {
            **args.known_groups,
            **{group: made.name for group, made in people.items()},
        }
        # Whatever else there is comes first, and so goes last: a destroy begins with the bucket, and ends
        # there while it has users' data.
        bucket = AnalysisBucket(
            f"{name}-data",
            AnalysisBucketArgs(
                place=place,
                bucket=blueprint.bucket,
                stage=blueprint.stage,
                groups=blueprint.groups,
                queue=queue,
                monitor_role_arn=utils.monitor_role_arn,
                writer_role_arn=utils.monitor_writer_role_arn,
                developer_role_arn=utils.developer_role_arn,
                after=[
                    *(queue, settings, manager, watch, *admitted),
                    *machines.values(),
                    *people.values(),
                    *([pipeline] if pipeline else []),
                ],
            ),
            opts=self._below,
        )
        AboutObject(
            f"{name}-about",
            AboutObjectArgs(
                blueprint=blueprint,
                commit=args.commit,
                bucket=bucket.name,
                image=image,
                code=args.code,
                prices=args.prices,
                ledger_table=utils.ledger_table,
                dead_letter_queue_url=queue.dead_letter_url,
                template_ids={group: machines[group].template_id for group in blueprint.groups},
                roles={
                    group: {
                        linking.MANAGER: manager.role_arn,
                        linking.MACHINE: machines[group].role_arn,
                        linking.WRITER: utils.monitor_writer_role_arn,
                    }
                    for group in blueprint.groups
                },
                sources={group: self._sources(group) for group in blueprint.groups},
            ),
            opts=child(self, depends_on=[bucket]),
        )
        IndexEntries(
            f"{name}-index",
            IndexEntriesArgs(place=place, blueprint=blueprint, bucket=bucket.name),
            opts=self._below,
        )
        self.outputs = {
            "schema_version": SCHEMA_VERSION,
            "kind": "analysis",
            "analysis": blueprint.name,
            "stage": blueprint.stage.value,
            "account": place.account,
            "region": place.region,
            "bucket": bucket.name,
            "groups": {group: _group_outputs(machines[group], analysts[group]) for group in blueprint.groups},
            "manager_function": manager.function_name,
            "manager_role_arn": manager.role_arn,
            "manager_log_group": manager.log_group_name,
            "submission_queue_url": queue.url,
            "dead_letter_queue_url": queue.dead_letter_url,
            "image_id": image.id,
            "image_ready": image.ready,
            "image_pipeline_arn": pipeline.pipeline_arn if pipeline else None,
            "image_recipe_arn": pipeline.recipe_arn if pipeline else None,
            "image_recipe_sha256": image.recipe_sha256,
            "settings_bucket": artifact_bucket,
            "settings_key": settings.key,
            "code_sha256": args.code.sha256,
            "script": f"{blueprint.name}/{blueprint.script}",
            "blueprint_digest": blueprint.digest,
            "prices": args.prices.usd_per_hour,
        }
        assert set(self.outputs) == {field.name for field in fields(AnalysisOutputs)}
        self.register_outputs(self.outputs)

    def _sources(self, group: str) -> list[Source]:
        """The other analyses whose results the group may take: those that are the group's as well."""
        return [source for source, groups in self._args.sources.values() if group in groups]

    @property
    def _baked(self) -> str | None:
        return self._args.blueprint.image.baked(self._args.place.account, self._args.place.region)

    @property
    def _closed(self) -> bool:
        return self._args.blueprint.network == CLOSED

    @property
    def _subnets(self) -> Sequence[Subnet]:
        """Where machines of jobs may be; none: anywhere in the default network. Images are baked in the open
        ones, since that needs packages."""
        utils = self._args.utils
        return (utils.closed_subnets if self._closed else utils.subnets) or ()

    @property
    def _security_group_id(self) -> str:
        utils = self._args.utils
        closed = utils.closed_security_group_id if self._closed else None
        return closed or utils.security_group_id

    def _admit_monitor(self) -> list[pulumi.Resource]:
        """Let the monitor's writer, which the stack `utils` has made, write to the outside buckets that take
        results.
        """
        buckets = [one for one in self._args.blueprint.outside_buckets if RESULTS in one.use]
        if not buckets:
            return []
        return [
            aws.iam.RolePolicy(
                f"{self._name}-monitor",
                role=self._args.utils.monitor_writer_role_arn.rpartition("/")[2],
                policy=json.dumps(outside.monitor(self._args.place, buckets), sort_keys=True),
                opts=self._below,
            )
        ]

    def _image(self, pipeline: ImagePipeline | None) -> Image:
        """The baked image of this account and region, else the parent, which will do only where no image is
        required.
        """
        image = self._args.blueprint.image
        return Image(
            id=self._baked or self._args.parent.for_launch_template,
            ready=self._baked is not None or not image.required,
            recipe_sha256=pipeline.recipe_sha256 if pipeline else None,
            root_device=self._args.root_devices.machines,
        )

    def _machines(self) -> Mapping[str, GroupMachines]:
        args, utils = self._args, self._args.utils
        instance = args.blueprint.instance
        return {
            group: GroupMachines(
                logical(self._name, group, "machine"),
                GroupMachinesArgs(
                    place=args.place,
                    stack=args.blueprint.stack,
                    analysis=args.blueprint.name,
                    group=group,
                    bucket=args.blueprint.bucket,
                    artifact_bucket=utils.artifact_bucket,
                    boundary_arn=utils.permissions_boundary_arn,
                    security_group_id=self._security_group_id,
                    key_name=utils.key_pair_name,
                    image_id=self._baked or args.parent.for_launch_template,
                    root_device=args.root_devices.machines,
                    instance_type=instance.type,
                    volume_gib=instance.volume_gib,
                    outside_buckets=args.blueprint.outside_buckets,
                    secrets=args.blueprint.secrets,
                    kms_key_arn=utils.kms_key_arn,
                    sources=self._sources(group),
                    held=args.blueprint.runs.hold_minutes > 0,
                ),
                opts=self._below,
            )
            for group in args.blueprint.groups
        }

    def _pipeline(self) -> ImagePipeline | None:
        args, utils = self._args, self._args.utils
        if args.provision is None:
            return None
        blueprint = args.blueprint
        return ImagePipeline(
            f"{self._name}-image",
            ImagePipelineArgs(
                analysis=blueprint.name,
                region=args.place.region,
                provision=args.provision,
                parent=args.parent.for_image_builder,
                volume_gib=blueprint.instance.volume_gib,
                root_device=args.root_devices.parent,
                instance_type=blueprint.instance.type,
                instance_profile=utils.image_builder_instance_profile,
                security_group_id=utils.security_group_id,
                subnet_id=utils.subnets[0].id if utils.subnets else None,
                artifact_bucket=utils.artifact_bucket,
                settings_key=settings_key(blueprint),
                log_bucket=utils.log_bucket,
                lifecycle_role_arn=utils.lifecycle_role_arn,
                tags={ANALYSIS_TAG: blueprint.name, STACK_TAG: blueprint.stack},
                build_dir=blueprint.root / "build",
                log_days=args.log_days,
            ),
            opts=self._below,
        )


def _group_outputs(machines: GroupMachines, analyst_group: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    return {
        "launch_template_id": machines.template_id,
        "launch_template_version": machines.template_version,
        "instance_role": machines.role_name,
        "analyst_group": analyst_group,
    }
