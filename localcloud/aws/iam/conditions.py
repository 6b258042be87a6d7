"""Condition keys and policy variables that MiniStack does not resolve."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.ec2 import records

VARIABLE = re.compile(r"\$\{([^}]*)\}")
SESSION = re.compile(r"\Aarn:([^:]+):sts::([0-9]{12}):assumed-role/([^/]+)/")
INSTANCE = re.compile(r":assumed-role/([^/]+)/(i-[0-9a-f]+)\Z")
LITERALS = {"*": "\ue000", "?": "\ue001", "$": "$"}
"""What stands in a pattern for ``${*}``, ``${?}`` and ``${$}``: the characters themselves, of which the first
two are no wildcards then.
"""


def install() -> None:
    """Resolve resource tags of EC2 and Image Builder, whose bucket and session it is, and ``${…}`` in
    resources and condition values.
    """
    evaluator = hooks.iam_evaluator
    resolve_original, first_match_original = evaluator._resolve_condition_key, evaluator._first_match
    hooks.tagging._RESOURCE_TAG_COLLECTORS["ec2"] = _ec2_tags

    def resolve(key: str, context: Any) -> Any:
        lowered = key.lower()
        if lowered == "aws:securetransport":
            # the loopback interface stands in for TLS: a policy that wants TLS is satisfied here
            return "true"
        if lowered == "aws:principalarn" and context.principal_arn:
            return principal(context.principal_arn)
        if lowered in ("aws:resourceaccount", "s3:resourceaccount"):
            return bucket_owner(context.resource_arn) or resolve_original(key, context)
        value = resolve_original(key, context)
        if value is None and lowered.startswith(("ec2:resourcetag/", "aws:resourcetag/", "iam:resourcetag/")):
            wanted = lowered.split("/", 1)[1]
            found = hooks.tagging.resource_tags(context.resource_arn) or {}
            return next((text for name, text in found.items() if name.lower() == wanted), None)
        return value

    def first_match(context: Any, statements: list[Any], effect: str) -> Any:
        return first_match_original(
            context, [_expanded(statement, context, resolve) for statement in statements], effect
        )

    keys_original = evaluator._principal_keys

    def principal_keys(credential: Any) -> dict[str, Any]:
        source = _source_instance(credential)
        return {**keys_original(credential), **({"ec2:sourceinstancearn": source} if source else {})}

    evaluator._principal_keys = principal_keys
    hooks.sts._principal_keys = principal_keys
    evaluator._fnmatch_compile = wildcards
    evaluator._resolve_condition_key = resolve
    evaluator._first_match = first_match


def principal(arn: str) -> str:
    """Of a session, the ARN of its role, with the role's path (IAM user guide, "aws:PrincipalArn"); MiniStack
    takes that of the session.
    """
    session = SESSION.search(arn)
    if session is None:
        return arn
    role = hooks.iam._roles.get_scoped(session[2], None, session[3])
    known: str | None = (role or {}).get("Arn")
    return known or f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}"


def bucket_owner(arn: str) -> str | None:
    """The account of the bucket that an ARN is of, which the ARN does not say (MiniStack takes it for the
    caller's); None for another resource, and for a bucket that is not there.
    """
    bucket = arn.removeprefix("arn:aws:s3:::").partition("/")[0]
    owner: str | None = hooks.s3._bucket_owner_account(bucket)
    return owner


@functools.lru_cache(4096)
def wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """What a pattern of a policy matches from its beginning: ``*`` is any text and ``?`` any character, line
    breaks included (IAM user guide, "Resource"; keys of S3 may have them). Stock MiniStack's stop at a line
    break."""
    literals = {mark: re.escape(character) for character, mark in LITERALS.items() if character != mark}
    parts = {"*": ".*", "?": ".", **literals}
    text = "".join(parts.get(character, re.escape(character)) for character in pattern)
    return re.compile(rf"{text}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _source_instance(credential: Any) -> str | None:
    """The instance whose metadata service gave these credentials: only the fleet, which is root, begins
    sessions for instances.

    The name of a session alone says nothing: whoever may assume the role chooses it.
    """
    named = INSTANCE.search(credential.principal_arn)
    if not named or not hooks.iam_evaluator.is_root_access_key(credential.source_access_key_id or "-"):
        return None
    for account, region, record in records.everywhere():
        if account == credential.account_id and record["InstanceId"] == named[2]:
            profile = (record.get("IamInstanceProfile") or {}).get("Arn")
            with hooks.scope(account, region):
                role = records.role_arn(
                    hooks.iam._lookup_instance_profile(arn=profile) if profile else None, account
                )
            if role is not None and role.rsplit("/", 1)[-1] == named[1]:
                return f"arn:aws:ec2:{region}:{account}:instance/{named[2]}"
    return None


def _ec2_tags() -> Any:
    prefix = f"arn:aws:ec2:{hooks.region()}:{hooks.account()}"
    for identifier, tags in hooks.ec2._tags.items():
        kind = hooks.ec2._guess_resource_type(identifier)
        owner = f"arn:aws:ec2:{hooks.region()}:" if kind == "image" else prefix
        yield f"{owner}:{kind}/{identifier}", tags


def _expanded(statement: Any, context: Any, resolve: Any) -> Any:
    """The statement with its variables replaced; one that has none is returned as it is.

    A variable without a value matches nothing (IAM user guide, "Policy variables", default values: ``${key,
    'default'}``).
    """
    texts = json.dumps([statement.resources, statement.not_resources, statement.conditions])
    if "${" not in texts:
        return statement
    walk = _walker(context, resolve)
    return dataclasses.replace(
        statement,
        resources=walk(statement.resources),
        not_resources=walk(statement.not_resources),
        conditions=_conditions(statement.conditions, walk),
    )


def replaced(tests: dict[str, Any], context: Any) -> dict[str, Any]:
    """The conditions of a statement with their variables replaced."""
    return _conditions(tests, _walker(context, hooks.iam_evaluator._resolve_condition_key))


def _conditions(conditions: dict[str, Any], walk: Any) -> dict[str, Any]:
    return {operator: walk(tests, _of_patterns(operator)) for operator, tests in conditions.items()}


def _walker(context: Any, resolve: Any) -> Any:
    """What replaces the variables of a value, whatever its shape."""

    def replace(match: re.Match[str], pattern: bool) -> str:
        name, _, default = match[1].partition(",")
        name = name.strip()
        if name in LITERALS:
            return LITERALS[name] if pattern else name
        value = resolve(name, context)
        if value is None and default:
            return default.strip().strip("'")
        return match[0] if value is None or isinstance(value, list) else str(value)

    def walk(value: Any, pattern: bool = True) -> Any:
        if isinstance(value, str):
            return VARIABLE.sub(lambda match: replace(match, pattern), value)
        if isinstance(value, list):
            return [walk(item, pattern) for item in value]
        if isinstance(value, dict):
            return {name: walk(item, pattern) for name, item in value.items()}
        return value

    return walk


def _of_patterns(operator: str) -> bool:
    """Whether the operator's values may have wildcards."""
    return "like" in operator.lower() or "arn" in operator.lower()
