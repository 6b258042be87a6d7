"""Launch templates: every change is a new version."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.ec2 import tag_specification, update_tags
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import from_pairs, pairs, without_aws

KIND = "aws:ec2/launchTemplate:LaunchTemplate"
EC2 = Shape(
    names={
        "ipv4Addresses": "PrivateIpAddresses",
        "ipv4AddressCount": "SecondaryPrivateIpAddressCount",
        "securityGroups": "Groups",
    },
    texts=frozenset(
        {"deleteOnTermination", "encrypted", "associatePublicIpAddress", "associateCarrierIpAddress"}
    ),
)
TEXTS = {
    "imageId": "ImageId",
    "instanceType": "InstanceType",
    "keyName": "KeyName",
    "kernelId": "KernelId",
    "ramDiskId": "RamDiskId",
    "userData": "UserData",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "ebsOptimized": "EbsOptimized",
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
}
NESTED = {
    "blockDeviceMappings": "BlockDeviceMappings",
    "capacityReservationSpecification": "CapacityReservationSpecification",
    "cpuOptions": "CpuOptions",
    "creditSpecification": "CreditSpecification",
    "enclaveOptions": "EnclaveOptions",
    "hibernationOptions": "HibernationOptions",
    "iamInstanceProfile": "IamInstanceProfile",
    "instanceMarketOptions": "InstanceMarketOptions",
    "maintenanceOptions": "MaintenanceOptions",
    "metadataOptions": "MetadataOptions",
    "monitoring": "Monitoring",
    "networkInterfaces": "NetworkInterfaces",
    "placement": "Placement",
    "privateDnsNameOptions": "PrivateDnsNameOptions",
    "securityGroupNames": "SecurityGroups",
    "vpcSecurityGroupIds": "SecurityGroupIds",
}
DATA = (*TEXTS, *NESTED, "tagSpecifications", "description")


class LaunchTemplate(Handler):
    """A launch template. Its id is ``lt-…``."""

    def create(self, call: Call, inputs: Properties) -> str:
        arguments: dict[str, Any] = {"LaunchTemplateName": inputs["name"], "LaunchTemplateData": data(inputs)}
        if inputs.get("description"):
            arguments["VersionDescription"] = inputs["description"]
        made = call.client("ec2").create_launch_template(
            **arguments, **tag_specification("launch-template", call.all_tags(inputs))
        )
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("ec2")
        found = client.describe_launch_templates(LaunchTemplateIds=[resource_id])["LaunchTemplates"]
        if not found:
            return None
        template = found[0]
        latest = str(template["LatestVersionNumber"])
        version = client.describe_launch_template_versions(LaunchTemplateId=resource_id, Versions=[latest])[
            "LaunchTemplateVersions"
        ][0]
        return {
            "name": template["LaunchTemplateName"],
            "arn": call.arn("ec2", f"launch-template/{resource_id}"),
            "latestVersion": template["LatestVersionNumber"],
            "defaultVersion": template["DefaultVersionNumber"],
            "description": version.get("VersionDescription") or None,
            "tagsAll": from_pairs(template.get("Tags")),
            **data_back(version["LaunchTemplateData"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("ec2")
        version: str | None = None
        if any(not same(olds.get(key), news.get(key)) for key in DATA if key in news or olds.get(key)):
            arguments: dict[str, Any] = {"LaunchTemplateId": resource_id, "LaunchTemplateData": data(news)}
            if news.get("description"):
                arguments["VersionDescription"] = news["description"]
            version = str(
                client.create_launch_template_version(**arguments)["LaunchTemplateVersion"]["VersionNumber"]
            )
        if news.get("updateDefaultVersion"):
            version = version or str(olds["latestVersion"])
        else:
            version = str(news["defaultVersion"]) if news.get("defaultVersion") else None
        if version is not None and version != str(olds.get("defaultVersion")):
            client.modify_launch_template(LaunchTemplateId=resource_id, DefaultVersion=version)
        update_tags(call, resource_id, olds, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ec2").delete_launch_template(LaunchTemplateId=resource_id)


def data(inputs: Properties) -> dict[str, Any]:
    """The inputs as ``LaunchTemplateData``."""
    types = load().resources[KIND].inputs
    result = {name: inputs[key] for key, name in TEXTS.items() if inputs.get(key) not in (None, "")}
    for flag in ("ebsOptimized",):  # a text for Pulumi
        if isinstance(inputs.get(flag), str) and inputs[flag]:
            result[TEXTS[flag]] = inputs[flag] == "true"
    result.update(
        {
            name: EC2.to_aws(inputs[key], types[key])
            for key, name in NESTED.items()
            if inputs.get(key) not in (None, "", [], {})
        }
    )
    if inputs.get("tagSpecifications"):
        result["TagSpecifications"] = [
            {"ResourceType": item["resourceType"], "Tags": pairs(item.get("tags") or {})}
            for item in inputs["tagSpecifications"]
        ]
    return result


def data_back(found: dict[str, Any]) -> Properties:
    """``LaunchTemplateData`` as properties; what is not set is ``None``."""
    types = load().resources[KIND].inputs
    result: Properties = {}
    for key, name in {**TEXTS, **NESTED}.items():
        value = found.get(name)
        result[key] = EC2.from_aws(value, types[key]) if value not in (None, "", [], {}) else None
    specifications = [
        {
            "resourceType": item["ResourceType"],
            "tags": without_aws({tag["Key"]: tag["Value"] for tag in item.get("Tags") or ()}),
        }
        for item in found.get("TagSpecifications") or ()
    ]
    result["tagSpecifications"] = specifications or None
    return result
