"""EC2 Image Builder: what images are baked from."""

from collections.abc import Iterator, Mapping
from typing import Any

from console.own.model import Account, Thing, tagging

COMPONENT = "aws:imagebuilder/component:Component"
RECIPE = "aws:imagebuilder/imageRecipe:ImageRecipe"
INFRASTRUCTURE = "aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration"
DISTRIBUTION = "aws:imagebuilder/distributionConfiguration:DistributionConfiguration"
PIPELINE = "aws:imagebuilder/imagePipeline:ImagePipeline"
LIFECYCLE = "aws:imagebuilder/lifecyclePolicy:LifecyclePolicy"

# Type -> its listing: operation, key of the answer, arguments.
_LISTS = {
    RECIPE: ("list_image_recipes", "imageRecipeSummaryList", {"owner": "Self"}),
    INFRASTRUCTURE: ("list_infrastructure_configurations", "infrastructureConfigurationSummaryList", {}),
    DISTRIBUTION: ("list_distribution_configurations", "distributionConfigurationSummaryList", {}),
    PIPELINE: ("list_image_pipelines", "imagePipelineList", {}),
    LIFECYCLE: ("list_lifecycle_policies", "lifecyclePolicySummaryList", {}),
}


def _all(at: Account, kind: str, prefix: str) -> Iterator[Thing]:
    operation, key, arguments = _LISTS[kind]
    for one in at.pages("imagebuilder", operation, key, **arguments):
        if one["name"].startswith(prefix):
            yield _thing(at, kind, one)


def _thing(at: Account, kind: str, one: Mapping[str, Any]) -> Thing:
    """What Image Builder lists goes by its ARN."""
    arn = one["arn"]
    return Thing(
        kind,
        one["name"],
        arn,
        arn,
        tagging(at.client("imagebuilder").list_tags_for_resource, "tags", resourceArn=arn),
    )


def recipes(at: Account, prefix: str) -> Iterator[Thing]:
    yield from _all(at, RECIPE, prefix)


def infrastructures(at: Account, prefix: str) -> Iterator[Thing]:
    yield from _all(at, INFRASTRUCTURE, prefix)


def distributions(at: Account, prefix: str) -> Iterator[Thing]:
    yield from _all(at, DISTRIBUTION, prefix)


def pipelines(at: Account, prefix: str) -> Iterator[Thing]:
    yield from _all(at, PIPELINE, prefix)


def lifecycles(at: Account, prefix: str) -> Iterator[Thing]:
    yield from _all(at, LIFECYCLE, prefix)


def components(at: Account, prefix: str) -> Iterator[Thing]:
    """A component's id is that of its build: the list has versions only."""
    for version in at.pages("imagebuilder", "list_components", "componentVersionList", owner="Self"):
        if version["name"].startswith(prefix):
            builds = at.pages(
                "imagebuilder", "list_component_build_versions", "componentSummaryList",
                componentVersionArn=version["arn"]
            )  # fmt: skip
            for build in builds:
                yield _thing(at, COMPONENT, build)
