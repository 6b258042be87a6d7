"""Whether the machine of a build can start: its disk holds the parent's snapshot, and it has a network."""

from __future__ import annotations

from typing import Any

from localcloud.aws.ec2 import images, plan


def check(image: dict[str, Any]) -> None:
    """Raises Ec2Error where RunInstances would refuse the machine on which an image is built."""
    recipe, infrastructure = image["imageRecipe"], image["infrastructureConfiguration"]
    mappings = [
        {"DeviceName": one.get("deviceName"), "Ebs": {"VolumeSize": one.get("ebs", {}).get("volumeSize")}}
        for one in recipe.get("blockDeviceMappings", [])
    ]
    plan.check_volumes({"BlockDeviceMappings": mappings}, images.find(image["_parent"]))
    plan.network(
        {
            "SubnetId": infrastructure.get("subnetId"),
            "SecurityGroupIds": infrastructure.get("securityGroupIds", []),
        }
    )
