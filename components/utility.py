"""The stack `utils`: what all analyses share."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pulumi

from blueprints.base import Base, parent_of
from blueprints.groups import Directory
from blueprints.model import UTILS
from blueprints.provision import Provision
from components import audit
from components.artifacts import SharedBuckets, SharedBucketsArgs
from components.boundary import RoleBoundary, RoleBoundaryArgs
from components.builders import ImageRoles, ImageRolesArgs
from components.catalogue import Catalogue, CatalogueArgs
from components.dashboard import DashboardArgs, ServiceDashboard
from components.developers import DeveloperMachines, DeveloperMachinesArgs
from components.directory import People, PeopleArgs
from components.encryption import EncryptionKey, EncryptionKeyArgs
from components.image import ImagePipeline, ImagePipelineArgs
from components.keys import DeveloperKey, DeveloperKeyArgs
from components.ledger import Ledger, LedgerArgs
from components.monitor import Monitor, MonitorArgs
from components.network import ClosedNetwork, ClosedNetworkArgs, MachineNetwork, MachineNetworkArgs
from components.notifications import Notices, NoticesArgs
from components.options import child
from components.outputs import SCHEMA_VERSION, UtilsOutputs
from components.packaging import lambda_archive
from components.place import Place
from components.policies import resources
from components.vpc import MachinePlace, NetworkChoice
from neurocaas.protocol import keys
from neurocaas.protocol.settings import ROOT_DEVICE
from neurocaas.protocol.tags import ANALYSIS_TAG, STACK_TAG


@dataclass(frozen=True, kw_only=True)
class UtilityStackArgs:
    """`root`: the project's folder. `protect`: keep data on destroy. `log_days`: days that logs are kept.
    `developer_cidrs`: address ranges that may reach port 22. `catalogue`: make the public bucket of published
    analyses.
    `network`: where machines are.
    `audited`: buckets whose every read and write is recorded; none: no trail is made. `directory`: of
    groups.yaml.
    `buckets`: that its groups may use. `base`, `provision`: the project's base image and its scripts, None
    without. `root_device`: of the base image's parent."""

    place: Place
    root: Path
    directory: Directory = field(default_factory=Directory)
    buckets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    base: Base | None = None
    provision: Provision | None = None
    root_device: str = ROOT_DEVICE
    protect: bool = False
    log_days: int = 30
    developer_cidrs: Sequence[str] = ()
    catalogue: bool = False
    network: NetworkChoice = field(default_factory=NetworkChoice)
    audited: Sequence[str] = ()


class UtilityStack(pulumi.ComponentResource):
    """Key pair, encryption key, boundary, buckets, ledger, notices, network, monitor, roles of baking,
    pipeline of the base image.
    """

    outputs: dict[str, Any]
    """The values of UtilsOutputs, by name."""

    def __init__(self, name: str, args: UtilityStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:utils:UtilityStack", name, {}, opts)
        place, below = args.place, child(self)
        key = EncryptionKey(f"{name}-key", EncryptionKeyArgs(place=place), opts=below)
        boundary = RoleBoundary(f"{name}-boundary", RoleBoundaryArgs(place=place), opts=below)
        developers = DeveloperKey(
            f"{name}-developers", DeveloperKeyArgs(place=place, kms_key_id=key.arn), opts=below
        )
        at = MachinePlace.of(name, args.network, place, below)
        network = MachineNetwork(f"{name}-machines", MachineNetworkArgs(vpc_id=at.vpc_id), opts=below)
        closed = (
            ClosedNetwork(
                f"{name}-closed",
                ClosedNetworkArgs(vpc_id=at.vpc_id, prefix_list=at.closed.s3_prefix_list),
                opts=below,
            )
            if at.vpc_id is not None and at.closed
            else None
        )
        lets_in = functools.partial(
            resources.trail_writes, place, folder=audit.FOLDER, trail_arn=audit.trail_arn(place)
        )
        shared = SharedBucketsArgs(
            place=place, protect=args.protect, log_statements=lets_in if args.audited else None
        )
        buckets = SharedBuckets(name, shared, opts=below)
        if args.audited:
            audit.DataTrail(
                f"{name}-data",
                audit.DataTrailArgs(place=place, logs=buckets.logs, buckets=args.audited),
                opts=below,
            )
        dev = DeveloperMachines(
            f"{name}-dev",
            DeveloperMachinesArgs(
                place=place,
                boundary_arn=boundary.arn,
                artifact_bucket=buckets.artifacts.name,
                cidrs=args.developer_cidrs,
                vpc_id=at.vpc_id,
            ),
            opts=below,
        )
        ledger = Ledger(f"{name}-ledger", LedgerArgs(protect=args.protect), opts=below)
        notices = Notices(
            f"{name}-notices",
            NoticesArgs(
                place=place,
                kms_key_arn=key.arn,
                artifacts=buckets.artifacts,
                notify={group.name: group.notify for group in args.directory.groups.values()},
            ),
            opts=below,
        )
        image_roles = ImageRoles(
            name,
            ImageRolesArgs(
                place=place,
                boundary_arn=boundary.arn,
                artifact_bucket=buckets.artifacts.name,
                log_bucket=buckets.logs.name,
            ),
            opts=below,
        )
        pipeline = (
            ImagePipeline(
                f"{name}-base",
                ImagePipelineArgs(
                    analysis=args.base.name,
                    region=place.region,
                    provision=args.provision,
                    parent=parent_of(args.base, place.account, place.region).for_image_builder,
                    volume_gib=args.base.volume_gib,
                    root_device=args.root_device,
                    instance_type=args.base.instance_type,
                    instance_profile=image_roles.profile_name,
                    security_group_id=network.security_group_id,
                    subnet_id=at.subnets[0]["id"] if at.subnets else None,
                    artifact_bucket=buckets.artifacts.name,
                    log_bucket=buckets.logs.name,
                    lifecycle_role_arn=image_roles.lifecycle_role_arn,
                    lifecycle_ready=[image_roles.lifecycle_ready],
                    tags={ANALYSIS_TAG: args.base.name, STACK_TAG: UTILS},
                    build_dir=args.root / "build",
                    log_days=args.log_days,
                ),
                opts=below,
            )
            if args.base and args.provision
            else None
        )
        catalogue = (
            Catalogue(f"{name}-catalogue", CatalogueArgs(place=place), opts=below) if args.catalogue else None
        )
        people = People(
            f"{name}-people",
            PeopleArgs(
                place=place, directory=args.directory, buckets=args.buckets, boundary_arn=boundary.arn
            ),
            opts=below,
        )
        monitor = Monitor(
            f"{name}-monitor",
            MonitorArgs(
                place=place,
                code=lambda_archive(args.root, "monitor"),
                boundary_arn=boundary.arn,
                artifact_bucket=buckets.artifacts.name,
                ledger=ledger,
                topic_arn=notices.topic_arn,
                topic_key_arn=key.arn,
                log_days=args.log_days,
            ),
            opts=below,
        )
        ServiceDashboard(
            f"{name}-dashboard",
            DashboardArgs(place=place, log_group_name=monitor.log_group_name),
            opts=below,
        )
        self.outputs = {
            "schema_version": SCHEMA_VERSION,
            "kind": "utils",
            "account": place.account,
            "region": place.region,
            "artifact_bucket": buckets.artifacts.name,
            "log_bucket": buckets.logs.name,
            "kms_key_arn": key.arn,
            "key_pair_name": developers.key_name,
            "private_key_parameter": developers.parameter_name,
            "security_group_id": network.security_group_id,
            "security_group_name": network.security_group_name,
            "developer_instance_profile": dev.profile_name,
            "developer_role_arn": dev.role_arn,
            "developer_security_group_id": dev.security_group_id,
            "developer_security_group_name": dev.security_group_name,
            "permissions_boundary_arn": boundary.arn,
            "monitor_function": monitor.function_name,
            "sweep_function": monitor.sweep_function_name,
            "monitor_role_arn": monitor.role_arn,
            "monitor_writer_role_arn": monitor.writer_role_arn,
            "monitor_log_group": monitor.log_group_name,
            "events_queue_url": monitor.queue.url,
            "events_dead_letter_queue_url": monitor.queue.dead_letter_url,
            "topic_arn": notices.topic_arn,
            "ledger_table": ledger.name,
            "ledger_table_arn": ledger.arn,
            "image_builder_instance_profile": image_roles.profile_name,
            "image_builder_role": image_roles.build_role_name,
            "lifecycle_role_arn": image_roles.lifecycle_role_arn,
            "image_pipeline_arn": pipeline.pipeline_arn if pipeline else None,
            "image_recipe_arn": pipeline.recipe_arn if pipeline else None,
            "image_recipe_sha256": pipeline.recipe_sha256 if pipeline else None,
            "vpc_id": at.vpc_id,
            "subnets": at.subnets or None,
            "closed_security_group_id": closed.security_group_id if closed else None,
            "closed_subnets": at.closed.subnets if at.closed else None,
            "groups": people.outputs,
            "catalogue_bucket": catalogue.bucket if catalogue else None,
            "catalogue_url": catalogue.url if catalogue else None,
            "input_directory": keys.INPUTS,
            "output_directory": keys.RESULTS,
            "log_directory": keys.ACTIVE_PREFIX.split("/")[0],
            "config_directory": keys.CONFIGS,
            "submission_directory": keys.SUBMISSIONS,
        }
        assert set(self.outputs) == {field.name for field in fields(UtilsOutputs)}
        self.register_outputs(self.outputs)
