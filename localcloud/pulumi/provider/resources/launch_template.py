"""Launch templates: every change is a new version."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.ec2 import TAGS, tag_specification
from localcloud.pulumi.provider.shape import Shape, members
from localcloud.pulumi.provider.tags import pairs, without_aws

EC2 = Shape(texts=frozenset({"deleteOnTermination", "encrypted"}))
MEMBERS = members(
    "blockDeviceMappings iamInstanceProfile imageId instanceInitiatedShutdownBehavior "
    "instanceType keyName metadataOptions",
    vpcSecurityGroupIds="SecurityGroupIds",
)
DATA = (*MEMBERS, "tagSpecifications", "description")


class LaunchTemplate(Handler):
    """A launch template. Its id is `lt-…`."""

    tags, shape = TAGS, EC2
    request = ("ec2", "create_launch_template")
    sent = {
        **{key: f"LaunchTemplateData.{member}" for key, member in MEMBERS.items()},
        "name": "LaunchTemplateName",
        "description": "VersionDescription",
        "tagSpecifications": "LaunchTemplateData.TagSpecifications",
    }

    def create(self, call: Call, inputs: Properties) -> str:
        made = call.client("ec2").create_launch_template(
            LaunchTemplateName=inputs["name"],
            **_version(call, inputs),
            **tag_specification("launch-template", call.all_tags(inputs)),
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
            "tagsAll": self.tags.told(template.get("Tags")),
            **_data_back(call, version["LaunchTemplateData"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("ec2")
        version = str(olds["latestVersion"])
        if any(not same(olds.get(key), news.get(key)) for key in DATA if key in news or olds.get(key)):
            made = client.create_launch_template_version(LaunchTemplateId=resource_id, **_version(call, news))
            version = str(made["LaunchTemplateVersion"]["VersionNumber"])
        if news.get("updateDefaultVersion") and version != str(olds.get("defaultVersion")):
            client.modify_launch_template(LaunchTemplateId=resource_id, DefaultVersion=version)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ec2").delete_launch_template(LaunchTemplateId=resource_id)


def _version(call: Call, inputs: Properties) -> dict[str, Any]:
    """The inputs as arguments of a call that makes a version."""
    data = {
        name: EC2.to_aws(inputs[key], call.types[key])
        for key, name in MEMBERS.items()
        if inputs.get(key) not in (None, "", [], {})
    }
    if inputs.get("tagSpecifications"):
        data["TagSpecifications"] = [
            {"ResourceType": item["resourceType"], "Tags": pairs(item.get("tags") or {})}
            for item in inputs["tagSpecifications"]
        ]
    described = {"VersionDescription": inputs["description"]} if inputs.get("description") else {}
    return {"LaunchTemplateData": data, **described}


def _data_back(call: Call, found: dict[str, Any]) -> Properties:
    """`LaunchTemplateData` as properties; what is not set is `None`."""
    result: Properties = {
        key: EC2.from_aws(found.get(name) or None, call.types[key]) for key, name in MEMBERS.items()
    }
    specifications = [
        {
            "resourceType": item["ResourceType"],
            "tags": without_aws({tag["Key"]: tag["Value"] for tag in item.get("Tags") or ()}),
        }
        for item in found.get("TagSpecifications") or ()
    ]
    return {**result, "tagSpecifications": specifications or None}
