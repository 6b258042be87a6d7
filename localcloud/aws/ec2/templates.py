"""Launch templates: all fields kept, versions, and the merge of a template with a RunInstances request.

Source of the rules: EC2 user guide, "Launch instances from a launch template" and API reference, RunInstances
(LaunchTemplate).
"""

from __future__ import annotations

import copy
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records
from localcloud.aws.ec2.filters import Values, matches, page
from localcloud.aws.protocol.ec2query import Ec2Error

NESTED = (
    "MetadataOptions",
    "Placement",
    "Monitoring",
    "CreditSpecification",
    "CpuOptions",
    "EnclaveOptions",
    "HibernationOptions",
)
NOT_MERGED = ("TagSpecifications", "LaunchTemplate", "DryRun", "ClientToken", "MinCount", "MaxCount")

Template = dict[str, Any]


def templates() -> Any:
    """The store, scoped to the account and region of the request."""
    return hooks.ec2._launch_templates


def find(request: dict[str, Any]) -> Template:
    """The template that ``LaunchTemplateId`` or ``LaunchTemplateName`` names."""
    identifier, name = request.get("LaunchTemplateId"), request.get("LaunchTemplateName")
    if identifier and name:
        raise Ec2Error(
            "InvalidParameterCombination",
            "LaunchTemplateId and LaunchTemplateName may not both be specified.",
        )
    if identifier:
        if identifier in templates():
            found: Template = templates()[identifier]
            return found
        raise Ec2Error(
            "InvalidLaunchTemplateId.NotFound",
            f"The specified launch template, with template ID {identifier}, does not exist.",
        )
    for template in templates().values():
        if name and template["LaunchTemplateName"] == name:
            named: Template = template
            return named
    raise Ec2Error(
        "InvalidLaunchTemplateName.NotFoundException",
        f"The specified launch template, with template name {name}, does not exist.",
    )


def version(template: Template, wanted: str | None) -> dict[str, Any]:
    """A version by number, ``$Default`` (also when not given) or ``$Latest``."""
    number = str(wanted or "$Default")
    number = str(
        {"$Default": template["DefaultVersionNumber"], "$Latest": template["LatestVersionNumber"]}.get(
            number, number
        )
    )
    for candidate in template["Versions"]:
        if str(candidate["VersionNumber"]) == number:
            found: dict[str, Any] = candidate
            return found
    raise Ec2Error(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find the specified version {wanted} for the launch template with ID "
        f"{template['LaunchTemplateId']}.",
    )


def merge(data: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The arguments of RunInstances after a template: the request wins.

    Block devices are replaced by device name, structures member by member, tags key by key and resource type
    by resource type; all other values as a whole.
    """
    merged = copy.deepcopy(data)
    merged.pop("TagSpecifications", None)
    for name, value in request.items():
        if name in NOT_MERGED:
            continue
        if name in NESTED and isinstance(value, dict):
            merged[name] = {**merged.get(name, {}), **value}
        elif name == "BlockDeviceMappings":
            devices = {mapping.get("DeviceName"): mapping for mapping in merged.get(name, [])}
            for mapping in value:
                device = mapping.get("DeviceName")
                ebs = {**devices.get(device, {}).get("Ebs", {}), **mapping.get("Ebs", {})}
                devices[device] = {**mapping, "Ebs": ebs} if "Ebs" in mapping else mapping
            merged[name] = list(devices.values())
        else:
            merged[name] = value
    merged["Tags"] = merge_tags(data.get("TagSpecifications", []), request.get("TagSpecifications", []))
    return merged


def merge_tags(*specifications: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """``{resource type: {key: value}}``; later specifications win."""
    tags: dict[str, dict[str, str]] = {}
    for specification in specifications:
        for entry in specification:
            own = tags.setdefault(entry.get("ResourceType", ""), {})
            own.update({tag["Key"]: tag.get("Value", "") for tag in entry.get("Tags", [])})
    return tags


def _check(data: dict[str, Any]) -> None:
    if data.get("UserData") and records.user_data_size(data["UserData"]) > 16384:
        raise Ec2Error("InvalidUserData.Malformed", "User data is limited to 16384 bytes")


def _shown(template: Template) -> dict[str, Any]:
    fields = (
        "LaunchTemplateId",
        "LaunchTemplateName",
        "CreateTime",
        "DefaultVersionNumber",
        "LatestVersionNumber",
    )
    return {
        **{name: template[name] for name in fields},
        "CreatedBy": f"arn:aws:iam::{hooks.account()}:root",
        "Tags": records.tags(template["LaunchTemplateId"]),
    }


def _shown_version(entry: dict[str, Any]) -> dict[str, Any]:
    data = copy.deepcopy(entry["LaunchTemplateData"])
    if "MetadataOptions" in data:
        data["MetadataOptions"]["State"] = "applied"
    return {**entry, "CreatedBy": f"arn:aws:iam::{hooks.account()}:root", "LaunchTemplateData": data}


def _new_version(
    template: Template, number: int, request: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    entry = {
        "LaunchTemplateId": template["LaunchTemplateId"],
        "LaunchTemplateName": template["LaunchTemplateName"],
        "VersionNumber": number,
        "DefaultVersion": number == template["DefaultVersionNumber"],
        "CreateTime": records.now(),
        "LaunchTemplateData": data,
    }
    if request.get("VersionDescription"):
        entry["VersionDescription"] = request["VersionDescription"]
    return entry


def create_launch_template(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """CreateLaunchTemplate."""
    name = request.get("LaunchTemplateName", "")
    if any(template["LaunchTemplateName"] == name for template in templates().values()):
        raise Ec2Error(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            f"Launch template name already in use: {name}.",
        )
    data = request.get("LaunchTemplateData", {})
    _check(data)
    template: Template = {
        "LaunchTemplateId": records.new_id("lt"),
        "LaunchTemplateName": name,
        "CreateTime": records.now(),
        "DefaultVersionNumber": 1,
        "LatestVersionNumber": 1,
    }
    template["Versions"] = [_new_version(template, 1, request, data)]
    templates()[template["LaunchTemplateId"]] = template
    records.set_tags(
        template["LaunchTemplateId"],
        merge_tags(request.get("TagSpecifications", [])).get("launch-template", {}),
    )
    return {"LaunchTemplate": _shown(template)}


def create_launch_template_version(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """CreateLaunchTemplateVersion, with SourceVersion."""
    template = find(request)
    data = request.get("LaunchTemplateData", {})
    if request.get("SourceVersion"):
        data = {**copy.deepcopy(version(template, request["SourceVersion"])["LaunchTemplateData"]), **data}
    _check(data)
    number = template["LatestVersionNumber"] + 1
    entry = _new_version(template, number, request, data)
    template["Versions"].append(entry)
    template["LatestVersionNumber"] = number
    return {"LaunchTemplateVersion": _shown_version(entry)}


def describe_launch_templates(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeLaunchTemplates."""
    chosen = [find({"LaunchTemplateId": identifier}) for identifier in request.get("LaunchTemplateIds", [])]
    chosen += [find({"LaunchTemplateName": name}) for name in request.get("LaunchTemplateNames", [])]
    if not request.get("LaunchTemplateIds") and not request.get("LaunchTemplateNames"):
        chosen = list(templates().values())
    names: dict[str, Values] = {
        "launch-template-name": lambda t: [t["LaunchTemplateName"]],
        "create-time": lambda t: [t["CreateTime"]],
    }
    shown = [
        _shown(t)
        for t in chosen
        if matches(t, records.tags(t["LaunchTemplateId"]), request.get("Filters", []), names)
    ]
    items, token = page(shown, request)
    return {"LaunchTemplates": items, "NextToken": token}


def describe_launch_template_versions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeLaunchTemplateVersions of one template; without versions: all, the newest first."""
    template = find(request)
    if request.get("Versions"):
        chosen = [version(template, wanted) for wanted in request["Versions"]]
    else:
        low, high = (
            int(request.get("MinVersion") or 1),
            int(request.get("MaxVersion") or template["LatestVersionNumber"]),
        )
        chosen = [entry for entry in reversed(template["Versions"]) if low <= entry["VersionNumber"] <= high]
    items, token = page([_shown_version(entry) for entry in chosen], request)
    return {"LaunchTemplateVersions": items, "NextToken": token}


def modify_launch_template(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """ModifyLaunchTemplate: another default version."""
    template = find(request)
    if request.get("DefaultVersion"):
        number = version(template, request["DefaultVersion"])["VersionNumber"]
        template["DefaultVersionNumber"] = number
        for entry in template["Versions"]:
            entry["DefaultVersion"] = entry["VersionNumber"] == number
    return {"LaunchTemplate": _shown(template)}


def delete_launch_template(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteLaunchTemplate with all versions."""
    template = find(request)
    shown = _shown(template)
    templates().pop(template["LaunchTemplateId"])
    records.set_tags(template["LaunchTemplateId"], {})
    return {"LaunchTemplate": shown}


def delete_launch_template_versions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteLaunchTemplateVersions; the default version stays."""
    template = find(request)
    done, refused = [], []
    for wanted in request.get("Versions", []):
        identity = {
            "LaunchTemplateId": template["LaunchTemplateId"],
            "LaunchTemplateName": template["LaunchTemplateName"],
        }
        try:
            entry = version(template, wanted)
            if entry["DefaultVersion"]:
                raise Ec2Error("operationNotPermitted", "The default version cannot be deleted.")
        except Ec2Error as error:
            code = "launchTemplateVersionDoesNotExist" if "VersionNotFound" in error.code else error.code
            refused.append(
                {**identity, "VersionNumber": wanted, "ResponseError": {"Code": code, "Message": str(error)}}
            )
            continue
        template["Versions"].remove(entry)
        done.append({**identity, "VersionNumber": entry["VersionNumber"]})
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": done,
        "UnsuccessfullyDeletedLaunchTemplateVersions": refused,
    }
