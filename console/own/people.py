"""Identity and access: roles, policies, profiles, users, groups."""

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

from console.own.model import Account, Thing, WantedResource, autonamed, tagging

ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
POLICY, PROFILE = "aws:iam/policy:Policy", "aws:iam/instanceProfile:InstanceProfile"
USER = "aws:iam/user:User"
GROUP, GROUP_POLICY = "aws:iam/group:Group", "aws:iam/groupPolicy:GroupPolicy"


def roles(at: Account, prefix: str) -> Iterator[Thing]:
    iam = at.client("iam")
    for one in at.pages("iam", "list_roles", "Roles"):
        name = one["RoleName"]
        if name.startswith(prefix):
            yield Thing(ROLE, name, name, one["Arn"], tagging(iam.list_role_tags, "Tags", RoleName=name))


def policies(at: Account, prefix: str) -> Iterator[Thing]:
    iam = at.client("iam")
    for one in at.pages("iam", "list_policies", "Policies", Scope="Local"):
        arn = one["Arn"]
        if one["PolicyName"].startswith(prefix):
            yield Thing(
                POLICY, one["PolicyName"], arn, arn, tagging(iam.list_policy_tags, "Tags", PolicyArn=arn)
            )


def profiles(at: Account, prefix: str) -> Iterator[Thing]:
    iam = at.client("iam")
    for one in at.pages("iam", "list_instance_profiles", "InstanceProfiles"):
        name = one["InstanceProfileName"]
        if name.startswith(prefix):
            yield Thing(
                PROFILE,
                name,
                name,
                one["Arn"],
                tagging(iam.list_instance_profile_tags, "Tags", InstanceProfileName=name),
            )


def users(at: Account, prefix: str) -> Iterator[Thing]:
    iam = at.client("iam")
    for one in at.pages("iam", "list_users", "Users"):
        name = one["UserName"]
        if name.startswith(prefix):
            yield Thing(USER, name, name, one["Arn"], tagging(iam.list_user_tags, "Tags", UserName=name))


def decoded(policy: Any) -> Any:
    """boto3 decodes most policies; what is left as text may be quoted for a URL."""
    return json.loads(urllib.parse.unquote(policy)) if isinstance(policy, str) else policy


def role_policies(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Inline policies of a role of ours."""
    role, iam = wanted.home("role"), at.client("iam")
    if role is None or not any(
        one["RoleName"] == role.name for one in at.pages("iam", "list_roles", "Roles")
    ):
        return
    for name in at.pages("iam", "list_role_policies", "PolicyNames", RoleName=role.name):
        if autonamed(wanted.name).fullmatch(name):
            document = decoded(iam.get_role_policy(RoleName=role.name, PolicyName=name)["PolicyDocument"])
            yield Thing(ROLE_POLICY, name, f"{role.name}:{name}", document=document)


def group_policies(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Inline policies of a group of ours."""
    group, iam = wanted.home("group"), at.client("iam")
    if group is None or not any(
        one["GroupName"] == group.name for one in at.pages("iam", "list_groups", "Groups")
    ):
        return
    for name in at.pages("iam", "list_group_policies", "PolicyNames", GroupName=group.name):
        if autonamed(wanted.name).fullmatch(name):
            document = decoded(iam.get_group_policy(GroupName=group.name, PolicyName=name)["PolicyDocument"])
            yield Thing(GROUP_POLICY, name, f"{group.name}:{name}", document=document)


def groups(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Groups have no tags. One of ours has the name that an engine was about to give it, or holds an inline
    policy of the same making as the one that the program wants for it (`wanted.inputs["policy"]`)."""
    iam = at.client("iam")
    for one in at.pages("iam", "list_groups", "Groups"):
        name = one["GroupName"]
        thing = Thing(GROUP, name, name, one["Arn"])
        if wanted.exact:
            if name == wanted.inputs.get("name"):
                yield thing
        elif autonamed(wanted.name).fullmatch(name) and any(
            alike(
                decoded(iam.get_group_policy(GroupName=name, PolicyName=policy)["PolicyDocument"]),
                wanted.inputs.get("policy"),
            )
            for policy in at.pages("iam", "list_group_policies", "PolicyNames", GroupName=name)
            if autonamed(wanted.name).fullmatch(policy)
        ):
            yield thing


def alike(policy: Any, wanted: Any) -> bool:
    """Whether a policy was made for the same things as another, perhaps before some of them changed:
    statements of the same names, and a resource that both name."""
    (sids, resources), (wanted_sids, wanted_resources) = _gist(policy), _gist(wanted)
    return bool(sids and sids == wanted_sids and (resources - {"*"}) & wanted_resources)


def _gist(policy: Any) -> tuple[set[str], set[str]]:
    """The names of the statements, and the resources that they name."""
    found = (decoded(policy) or {}).get("Statement") or ()
    statements = [found] if isinstance(found, dict) else found
    resources: set[str] = set()
    for statement in statements:
        named = statement.get("Resource") or ()
        resources.update([named] if isinstance(named, str) else named)
    return {str(statement.get("Sid")) for statement in statements}, resources
