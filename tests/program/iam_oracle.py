"""An IAM of its own, from AWS's description of how requests are judged (IAM user guide, "Policy evaluation
logic", "IAM JSON policy
elements: Condition operators", "IAM policy elements: Variables and tags"). It shares nothing with the program
or with the local cloud, and refuses what it does not know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

Policy = Mapping[str, Any]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}
"""Characters of no name, which stand for the variables `${*}`, `${?}` and `${$}` in a pattern."""
_RARE = {"?", *_LITERAL.values()}
"""What only a regular expression knows."""


class _UnresolvedError(Exception):
    """A variable without a value: the statement does not apply."""


def allowed(
    policies: Sequence[Policy],
    action: str,
    resource: str,
    boundary: Policy | None = None,
    owner: str = "111122223333",
    **context: str,
) -> bool:
    """Whether a principal with these identity policies may do it. `owner`: the account of the resource, which
    the ARN of a bucket does not say. `context`: condition keys, with '__' for ':' and '/'.
    """
    keys = {key.replace("__", ":", 1).replace("__", "/").lower(): value for key, value in context.items()}
    keys["aws:resourceaccount"] = owner
    every = [statement for policy in policies for statement in policy["Statement"]]
    if _any(every, "Deny", action, resource, keys):
        return False
    within = boundary is None or (
        _any(boundary["Statement"], "Allow", action, resource, keys)
        and not _any(boundary["Statement"], "Deny", action, resource, keys)
    )
    return within and _any(every, "Allow", action, resource, keys)


def about(policies: Sequence[Policy], action: str) -> list[Policy]:
    """The statements that name an action: for this one they say the same as all."""
    return [
        {
            "Statement": [
                one
                for one in policy["Statement"]
                if "Action" not in one or any(_names(wanted, action) for wanted in _list(one["Action"]))
            ]
        }
        for policy in policies
    ]


def may_take(trust: Policy, principal: tuple[str, str], action: str, **context: str) -> bool:
    """Whether a role's trust policy lets a principal (kind and name, as in `Principal`) take it by this
    action.
    """
    kind, name = principal
    own = [one for one in trust["Statement"] if name in _list(one["Principal"].get(kind, []))]
    stripped = [
        {"Resource": "*", **{key: value for key, value in one.items() if key != "Principal"}} for one in own
    ]
    return allowed([{"Statement": stripped}], action, "role", None, **context)


def _any(
    statements: Sequence[Mapping[str, Any]], effect: str, action: str, resource: str, keys: Mapping[str, str]
) -> bool:
    return any(
        statement["Effect"] == effect and _applies(statement, action, resource, keys)
        for statement in statements
    )


def _applies(statement: Mapping[str, Any], action: str, resource: str, keys: Mapping[str, str]) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert not unknown, f"the oracle does not know {unknown}"
    if not any(_names(wanted, action) for wanted in _list(statement["Action"])):
        return False
    try:
        if not any(_like(_expanded(wanted, keys), resource) for wanted in _list(statement["Resource"])):
            return False
        return all(
            _holds(operator, tests, keys) for operator, tests in statement.get("Condition", {}).items()
        )
    except _UnresolvedError:
        return False


def _holds(operator: str, tests: Mapping[str, Any], keys: Mapping[str, str]) -> bool:
    """Every key of an operator must hold, with one of its values (for a negated operator: with none). A key
    that the request does not have holds for the negated ones, and for "ForAllValues:" (all of none)."""
    if operator == "Null":
        return all((key.lower() not in keys) is (wanted == "true") for key, wanted in tests.items())
    of_all, operator = operator.startswith("ForAllValues:"), operator.removeprefix("ForAllValues:")
    match = {
        "StringEquals": str.__eq__, "StringNotEquals": str.__eq__, "StringLike": _like,
        "StringNotLike": _like, "ArnEquals": _like, "ArnLike": _like, "ArnNotLike": _like, "Bool": _same,
    }[operator]  # fmt: skip
    negated = "Not" in operator
    for key, values in tests.items():
        value, texts = keys.get(key.lower()), [_expanded(str(wanted), keys) for wanted in _list(values)]
        if value is None and of_all:
            continue
        if (value is not None and any(match(text, value) for text in texts)) is negated:
            return False
    return True


def _expanded(text: str, keys: Mapping[str, str]) -> str:
    """The text with the values of its variables. What is a wildcard in a value counts as one here, so that a
    policy which is right with this is right in either case: AWS does not say."""

    def value(found: re.Match[str]) -> str:
        known = _LITERAL.get(found[1]) or keys.get(found[1].lower())
        if known is None:
            raise _UnresolvedError(found[1])
        return known

    return _VARIABLE.sub(value, text)


def _same(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


@cache
def _names(wanted: str, action: str) -> bool:
    return _like(wanted.lower(), action.lower())


def _like(pattern: str, value: str) -> bool:
    """'*' is any text, with '/' and ':' in it, '?' one character; nothing else is special."""
    if _RARE.isdisjoint(pattern):
        first, *parts = pattern.split("*")
        if not parts:
            return pattern == value
        if not value.startswith(first):
            return False
        place = len(first)
        for part in parts[:-1]:
            place = value.find(part, place)
            if place < 0:
                return False
            place += len(part)
        return place + len(parts[-1]) <= len(value) and value.endswith(parts[-1])
    return _compiled(pattern).fullmatch(value) is not None


@lru_cache(10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The same, for all patterns."""
    special = {
        "*": ".*",
        "?": ".",
        **{stands: re.escape(character) for character, stands in _LITERAL.items()},
    }
    return re.compile(
        "".join(special.get(part) or re.escape(part) for part in re.split("([*?\ue000-\ue002])", pattern)),
        re.S,
    )
