"""Roles, users, groups, policies and instance profiles."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from localcloud.pulumi.provider.errors import ProviderError, code, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.shape import iso
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

MANAGED_POLICY_VERSIONS = 5
"""IAM keeps at most five versions of a managed policy."""


def _gone(action: Any) -> Any:
    """``action()``, or ``None`` when IAM says that the thing does not exist."""
    try:
        return action()
    except Exception as error:
        if is_not_found(error):
            return None
        raise


def _all(client: Any, operation: str, result: str, **arguments: Any) -> list[Any]:
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page[result]]


def _split(resource_id: str, separator: str, form: str) -> tuple[str, str]:
    first, found, second = resource_id.partition(separator)
    if not found or not first or not second:
        raise ProviderError(f"got the id {resource_id!r}; {form} is needed; write it so")
    return first, second


def _document(value: Any) -> str:
    """A policy document as text: boto3 parses it, other answers have it URL-encoded."""
    import json

    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else unquote(value)


class Role(Handler):
    """A role. Its id is its name."""

    def create(self, call: Call, inputs: Properties) -> str:
        arguments: dict[str, Any] = {
            "RoleName": inputs["name"],
            "Path": inputs.get("path") or "/",
            "AssumeRolePolicyDocument": inputs["assumeRolePolicy"],
            "MaxSessionDuration": inputs.get("maxSessionDuration") or 3600,
        }
        if inputs.get("description"):
            arguments["Description"] = inputs["description"]
        if inputs.get("permissionsBoundary"):
            arguments["PermissionsBoundary"] = inputs["permissionsBoundary"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags)
        # a principal in the trust policy may be too new for IAM to know it
        call.retry(
            lambda: call.client("iam").create_role(**arguments),
            lambda e: code(e) == "MalformedPolicyDocument" and "Invalid principal" in str(e),
            seconds=120,
        )
        return str(inputs["name"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("iam")
        answer = _gone(lambda: client.get_role(RoleName=resource_id))
        if answer is None:
            return None
        role = answer["Role"]
        return {
            "name": role["RoleName"],
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": iso(role.get("CreateDate")),
            "path": role["Path"],
            "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description") or None,
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tagsAll": from_pairs(client.list_role_tags(RoleName=resource_id)["Tags"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("iam")
        client.update_assume_role_policy(RoleName=resource_id, PolicyDocument=news["assumeRolePolicy"])
        client.update_role(
            RoleName=resource_id,
            Description=news.get("description") or "",
            MaxSessionDuration=news.get("maxSessionDuration") or 3600,
        )
        if news.get("permissionsBoundary"):
            client.put_role_permissions_boundary(
                RoleName=resource_id, PermissionsBoundary=news["permissionsBoundary"]
            )
        elif olds.get("permissionsBoundary"):
            client.delete_role_permissions_boundary(RoleName=resource_id)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_role(RoleName=resource_id, TagKeys=gone)
        if new:
            client.tag_role(RoleName=resource_id, Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("iam")
        for profile in client.list_instance_profiles_for_role(RoleName=resource_id)["InstanceProfiles"]:
            client.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=resource_id
            )
        if state.get("forceDetachPolicies"):
            for policy in _all(
                client, "list_attached_role_policies", "AttachedPolicies", RoleName=resource_id
            ):
                client.detach_role_policy(RoleName=resource_id, PolicyArn=policy["PolicyArn"])
            for name in _all(client, "list_role_policies", "PolicyNames", RoleName=resource_id):
                client.delete_role_policy(RoleName=resource_id, PolicyName=name)
        client.delete_role(RoleName=resource_id)


class _InlinePolicy(Handler):
    """A policy inside a role or group. Its id is ``OWNER:POLICY``."""

    owner: str  # the input that names the owner: role, group
    noun: str  # in operation names
    argument: str  # the owner's name in calls

    def create(self, call: Call, inputs: Properties) -> str:
        self._put(call, inputs[self.owner], inputs["name"], inputs["policy"])
        return f"{inputs[self.owner]}:{inputs['name']}"

    def _put(self, call: Call, owner: str, name: str, policy: str) -> None:
        getattr(call.client("iam"), f"put_{self.noun}_policy")(
            **{self.argument: owner}, PolicyName=name, PolicyDocument=policy
        )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        owner, name = _split(resource_id, ":", f"{self.owner.upper()}:POLICY")
        get = getattr(call.client("iam"), f"get_{self.noun}_policy")
        answer = _gone(lambda: get(**{self.argument: owner}, PolicyName=name))
        return (
            None
            if answer is None
            else {self.owner: owner, "name": name, "policy": _document(answer["PolicyDocument"])}
        )

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        owner, name = _split(resource_id, ":", f"{self.owner.upper()}:POLICY")
        self._put(call, owner, name, news["policy"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        owner, name = _split(resource_id, ":", f"{self.owner.upper()}:POLICY")
        getattr(call.client("iam"), f"delete_{self.noun}_policy")(**{self.argument: owner}, PolicyName=name)


class RolePolicy(_InlinePolicy):
    """A policy inside a role."""

    owner, noun, argument = "role", "role", "RoleName"


class GroupPolicy(_InlinePolicy):
    """A policy inside a group."""

    owner, noun, argument = "group", "group", "GroupName"


class Policy(Handler):
    """A managed policy. Its id is its ARN; a change makes a new default version and removes the oldest when
    there are five.
    """

    def create(self, call: Call, inputs: Properties) -> str:
        arguments = {
            "PolicyName": inputs["name"],
            "Path": inputs.get("path") or "/",
            "PolicyDocument": inputs["policy"],
        }
        if inputs.get("description"):
            arguments["Description"] = inputs["description"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags)
        return str(call.client("iam").create_policy(**arguments)["Policy"]["Arn"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("iam")
        answer = _gone(lambda: client.get_policy(PolicyArn=resource_id))
        if answer is None:
            return None
        policy = answer["Policy"]
        version = client.get_policy_version(PolicyArn=resource_id, VersionId=policy["DefaultVersionId"])[
            "PolicyVersion"
        ]
        return {
            "arn": policy["Arn"],
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policyId": policy["PolicyId"],
            "description": policy.get("Description") or None,
            "attachmentCount": policy.get("AttachmentCount", 0),
            "policy": _document(version["Document"]),
            "tagsAll": from_pairs(client.list_policy_tags(PolicyArn=resource_id)["Tags"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("iam")
        if news["policy"] != olds.get("policy"):
            versions = client.list_policy_versions(PolicyArn=resource_id)["Versions"]
            spare = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
            if len(versions) >= MANAGED_POLICY_VERSIONS:
                client.delete_policy_version(PolicyArn=resource_id, VersionId=spare[0]["VersionId"])
            client.create_policy_version(
                PolicyArn=resource_id, PolicyDocument=news["policy"], SetAsDefault=True
            )
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_policy(PolicyArn=resource_id, TagKeys=gone)
        if new:
            client.tag_policy(PolicyArn=resource_id, Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("iam")
        for version in client.list_policy_versions(PolicyArn=resource_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=resource_id, VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=resource_id)


class InstanceProfile(Handler):
    """What gives an EC2 instance its role. Its id is its name."""

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("iam"), str(inputs["name"])
        tags = call.all_tags(inputs)
        client.create_instance_profile(
            InstanceProfileName=name,
            Path=inputs.get("path") or "/",
            **({"Tags": pairs(tags)} if tags else {}),
        )
        call.created(name)
        if inputs.get("role"):
            self._add(call, name, inputs["role"])
        return name

    @staticmethod
    def _add(call: Call, name: str, role: str) -> None:
        call.client("iam").add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("iam")
        answer = _gone(lambda: client.get_instance_profile(InstanceProfileName=resource_id))
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        return {
            "name": profile["InstanceProfileName"],
            "arn": profile["Arn"],
            "path": profile["Path"],
            "uniqueId": profile["InstanceProfileId"],
            "createDate": iso(profile.get("CreateDate")),
            "role": next((role["RoleName"] for role in profile["Roles"]), None),
            "tagsAll": from_pairs(client.list_instance_profile_tags(InstanceProfileName=resource_id)["Tags"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("iam")
        if news.get("role") != olds.get("role"):
            if olds.get("role"):
                client.remove_role_from_instance_profile(
                    InstanceProfileName=resource_id, RoleName=olds["role"]
                )
            if news.get("role"):
                self._add(call, resource_id, news["role"])
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_instance_profile(InstanceProfileName=resource_id, TagKeys=gone)
        if new:
            client.tag_instance_profile(InstanceProfileName=resource_id, Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("iam")
        for role in client.get_instance_profile(InstanceProfileName=resource_id)["InstanceProfile"]["Roles"]:
            client.remove_role_from_instance_profile(
                InstanceProfileName=resource_id, RoleName=role["RoleName"]
            )
        client.delete_instance_profile(InstanceProfileName=resource_id)
