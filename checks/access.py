"""Rules about who may do what: roles, identity policies, resource policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from checks.published import published
from checks.resource import Resource, StackResources, as_list
from checks.rule import Rule
from checks.unscoped import UNSCOPED

ROLE = "aws:iam/role:Role"
KEY = "aws:kms/key:Key"
IDENTITY = tuple(
    f"aws:iam/{kind[0].lower()}{kind[1:]}:{kind}"
    for kind in ("Policy", "RolePolicy", "GroupPolicy", "UserPolicy")
)
ATTACHMENTS = tuple(
    f"aws:iam/{kind[0].lower()}{kind[1:]}:{kind}"
    for kind in ("RolePolicyAttachment", "GroupPolicyAttachment", "UserPolicyAttachment", "PolicyAttachment")
)
OF_RESOURCES = (
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sns/topicPolicy:TopicPolicy",
    KEY,
)
OF_AWS = ":iam::aws:policy/"
_WIDE = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")


def _allowing(resource: Resource) -> Iterator[Mapping[str, Any]]:
    """The statements of a resource that allow something, those of a role's inline policies among them."""
    statements = resource.statements("policy")
    for number in range(len(resource.all("inlinePolicies")) if resource.type == ROLE else 0):
        text = resource.get("inlinePolicies", number, "policy")
        statements += Resource(resource.type, resource.name, {"policy": text}).statements("policy")
    return (one for one in statements if one.get("Effect") == "Allow")


def _administers_key(resource: Resource, statement: Mapping[str, Any]) -> bool:
    """The statement without which nobody could ever change a key (KMS developer guide, "Default key
    policy").
    """
    principal = statement.get("Principal")
    by = principal.get("AWS") if isinstance(principal, Mapping) else None
    return resource.type == KEY and isinstance(by, str) and by.endswith(":root")


def _boundary(resource: Resource, stack: StackResources) -> Iterator[str]:
    if not resource.has("permissionsBoundary"):
        yield "a role without a permissions boundary"


def _wildcard_action(resource: Resource, stack: StackResources) -> Iterator[str]:
    for statement in _allowing(resource):
        if _administers_key(resource, statement):
            continue
        if "NotAction" in statement:
            yield f"an allowing NotAction ({statement.get('Sid', 'no Sid')})"
        wide = [action for action in as_list(statement.get("Action", [])) if "*" in action or "?" in action]
        if wide:
            yield f"{', '.join(wide)} ({statement.get('Sid', 'no Sid')})"


def _unscoped(resource: Resource, stack: StackResources) -> Iterator[str]:
    for statement in _allowing(resource):
        if "NotResource" in statement:
            yield f"an allowing NotResource ({statement.get('Sid', 'no Sid')})"
        if "*" in as_list(statement.get("Resource", [])):
            tied = sorted(
                {action for action in as_list(statement.get("Action", [])) if action not in UNSCOPED}
            )
            if tied:
                yield f"{', '.join(tied)} on every resource ({statement.get('Sid', 'no Sid')})"


def _pass_role(resource: Resource, stack: StackResources) -> Iterator[str]:
    for statement in _allowing(resource):
        if "iam:PassRole" in as_list(statement.get("Action", [])):
            conditions = statement.get("Condition", {})
            if not any("iam:PassedToService" in test for test in conditions.values()):
                yield f"iam:PassRole to any service ({statement.get('Sid', 'no Sid')})"


def _foreign_policy(resource: Resource, stack: StackResources) -> Iterator[str]:
    key = "managedPolicyArns" if resource.type == ROLE else "policyArn"
    for arn in resource.all(key):
        name = str(arn).rpartition("/")[2]
        if OF_AWS in arn and ("FullAccess" in name or name in _WIDE):
            yield name


def _public_policy(resource: Resource, stack: StackResources) -> Iterator[str]:
    for statement in _allowing(resource):
        principal = statement.get("Principal")
        everybody = principal == "*" or (
            isinstance(principal, Mapping) and "*" in as_list(principal.get("AWS", []))
        )
        if (
            everybody and not statement.get("Condition") and not published(statement)
        ) or "NotPrincipal" in statement:
            yield f"everybody is allowed ({statement.get('Sid', 'no Sid')})"


def _for_some(statement: Mapping[str, Any]) -> bool:
    """Whether a trust in an identity provider has conditions beside the audience, which all its people
    share.
    """
    keys = {key for test in statement.get("Condition", {}).values() for key in test}
    return any(not key.lower().endswith(":aud") for key in keys)


def _trust(resource: Resource, stack: StackResources) -> Iterator[str]:
    for statement in resource.statements("assumeRolePolicy"):
        principal = statement.get("Principal", "*")
        # tags alone take no role: that is another action
        if statement.get("Effect") != "Allow" or as_list(statement.get("Action", [])) == ["sts:TagSession"]:
            continue
        if principal == "*" or "*" in as_list(principal.get("AWS", [])):
            yield "a role that everybody may take"
        elif "Federated" in principal and not _for_some(statement):
            yield "a role that everybody of an identity provider may take"


RULES = (
    Rule(
        "role-boundary", (ROLE,), "a permissions boundary on every role",
        "give the role `permissions_boundary`: the output permissions_boundary_arn of utils", _boundary,
    ),
    Rule(
        "no-wildcard-action", (*IDENTITY, ROLE, *OF_RESOURCES), "actions by their full names",
        "write out the actions that are needed", _wildcard_action,
    ),
    Rule(
        "no-unscoped-resource", (*IDENTITY, ROLE), 'resource "*" only for the actions in '
            'checks/unscoped.py, which have no resource level',
        "name the resources, or add the action there with the reason", _unscoped,
    ),
    Rule(
        "pass-role-to-a-service", (*IDENTITY, ROLE), "iam:PassRole with a condition on iam:PassedToService",
        "name the service that gets the role", _pass_role,
    ),
    Rule(
        "no-full-access", (ROLE, *ATTACHMENTS), "no FullAccess, administrator or power user policy of AWS",
        "write a policy of its own in components/policies", _foreign_policy,
    ),
    Rule(
        "no-public-policy", OF_RESOURCES, "principals by name; everybody only under a condition, or to read "
            "what is published",
        "name who is allowed", _public_policy,
    ),
    Rule(
        "role-trust", (ROLE,), "a role that is taken by a named service or account",
        "name in the trust policy who may take the role", _trust,
    ),
)  # fmt: skip
