"""The image pipeline of an analysis, or of the base image. It is declared here; a build is not (`invoke
bake-ami` starts one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from blueprints.provision import Provision
from components.artifacts import SHARED_TAGS
from components.options import child
from components.packaging import file_asset, write_atomically
from image_builder import golden
from image_builder.archive import sha256
from image_builder.pipeline import RECIPE_TAG
from image_builder.recipe import PackedProvision
from neurocaas.protocol.settings import ROOT_DEVICE
from neurocaas.protocol.tags import STACK_TAG


@dataclass(frozen=True, kw_only=True)
class ImagePipelineArgs:
    """What an image is made of and where.

    `parent`: as Image Builder takes it (AMI id, `ssm:<parameter>`). `volume_gib`: root volume, the size that
    machines start with at least; `root_device`: what the parent calls it. `instance_type`: of the machine
    that builds. `subnet_id`: where it runs, None for the default network. `settings_key`: of the stack's
    settings in the artifact bucket, for golden tests. `lifecycle_ready`: what must be there before the
    lifecycle role can be used. `tags`: of the images that come out. `build_dir`: where a large recording is
    packed. `log_days`: days that build logs are kept."""

    analysis: str
    region: str
    provision: Provision
    parent: str
    volume_gib: int
    root_device: str = ROOT_DEVICE
    instance_type: str
    instance_profile: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str] | None = None
    artifact_bucket: pulumi.Input[str]
    settings_key: str = "settings.json"
    log_bucket: pulumi.Input[str]
    lifecycle_role_arn: pulumi.Input[str]
    lifecycle_ready: Sequence[pulumi.Resource] = ()
    tags: dict[str, str]
    build_dir: Path
    log_days: int = 30


class ImagePipeline(pulumi.ComponentResource):
    """Component documents, recipe, infrastructure, distribution, pipeline, log group, lifecycle policy.

    Components and recipes never change, so an edit of a script replaces them. They have Pulumi's names and
    its order (new ones, then the pipeline, then the old ones go); with fixed names AWS refuses to delete what
    the pipeline still points at.
    """

    pipeline_arn: pulumi.Output[str]
    recipe_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ImagePipelineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:image:ImagePipeline", name, {}, opts)
        recording = PackedProvision.of(args.provision)
        scripts: list[pulumi.Resource] = []
        if recording.archive is not None:
            packed = args.build_dir / "provision" / f"{recording.archive_sha256}.tar.gz"
            if not packed.is_file():
                write_atomically(packed, recording.archive)
            scripts.append(
                aws.s3.BucketObjectv2(
                    f"{name}-provision",
                    bucket=args.artifact_bucket,
                    key=recording.key,
                    source=file_asset(packed),
                    content_type="application/gzip",
                    tags=SHARED_TAGS,
                    # Named by its content, hence the same object for every stage of the analysis.
                    opts=child(self, retain_on_delete=True),
                )
            )
        if recording.golden is not None:
            test = args.build_dir / "golden" / f"{sha256(recording.golden)}.tar.gz"
            if not test.is_file():
                write_atomically(test, recording.golden)
            aws.s3.BucketObjectv2(
                f"{name}-golden",
                bucket=args.artifact_bucket,
                key=golden.key_beside(args.settings_key),
                source=file_asset(test),
                content_type="application/gzip",
                opts=child(self),
            )
        self.recipe_sha256 = recording.recipe(args.analysis, args.parent, args.volume_gib).sha256
        tags = {**args.tags, RECIPE_TAG: self.recipe_sha256}
        recipe = self._recipe(name, args, recording, tags, scripts)
        infrastructure = aws.imagebuilder.InfrastructureConfiguration(
            name,
            description=f"Where images of {args.analysis} are built",
            instance_profile_name=args.instance_profile,
            instance_types=[args.instance_type],
            security_group_ids=[args.security_group_id],
            subnet_id=args.subnet_id,
            terminate_instance_on_failure=True,
            instance_metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
            logging={
                "s3_logs": {"s3_bucket_name": args.log_bucket, "s3_key_prefix": f"image-builder/{name}"}
            },
            resource_tags=args.tags,
            opts=child(self),
        )
        distribution = aws.imagebuilder.DistributionConfiguration(
            name,
            description=f"Where images of {args.analysis} go",
            distributions=[
                {
                    "region": args.region,
                    "ami_distribution_configuration": {
                        "name": f"{name}-{{{{ imagebuilder:buildDate }}}}",
                        "ami_tags": tags,
                    },
                }
            ],
            opts=child(self),
        )
        # One group for all recipes that come and go, before the first build: Image Builder would make one for
        # each, without retention.
        logs = aws.cloudwatch.LogGroup(
            f"{name}-build",
            name=f"/aws/imagebuilder/{name}",  # below this prefix the service needs no execution role
            retention_in_days=args.log_days,
            opts=child(self),
        )
        pipeline = aws.imagebuilder.ImagePipeline(
            name,
            description=f"Bakes the image of {args.analysis} from blueprints/{args.analysis}/provision",
            image_recipe_arn=recipe.arn,
            infrastructure_configuration_arn=infrastructure.arn,
            distribution_configuration_arn=distribution.arn,
            # The inventory of the SSM agent is slow, and clashes with inventories that an account may have of
            # its own.
            enhanced_image_metadata_enabled=False,
            image_tests_configuration={"image_tests_enabled": True, "timeout_minutes": 60},
            logging_configuration={"image_log_group_name": logs.name},
            opts=child(self),
        )
        aws.imagebuilder.LifecyclePolicy(
            name,
            description=f"Deletes images of {args.analysis} after a year, but for the newest three and those "
            "in use",
            execution_role=args.lifecycle_role_arn,
            resource_type="AMI_IMAGE",
            policy_details=[
                {
                    "action": {"type": "DELETE", "include_resources": {"amis": True, "snapshots": True}},
                    "filter": {"type": "AGE", "value": 365, "unit": "DAYS", "retain_at_least": 3},
                    # An older image that was promoted again is none of the newest three.
                    "exclusion_rules": {"amis": {"last_launched": {"value": 365, "unit": "DAYS"}}},
                }
            ],
            resource_selection={"tag_map": {STACK_TAG: args.tags[STACK_TAG]}},
            opts=child(self, depends_on=args.lifecycle_ready),
        )
        self.pipeline_arn, self.recipe_arn = pipeline.arn, recipe.arn
        self.register_outputs({"pipeline_arn": self.pipeline_arn, "recipe_arn": self.recipe_arn})

    def _recipe(
        self,
        name: str,
        args: ImagePipelineArgs,
        recording: PackedProvision,
        tags: dict[str, str],
        after: Sequence[pulumi.Resource],
    ) -> aws.imagebuilder.ImageRecipe:
        plain = recording.documents(args.analysis, "artifacts")
        components = []
        for number, document in enumerate(plain):

            def data(bucket: str, number: int = number) -> str:
                return recording.documents(args.analysis, bucket, args.settings_key)[number].data

            component = aws.imagebuilder.Component(
                f"{name}-{document.kind}",
                platform="Linux",
                version=document.version,
                description=document.description,
                data=pulumi.Output.from_input(args.artifact_bucket).apply(data)
                if recording.fetches
                else document.data,
                tags={"neurocaas:document": document.sha256},
                opts=child(self, depends_on=after),
            )
            components.append(component)
        return aws.imagebuilder.ImageRecipe(
            name,
            version=recording.recipe(args.analysis, args.parent, args.volume_gib).version,
            description=f"Image of {args.analysis}",
            parent_image=args.parent,
            components=[{"component_arn": component.arn} for component in components],
            block_device_mappings=[
                {
                    "device_name": args.root_device,
                    "ebs": {
                        "volume_size": args.volume_gib,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            working_directory="/tmp",  # noqa: S108  (the service's default; it empties the folder before the snapshot)
            tags=tags,
            opts=child(self),
        )
