"""Image Builder: components, recipes, configurations, pipelines and lifecycle policies. Every id is an ARN.

Image Builder spells members as Pulumi does, so that most properties pass through as they are.
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from localcloud.pulumi.provider.errors import ProviderError, message
from localcloud.pulumi.provider.model import Call, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import Tags

TOO_NEW = ("instance profile does not exist", "role does not exist", "does not have sufficient permissions")


def _told(*outputs: str, **more: str) -> dict[str, str]:
    return {output: output for output in ("arn", *outputs)} | more


def _sent(members: str, **more: str) -> dict[str, str]:
    return {member: member for member in ("name", "description", *members.split())} | more


class _Thing(Named):
    """What all of Image Builder's resources have in common. A changeable one is replaced as a whole by its
    update, so that all inputs are sent.
    """

    service = "imagebuilder"
    shape = Shape(capital=False, texts=frozenset({"deleteOnTermination", "encrypted"}))
    tags = Tags(
        service="imagebuilder",
        argument="resourceArn",
        listed="tags",
        member="tags",
        keys="tagKeys",
        names=None,
    )
    noun: ClassVar[str]

    def __init_subclass__(cls, *, noun: str, changes: bool = True) -> None:
        """Operations, and members of calls and answers, are called after the noun."""
        words = noun.split("_")
        camel = words[0] + "".join(word.capitalize() for word in words[1:])
        update = f"update_{noun}" if changes else ""
        cls.calls = (f"create_{noun}", f"get_{noun}", update, f"delete_{noun}")
        if "key" not in cls.__dict__:
            cls.key = cls.made = f"{camel}Arn"
        cls.found = camel
        super().__init_subclass__()

    def passing(self, error: BaseException) -> bool:
        """Image Builder does not know a role or an instance profile yet."""
        return any(text in message(error) for text in TOO_NEW)

    def read_tags(self, call: Call, found: Any, resource_id: str, result: Properties) -> dict[str, str]:
        return self.tags.told(found.get("tags"))

    def _call(self, call: Call, operation: str, arguments: Any) -> Any:
        if not operation.startswith("delete_"):
            arguments = {**arguments, "clientToken": secrets.token_hex(16)}
        return super()._call(call, operation, arguments)


class Component(_Thing, noun="component", changes=False):
    """A component document. It is immutable: every change but that of tags replaces."""

    key = made = "componentBuildVersionArn"
    sent = _sent("platform data", version="semanticVersion")
    told = _told("dateCreated", "owner", "type", "encrypted", version="version")

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        return super().properties(call, {**found, "version": found["version"].split("/")[0]}, state)


class ImageRecipe(_Thing, noun="image_recipe", changes=False):
    """Which components go on which parent image. It is immutable: every change but that of tags replaces."""

    sent = _sent("parentImage components blockDeviceMappings workingDirectory", version="semanticVersion")
    told = _told("dateCreated", "owner", "platform", version="version")


class InfrastructureConfiguration(_Thing, noun="infrastructure_configuration"):
    """What a build runs on."""

    sent = _sent(
        "instanceMetadataOptions instanceProfileName instanceTypes logging resourceTags securityGroupIds "
        "subnetId terminateInstanceOnFailure"
    )
    told = _told("dateCreated", "dateUpdated")


class DistributionConfiguration(_Thing, noun="distribution_configuration"):
    """Where an image goes, and under which name."""

    sent = _sent("distributions")
    told = _told("dateCreated", "dateUpdated")


class ImagePipeline(_Thing, noun="image_pipeline"):
    """Recipe, infrastructure and distribution together. A build is not a resource."""

    sent = _sent(
        "imageRecipeArn infrastructureConfigurationArn distributionConfigurationArn imageTestsConfiguration "
        "enhancedImageMetadataEnabled loggingConfiguration status"
    )
    told = _told("dateCreated", "dateUpdated", "dateLastRun", "dateNextRun", "platform")


class LifecyclePolicy(_Thing, noun="lifecycle_policy"):
    """Which old images go."""

    sent = _sent("executionRole resourceType policyDetails resourceSelection status")
    told = _told()

    def arguments(self, call: Call, inputs: Properties) -> dict[str, Any]:
        selection = inputs["resourceSelection"]
        if bool(selection.get("recipes")) == bool(selection.get("tagMap")):
            raise ProviderError("resourceSelection needs exactly one of recipes and tagMap; give one of them")
        return super().arguments(call, inputs)
