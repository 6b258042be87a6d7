"""Which resources a request touches: EC2, Lambda, EventBridge, SSM (DynamoDB: ``leading_keys``)."""

from __future__ import annotations

import json
from typing import Any

from localcloud.aws import hooks, tracking
from localcloud.aws.context import Context
from localcloud.aws.ec2 import plan, records, templates
from localcloud.aws.iam.enforcement import Check, pass_role
from localcloud.aws.protocol import ec2query

ON_INSTANCES = {"TerminateInstances", "StopInstances", "StartInstances", "RebootInstances"}
ON_TEMPLATE = {
    "CreateLaunchTemplateVersion",
    "ModifyLaunchTemplate",
    "DeleteLaunchTemplate",
    "DeleteLaunchTemplateVersions",
}


def ec2_arn(kind: str, name: str) -> str:
    """The ARN of an EC2 resource of the account; images carry no account."""
    owner = "" if kind == "image" else hooks.account()
    return f"arn:aws:ec2:{hooks.region()}:{owner}:{kind}/{name}"


def _tag_context(tags: dict[str, str]) -> dict[str, Any]:
    if not tags:
        return {}
    return {**{f"aws:RequestTag/{key}": value for key, value in tags.items()}, "aws:TagKeys": list(tags)}


class Ec2:
    """Checks of EC2 requests."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __call__(self, request: tracking.Request, first: Check) -> list[Check]:
        name = first.action.partition(":")[2]
        try:
            if name == "RunInstances":
                return self._launch(request, first)
            if name.startswith("Describe"):
                return [Check(first.action, "*", first.context)]
            if name in ON_INSTANCES:
                wanted = ec2query.parse(name, request.params).get("InstanceIds", [])
                return [Check(first.action, ec2_arn("instance", i), first.context) for i in wanted] or [first]
            if name in ON_TEMPLATE:
                template = templates.find(ec2query.parse(name, request.params))
                return [
                    Check(
                        first.action, ec2_arn("launch-template", template["LaunchTemplateId"]), first.context
                    )
                ]
            if name in ("CreateTags", "DeleteTags"):
                wanted = ec2query.parse(name, request.params).get("Resources", [])
                kinds = ((hooks.ec2._guess_resource_type(i), i) for i in wanted)
                return [Check(first.action, ec2_arn(kind, i), first.context) for kind, i in kinds] or [first]
        except ec2query.Ec2Error:
            return [first]  # the request itself is wrong: its handler says how
        return [first]

    def _launch(self, request: tracking.Request, first: Check) -> list[Check]:
        asked = ec2query.parse("RunInstances", request.params)
        arguments = plan.expand(self._context, asked)
        common: dict[str, Any] = {"ec2:Region": hooks.region()}
        if asked.get("LaunchTemplate"):
            template = templates.find(asked["LaunchTemplate"])
            common["ec2:LaunchTemplate"] = ec2_arn("launch-template", template["LaunchTemplateId"])
        checks: list[Check] = []

        def touch(kind: str, name: str, context: dict[str, Any], overridden: bool = False) -> None:
            """``overridden``: this resource is named by the request and not by the template."""
            own = {**common, **context}
            if "ec2:LaunchTemplate" in common:
                own["ec2:IsLaunchTemplateResource"] = "false" if overridden else "true"
            checks.append(Check(first.action, ec2_arn(kind, name), own))

        created = {
            kind: {k: v for k, v in tags.items() if not k.startswith("aws:")}
            for kind, tags in arguments["Tags"].items()
        }
        profile = plan.profile(arguments)
        metadata = arguments.get("MetadataOptions") or {}
        on_instance = {
            "ec2:InstanceType": arguments.get("InstanceType", plan.DEFAULT_TYPE),
            "ec2:Tenancy": "default",
            "ec2:MetadataHttpTokens": metadata.get("HttpTokens", "required"),
            "ec2:MetadataHttpPutResponseHopLimit": str(metadata.get("HttpPutResponseHopLimit", 2)),
            **({"ec2:InstanceProfile": profile["Arn"]} if profile else {}),
            **_tag_context(created.get("instance", {})),
        }
        touch(
            "image",
            arguments.get("ImageId", "*"),
            {"ec2:ImageID": arguments.get("ImageId", "")},
            "ImageId" in asked,
        )
        touch("instance", "*", on_instance)
        touch("volume", "*", {"ec2:VolumeType": "gp3", **_tag_context(created.get("volume", {}))})
        touch("network-interface", "*", _tag_context(created.get("network-interface", {})))
        subnet, groups = plan.network(arguments)
        touch(
            "subnet",
            subnet["SubnetId"],
            {"ec2:AvailabilityZone": subnet["AvailabilityZone"]},
            "SubnetId" in asked,
        )
        for group in groups:
            touch("security-group", group, {}, "SecurityGroupIds" in asked or "SecurityGroups" in asked)
        if arguments.get("KeyName"):
            touch("key-pair", arguments["KeyName"], {}, "KeyName" in asked)
        if "ec2:LaunchTemplate" in common:
            touch("launch-template", common["ec2:LaunchTemplate"].rsplit("/", 1)[-1], {})
        for kind, tags in created.items():
            if tags:
                checks.append(
                    Check(
                        "ec2:CreateTags",
                        ec2_arn(kind, "*"),
                        {"ec2:CreateAction": "RunInstances", **_tag_context(tags)},
                    )
                )
        role = records.role_arn(profile, hooks.account())
        if role:
            checks.append(pass_role(role, "ec2.amazonaws.com"))
        return checks


def on_lambda(request: tracking.Request, first: Check) -> list[Check]:
    """CreateFunction and UpdateFunctionConfiguration hand a role to Lambda."""
    if first.action in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"):
        role = document(request).get("Role")
        if role:
            return [first, pass_role(role, "lambda.amazonaws.com")]
    return [first]


def on_events(request: tracking.Request, first: Check) -> list[Check]:
    """PutTargets and PutRule hand roles to EventBridge."""
    asked = document(request)
    roles = [
        asked.get("RoleArn"),
        *(target.get("RoleArn") for target in asked.get("Targets", []) if isinstance(target, dict)),
    ]
    return [first, *(pass_role(role, "events.amazonaws.com") for role in roles if role)]


def on_ssm(request: tracking.Request, first: Check) -> list[Check]:
    """GetParameters and DeleteParameters touch all that they name, GetParametersByPath the path."""
    asked = document(request)
    if first.action in ("ssm:GetParameters", "ssm:DeleteParameters"):
        names = asked.get("Names")
    else:
        names = [asked.get("Path")] if first.action == "ssm:GetParametersByPath" else None
    if not isinstance(names, list) or not all(names):
        return [first]
    base = f"arn:aws:ssm:{hooks.region()}:{hooks.account()}:parameter/"
    # A name may end in a version or a label (name:3); an ARN is what it says.
    arns = [
        name if name.startswith("arn:") else base + name.lstrip("/").partition(":")[0]
        for name in map(str, names)
    ]
    return [Check(first.action, arn, first.context) for arn in arns] or [first]


def document(request: tracking.Request) -> dict[str, Any]:
    """The request's body as JSON; empty when it is none (its handler says so)."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
