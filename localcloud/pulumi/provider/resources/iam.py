"""Roles, policies and instance profiles."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import unquote

from localcloud.pulumi.provider.errors import ProviderError, code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags

MANAGED_POLICY_VERSIONS = 5
"""IAM keeps at most five versions of a managed policy."""


def tagged(noun: str, argument: str) -> Tags:
    """IAM has tag calls of its own for each kind of thing."""
    return Tags(
        service="iam",
        argument=argument,
        tag=f"tag_{noun}",
        untag=f"untag_{noun}",
        listing=f"list_{noun}_tags",
    )


def _document(value: Any) -> str:
    """A policy document as text: boto3 parses it, other answers have it URL-encoded."""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else unquote(value)


class Role(Named):
    """A role. Its id is its name."""

    service = "iam"
    calls = ("create_role", "get_role", "update_role", "delete_role")
    key, found = "RoleName", "Role"
    sent = members(
        "path description maxSessionDuration permissionsBoundary",
        name="RoleName",
        assumeRolePolicy="AssumeRolePolicyDocument",
    )
    told = members(
        "arn createDate", uniqueId="RoleId", permissionsBoundary="PermissionsBoundary.PermissionsBoundaryArn"
    )
    tags = tagged("role", "RoleName")

    def passing(self, error: BaseException) -> bool:
        """A principal in the trust policy may be too new for IAM to know it."""
        return code(error) == "MalformedPolicyDocument" and "Invalid principal" in str(error)

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        trust = _document(found["AssumeRolePolicyDocument"])
        return {**super().properties(call, found, state), "assumeRolePolicy": trust}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("iam")
        client.update_assume_role_policy(RoleName=resource_id, PolicyDocument=news["assumeRolePolicy"])
        client.update_role(
            RoleName=resource_id,
            Description=news.get("description") or "",
            MaxSessionDuration=news.get("maxSessionDuration") or 3600,
        )
        if boundary := news.get("permissionsBoundary"):
            client.put_role_permissions_boundary(RoleName=resource_id, PermissionsBoundary=boundary)
        elif olds.get("permissionsBoundary"):
            client.delete_role_permissions_boundary(RoleName=resource_id)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("iam")
        for profile in client.list_instance_profiles_for_role(RoleName=resource_id)["InstanceProfiles"]:
            client.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], RoleName=resource_id
            )
        super().delete(call, resource_id, state)


class _InlinePolicy(Handler):
    """A policy inside a role or group. Its id is `OWNER:POLICY`."""

    owner: ClassVar[str]
    """The input that names the owner, which is also the noun in operation names."""
    argument: ClassVar[str]
    """The owner's name in calls."""

    def __init_subclass__(cls) -> None:
        cls.request = ("iam", f"put_{cls.owner}_policy")
        cls.sent = {cls.owner: cls.argument, "name": "PolicyName", "policy": "PolicyDocument"}

    def create(self, call: Call, inputs: Properties) -> str:
        resource_id = f"{inputs[self.owner]}:{inputs['name']}"
        self._do(call, "put", resource_id, PolicyDocument=inputs["policy"])
        return resource_id

    def _do(self, call: Call, verb: str, resource_id: str, **more: Any) -> Any:
        owner, _, name = resource_id.partition(":")
        if not owner or not name:
            form = f"{self.owner.upper()}:POLICY"
            raise ProviderError(f"got the id {resource_id!r}; {form} is needed; write it so")
        act = getattr(call.client("iam"), f"{verb}_{self.owner}_policy")
        return act(**{self.argument: owner}, PolicyName=name, **more)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = self._do(call, "get", resource_id)
        owner, _, name = resource_id.partition(":")
        return {self.owner: owner, "name": name, "policy": _document(found["PolicyDocument"])}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._do(call, "put", resource_id, PolicyDocument=news["policy"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._do(call, "delete", resource_id)


class RolePolicy(_InlinePolicy):
    """A policy inside a role."""

    owner, argument = "role", "RoleName"


class GroupPolicy(_InlinePolicy):
    """A policy inside a group."""

    owner, argument = "group", "GroupName"


class Policy(Named):
    """A managed policy. Its id is its ARN; a change makes a new default version and removes the oldest when
    there are five.
    """

    service = "iam"
    calls = ("create_policy", "get_policy", "create_policy_version", "delete_policy")
    key, made, found = "PolicyArn", "Policy.Arn", "Policy"
    sent = members("path description", name="PolicyName", policy="PolicyDocument")
    told = members("arn policyId attachmentCount")
    tags = tagged("policy", "PolicyArn")

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        version = call.client("iam").get_policy_version(
            PolicyArn=found["Arn"], VersionId=found["DefaultVersionId"]
        )["PolicyVersion"]
        return {**super().properties(call, found, state), "policy": _document(version["Document"])}

    def _spare(self, call: Call, arn: str) -> list[str]:
        """The versions that are not the default, oldest first."""
        versions = call.client("iam").list_policy_versions(PolicyArn=arn)["Versions"]
        spare = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
        return [version["VersionId"] for version in spare]

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if news["policy"] == olds.get("policy"):
            return
        client, spare = call.client("iam"), self._spare(call, resource_id)
        if len(spare) + 1 >= MANAGED_POLICY_VERSIONS:
            client.delete_policy_version(PolicyArn=resource_id, VersionId=spare[0])
        client.create_policy_version(PolicyArn=resource_id, PolicyDocument=news["policy"], SetAsDefault=True)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        for version in self._spare(call, resource_id):
            call.client("iam").delete_policy_version(PolicyArn=resource_id, VersionId=version)
        super().delete(call, resource_id, state)


class InstanceProfile(Named):
    """What gives an EC2 instance its role. Its id is its name."""

    service = "iam"
    calls = ("create_instance_profile", "get_instance_profile", "", "delete_instance_profile")
    key, found = "InstanceProfileName", "InstanceProfile"
    sent = {"name": "InstanceProfileName", "path": "Path"}
    told = members("arn createDate", uniqueId="InstanceProfileId", role="Roles.0.RoleName")
    tags = tagged("instance_profile", "InstanceProfileName")

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        if inputs.get("role"):
            call.client("iam").add_role_to_instance_profile(
                InstanceProfileName=resource_id, RoleName=inputs["role"]
            )

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if news.get("role") != olds.get("role"):
            self._empty(call, resource_id)
            self.finish(call, resource_id, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._empty(call, resource_id)
        super().delete(call, resource_id, state)

    @staticmethod
    def _empty(call: Call, name: str) -> None:
        client = call.client("iam")
        for role in client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
            client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
