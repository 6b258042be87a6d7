"""Where an image goes when it is built, under which name, and who is told."""

from __future__ import annotations

import re
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import templates
from localcloud.aws.imagebuilder import names
from localcloud.aws.imagebuilder.registry import Record


def targets(image: Record) -> list[dict[str, Any]]:
    """Where the image goes; without a configuration only here."""
    here: list[dict[str, Any]] = [{"region": names.parse("arn", image["arn"]).region}]
    return list(image.get("distributionConfiguration", {}).get("distributions") or here)


def expanded(image: Record, text: str) -> str:
    """Text with ``{{ imagebuilder:buildDate }}`` and ``{{ imagebuilder:buildVersion }}`` filled in."""
    values = {
        "imagebuilder:buildDate": image["_built"],
        "imagebuilder:buildVersion": image["version"].split("/")[1],
    }
    return re.sub(r"\{\{\s*([\w:]+)\s*\}\}", lambda match: values.get(match[1], match[0]), text)


def ami_name(image: Record) -> str:
    """The name of the machine image: the first that the configuration gives, else the recipe's name and the
    date.
    """
    for target in targets(image):
        name = target.get("amiDistributionConfiguration", {}).get("name")
        if name:
            return expanded(image, name)
    return f"{image['name']} {image['_built']}"


def announce(context: Context, image: Record, distribution: dict[str, Any]) -> None:
    """Parameters and launch templates that follow the newest image."""
    for parameter in distribution.get("ssmParameterConfigurations", []):
        hooks.ssm._put_parameter(
            {
                "Name": parameter["parameterName"],
                "Value": image["_ami"],
                "Type": "String",
                "DataType": parameter.get("dataType", "aws:ec2:image"),
                "Overwrite": True,
            }
        )
    for target in distribution.get("launchTemplateConfigurations", []):
        wanted = {"LaunchTemplateId": target["launchTemplateId"]}
        version = templates.create_launch_template_version(
            context, {**wanted, "SourceVersion": "$Latest", "LaunchTemplateData": {"ImageId": image["_ami"]}}
        )["LaunchTemplateVersion"]["VersionNumber"]
        if target.get("setDefaultVersion"):
            templates.modify_launch_template(context, {**wanted, "DefaultVersion": str(version)})
