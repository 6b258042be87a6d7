"""What the kinds of resources are called in the operations, and what the service fills in."""

from __future__ import annotations

from localcloud.aws.imagebuilder.registry import KINDS, Record

DEFAULTS: dict[str, Record] = {
    "image-pipeline": {
        "enhancedImageMetadataEnabled": True,
        "status": "ENABLED",
        "imageTestsConfiguration": {"imageTestsEnabled": True, "timeoutMinutes": 720},
        "platform": "Linux",
    },
    "infrastructure-configuration": {"terminateInstanceOnFailure": True},
    "distribution-configuration": {"timeoutMinutes": 720},
    "lifecycle-policy": {"status": "ENABLED"},
}
"""What the service fills in; an update that leaves it out resets it to this."""
PLURALS = {
    "ListComponentBuildVersions": ("component", "componentSummaryList"),
    "ListImageRecipes": ("image-recipe", "imageRecipeSummaryList"),
    "ListInfrastructureConfigurations": (
        "infrastructure-configuration",
        "infrastructureConfigurationSummaryList",
    ),
    "ListDistributionConfigurations": ("distribution-configuration", "distributionConfigurationSummaryList"),
    "ListImagePipelines": ("image-pipeline", "imagePipelineList"),
    "ListLifecyclePolicies": ("lifecycle-policy", "lifecyclePolicySummaryList"),
}
SINGULARS = {
    kind: (argument, argument.removesuffix("Arn").removesuffix("BuildVersion"))
    for kind, argument in KINDS.items()
}
"""Kind -> the argument that names it, the member that Get returns it in."""
TITLES = {
    "component": "Component",
    "image-recipe": "ImageRecipe",
    "infrastructure-configuration": "InfrastructureConfiguration",
    "distribution-configuration": "DistributionConfiguration",
    "image-pipeline": "ImagePipeline",
    "lifecycle-policy": "LifecyclePolicy",
}
