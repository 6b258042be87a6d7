"""Image Builder: components, recipes, configurations, pipelines and lifecycle policies. Every id is an ARN.

Image Builder spells members as Pulumi does, so that most properties pass through as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, ClassVar

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import ProviderError, message
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import changes, without_aws

BUILDER = Shape(capital=False, texts=frozenset({"deleteOnTermination", "encrypted"}))
PROPAGATION_SECONDS = 120.0
"""How long a call is retried while Image Builder does not know a role or an instance profile yet (the real
provider's timeout).
"""


def _too_new(error: BaseException) -> bool:
    return any(
        text in message(error)
        for text in (
            "instance profile does not exist",
            "role does not exist",
            "does not have sufficient permissions",
        )
    )


class _Thing(Handler):
    """What all of Image Builder's resources have in common."""

    kind: ClassVar[str]  # the token
    noun: ClassVar[str]  # in operation names: create_NOUN
    arn_argument: ClassVar[str]  # the ARN's name in arguments and answers
    answer: ClassVar[str]  # the member of a get's answer
    members: ClassVar[tuple[str, ...]]  # properties that pass through
    renamed: ClassVar[dict[str, str]] = {}  # property to the service's name
    outputs: ClassVar[tuple[str, ...]] = ("dateCreated",)

    def arguments(self, inputs: Properties) -> dict[str, Any]:
        """The inputs as the service wants them. Empty ones are left out."""
        types = load().resources[self.kind].inputs
        given = {key: inputs[key] for key in self.members if inputs.get(key) not in (None, "", [], {})}
        return {self.renamed.get(key, key): BUILDER.to_aws(value, types[key]) for key, value in given.items()}

    def properties(self, found: dict[str, Any], state: Properties) -> Properties:
        """The service's answer as properties; what is not set is ``None``."""
        types = load().resources[self.kind].inputs
        result: Properties = {}
        for key in self.members:
            value = found.get(self.renamed.get(key, key))
            result[key] = None if value in (None, "", [], {}) else BUILDER.from_aws(value, types[key])
        return result

    def create(self, call: Call, inputs: Properties) -> str:
        client = call.client("imagebuilder")
        tags = call.all_tags(inputs)
        arguments = {
            **self.arguments(inputs),
            "clientToken": secrets.token_hex(16),
            **({"tags": tags} if tags else {}),
        }
        made = call.retry(
            lambda: getattr(client, f"create_{self.noun}")(**arguments), _too_new, seconds=PROPAGATION_SECONDS
        )
        return str(made[self.arn_argument])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        get = getattr(call.client("imagebuilder"), f"get_{self.noun}")
        found = get(**{self.arn_argument: resource_id}).get(self.answer)
        if not found:
            return None
        outputs = {key: found.get(key) for key in self.outputs}
        return {
            "arn": found["arn"],
            **outputs,
            **self.properties(found, state),
            "tagsAll": without_aws(found.get("tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self.change(call, resource_id, olds, news)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        client = call.client("imagebuilder")
        if gone:
            client.untag_resource(resourceArn=resource_id, tagKeys=gone)
        if new:
            client.tag_resource(resourceArn=resource_id, tags=new)

    def change(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        """Change what is no tag. Immutable resources have nothing here."""

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        getattr(call.client("imagebuilder"), f"delete_{self.noun}")(**{self.arn_argument: resource_id})


class _Changeable(_Thing):
    """A resource with an update call: it replaces everything, so that all inputs are sent."""

    constant: ClassVar[tuple[str, ...]] = ("name",)

    def change(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if all(
            same(olds.get(key), news.get(key))
            for key in self.members
            if key in news or olds.get(key) is not None
        ):
            return
        wanted = {key: value for key, value in self.arguments(news).items() if key not in self.constant}
        arguments = {self.arn_argument: resource_id, "clientToken": secrets.token_hex(16), **wanted}
        client = call.client("imagebuilder")
        call.retry(
            lambda: getattr(client, f"update_{self.noun}")(**arguments), _too_new, seconds=PROPAGATION_SECONDS
        )


class Component(_Thing):
    """A component document. It is immutable: every change but that of tags replaces."""

    kind = "aws:imagebuilder/component:Component"
    noun, arn_argument, answer = "component", "componentBuildVersionArn", "component"
    members = (
        "name",
        "version",
        "platform",
        "data",
        "uri",
        "description",
        "changeDescription",
        "kmsKeyId",
        "supportedOsVersions",
    )
    renamed = {"version": "semanticVersion"}
    outputs = ("dateCreated", "owner", "type", "encrypted")

    def properties(self, found: dict[str, Any], state: Properties) -> Properties:
        result = super().properties({**found, "semanticVersion": found["version"].split("/")[0]}, state)
        if state.get("uri"):  # the service reports the text behind it
            result["uri"] = state["uri"]
        return result

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            super().delete(call, resource_id, state)


class ImageRecipe(_Thing):
    """Which components go on which parent image. It is immutable: every change but that of tags replaces."""

    kind = "aws:imagebuilder/imageRecipe:ImageRecipe"
    noun, arn_argument, answer = "image_recipe", "imageRecipeArn", "imageRecipe"
    members = (
        "name",
        "version",
        "parentImage",
        "components",
        "blockDeviceMappings",
        "description",
        "workingDirectory",
        "amiTags",
    )
    renamed = {"version": "semanticVersion"}
    outputs = ("dateCreated", "owner", "platform")

    def arguments(self, inputs: Properties) -> dict[str, Any]:
        result = super().arguments(inputs)
        for component in result.get("components") or ():  # a parameter's value is a list of exactly one
            for parameter in component.get("parameters") or ():
                parameter["value"] = [parameter["value"]]
        for mapping in result.get("blockDeviceMappings") or ():
            if "noDevice" in mapping:
                mapping["noDevice"] = "" if mapping["noDevice"] else None
        extra: dict[str, Any] = {}
        if inputs.get("systemsManagerAgent") is not None:
            extra["systemsManagerAgent"] = {
                "uninstallAfterBuild": bool(inputs["systemsManagerAgent"].get("uninstallAfterBuild"))
            }
        if inputs.get("userDataBase64"):
            extra["userDataOverride"] = inputs["userDataBase64"]
        return {**result, **({"additionalInstanceConfiguration": extra} if extra else {})}

    def properties(self, found: dict[str, Any], state: Properties) -> Properties:
        result = super().properties({**found, "semanticVersion": found["version"]}, state)
        for component in result.get("components") or ():
            for parameter in component.get("parameters") or ():
                parameter["value"] = next(iter(parameter["value"]), "")
        extra = found.get("additionalInstanceConfiguration") or {}
        agent = extra.get("systemsManagerAgent")
        result["systemsManagerAgent"] = (
            {"uninstallAfterBuild": bool(agent.get("uninstallAfterBuild"))} if agent else None
        )
        result["userDataBase64"] = extra.get("userDataOverride") or None
        return result


class InfrastructureConfiguration(_Changeable):
    """What a build runs on."""

    kind = "aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration"
    noun, arn_argument, answer = (
        "infrastructure_configuration",
        "infrastructureConfigurationArn",
        "infrastructureConfiguration",
    )
    members = ("name", "description", "instanceMetadataOptions", "instanceProfileName", "instanceTypes",
        "keyPair", "logging", "placement",
               "resourceTags", "securityGroupIds", "snsTopicArn", "subnetId",
               "terminateInstanceOnFailure")  # fmt: skip
    outputs = ("dateCreated", "dateUpdated")


class DistributionConfiguration(_Changeable):
    """Where an image goes, under which name, and which parameters get its id."""

    kind = "aws:imagebuilder/distributionConfiguration:DistributionConfiguration"
    noun, arn_argument, answer = (
        "distribution_configuration",
        "distributionConfigurationArn",
        "distributionConfiguration",
    )
    members = ("name", "description", "distributions")
    outputs = ("dateCreated", "dateUpdated")

    def arguments(self, inputs: Properties) -> dict[str, Any]:
        result = super().arguments(inputs)
        _rename(result.get("distributions") or (), {"default": "setDefaultVersion"})
        return result

    def properties(self, found: dict[str, Any], state: Properties) -> Properties:
        distributions = [_copy_launch_templates(item) for item in found.get("distributions") or ()]
        return super().properties({**found, "distributions": distributions}, state)


def _rename(distributions: Iterable[dict[str, Any]], names: dict[str, str]) -> None:
    for distribution in distributions:
        for template in distribution.get("launchTemplateConfigurations") or ():
            for old, new in names.items():
                if old in template:
                    template[new] = template.pop(old)


def _copy_launch_templates(distribution: dict[str, Any]) -> dict[str, Any]:
    copied = {**distribution}
    if distribution.get("launchTemplateConfigurations"):
        copied["launchTemplateConfigurations"] = [
            dict(item) for item in distribution["launchTemplateConfigurations"]
        ]
        _rename([copied], {"setDefaultVersion": "default"})
    return copied


class ImagePipeline(_Changeable):
    """Recipe, infrastructure and distribution together, perhaps with a schedule. A build is not a
    resource.
    """

    kind = "aws:imagebuilder/imagePipeline:ImagePipeline"
    noun, arn_argument, answer = "image_pipeline", "imagePipelineArn", "imagePipeline"
    members = (
        "name",
        "description",
        "imageRecipeArn",
        "containerRecipeArn",
        "infrastructureConfigurationArn",
        "distributionConfigurationArn",
        "enhancedImageMetadataEnabled",
        "executionRole",
        "imageScanningConfiguration",
        "imageTestsConfiguration",
        "loggingConfiguration",
        "schedule",
        "status",
        "workflows",
    )
    outputs = ("dateCreated", "dateUpdated", "dateLastRun", "dateNextRun", "platform")

    def arguments(self, inputs: Properties) -> dict[str, Any]:
        result = super().arguments(inputs)
        for workflow in result.get("workflows") or ():
            for parameter in workflow.get("parameters") or ():
                parameter["value"] = [parameter["value"]]
        return result

    def properties(self, found: dict[str, Any], state: Properties) -> Properties:
        result = super().properties(found, state)
        for workflow in result.get("workflows") or ():
            for parameter in workflow.get("parameters") or ():
                parameter["value"] = next(iter(parameter["value"]), "")
        return result


class LifecyclePolicy(_Changeable):
    """Which old images go."""

    kind = "aws:imagebuilder/lifecyclePolicy:LifecyclePolicy"
    noun, arn_argument, answer = "lifecycle_policy", "lifecyclePolicyArn", "lifecyclePolicy"
    members = (
        "name",
        "description",
        "executionRole",
        "resourceType",
        "policyDetails",
        "resourceSelection",
        "status",
    )
    outputs = ()

    def arguments(self, inputs: Properties) -> dict[str, Any]:
        selection = inputs["resourceSelection"]
        if bool(selection.get("recipes")) == bool(selection.get("tagMap")):
            raise ProviderError("resourceSelection needs exactly one of recipes and tagMap; give one of them")
        return super().arguments(inputs)
