"""All that a build needs in Image Builder, made in the emulator."""

from __future__ import annotations

import json
import uuid
from typing import Any

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.homes import Client

DOCUMENT = """schemaVersion: 1.0
parameters:
  - Greeting: {type: string, default: hello}
phases:
  - name: build
    steps:
      - name: greet
        action: ExecuteBash
        inputs: {commands: ["echo {{ Greeting }}"]}
"""


class Chain:
    """A component, a recipe, an infrastructure, a distribution and a pipeline with fresh names."""

    def __init__(self, client: Client, cloud: Cloud) -> None:
        self.cloud, self.id = cloud, uuid.uuid4().hex[:10]
        self.ib, iam = client("imagebuilder"), client("iam")
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self.role = iam.create_role(RoleName=self.id, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.create_instance_profile(InstanceProfileName=self.id)
        iam.add_role_to_instance_profile(InstanceProfileName=self.id, RoleName=self.id)
        self.component = self.make_component("1.0.0")
        self.parameter = f"/imagebuilder/{self.id}"
        self.recipe = self.make_recipe(f"ssm:{BASE_IMAGES[0].ssm_parameters[0]}")
        self.infrastructure = self.ib.create_infrastructure_configuration(
            name=self.id, instanceProfileName=self.id, instanceTypes=["m5.xlarge"]
        )["infrastructureConfigurationArn"]
        target = {
            "region": cloud.region,
            "amiDistributionConfiguration": {
                "name": f"{self.id} {{{{ imagebuilder:buildDate }}}} {{{{imagebuilder:buildVersion}}}}"
            },
            "ssmParameterConfigurations": [{"parameterName": self.parameter}],
        }
        self.distribution = self.ib.create_distribution_configuration(name=self.id, distributions=[target])[
            "distributionConfigurationArn"
        ]
        self.pipeline = self.ib.create_image_pipeline(
            name=self.id,
            imageRecipeArn=self.recipe,
            infrastructureConfigurationArn=self.infrastructure,
            distributionConfigurationArn=self.distribution,
        )["imagePipelineArn"]

    def make_component(self, version: str, data: str = DOCUMENT) -> str:
        made = self.ib.create_component(name=self.id, semanticVersion=version, platform="Linux", data=data)
        return str(made["componentBuildVersionArn"])

    def make_recipe(self, parent: str, version: str = "1.0.0") -> str:
        given = {"componentArn": self.component, "parameters": [{"name": "Greeting", "value": ["good day"]}]}
        made = self.ib.create_image_recipe(
            name=self.id,
            semanticVersion=version,
            components=[given],
            parentImage=parent,
            amiTags={"recipe": self.id},
        )
        return str(made["imageRecipeArn"])

    def start(self) -> str:
        return str(
            self.ib.start_image_pipeline_execution(imagePipelineArn=self.pipeline, tags={"t": "1"})[
                "imageBuildVersionArn"
            ]
        )

    def report(self, arn: str, status: str, **more: Any) -> Any:
        return self.cloud.admin(
            "POST", "builds", {"arn": arn, "status": status, "step": None, "log": [], "failure": None, **more}
        )

    def image(self, arn: str) -> dict[str, Any]:
        return dict(self.ib.get_image(imageBuildVersionArn=arn)["image"])

    def work(self, arn: str) -> dict[str, Any] | None:
        builds = self.cloud.admin("GET", "changes?since=0&timeout=0")["builds"]
        return next((build for build in builds if build["arn"] == arn), None)
