"""Rules for single values: each makes a function that says what is wrong (got; allowed; what to do), or
`None`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

Rule = Callable[[Any], str | None]


def length(low: int, high: int) -> Rule:
    """A text of `low` to `high` characters."""

    def rule(value: Any) -> str | None:
        if low <= len(value) <= high:
            return None
        return (
            f"got {len(value)} characters; {low} to {high} are allowed; "
            f"{'shorten' if len(value) > high else 'lengthen'} it"
        )

    return rule


def pattern(expression: str, words: str, do: str = "change it to fit") -> Rule:
    """A text that matches `expression` as a whole; `words` say what that means."""
    compiled = re.compile(expression)

    def rule(value: Any) -> str | None:
        return None if compiled.fullmatch(value) else f"got {value!r}; allowed: {words}; {do}"

    return rule


def one_of(*choices: Any) -> Rule:
    """One of `choices`."""

    def rule(value: Any) -> str | None:
        return (
            None
            if value in choices
            else f"got {value!r}; allowed: {', '.join(map(str, choices))}; choose one of them"
        )

    return rule


def between(low: float, high: float, unit: str = "") -> Rule:
    """A number from `low` to `high`."""

    def rule(value: Any) -> str | None:
        if low <= value <= high:
            return None
        return (
            f"got {value}; {low} to {high}{' ' + unit if unit else ''} are allowed; choose a value in this "
            "range"
        )

    return rule


def network(version: Literal[4, 6], example: str) -> Rule:
    """A range of IP addresses, written from its first address."""

    def rule(value: Any) -> str | None:
        try:
            wrong = "/" not in value or ipaddress.ip_network(value).version != version
        except ValueError:
            wrong = True
        return (
            (
                f"got {value!r}; allowed: the first address of a range and its length, such as {example}; "
                "correct it"
            )
            if wrong
            else None
        )

    return rule


def items(low: int, high: int) -> Rule:
    """A list of `low` to `high` items."""

    def rule(value: Any) -> str | None:
        return (
            None
            if low <= len(value) <= high
            else f"got {len(value)} items; {low} to {high} are allowed; change the list"
        )

    return rule


def not_matching(expression: str, words: str, do: str) -> Rule:
    """A text in which `expression` does not occur."""
    compiled = re.compile(expression)

    def rule(value: Any) -> str | None:
        return f"got {value!r}; not allowed: {words}; {do}" if compiled.search(value) else None

    return rule


def arn(service: str = "") -> Rule:
    """An Amazon Resource Name, of `service` when given."""
    expression = rf"arn:[\w-]+:{service or '[a-z0-9-]+'}:[\w-]*:(\d{{12}}|aws(-managed)?|)?:.+"
    words = f"an ARN{' of ' + service if service else ''} (arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE)"
    return pattern(expression, words, "pass the arn of the resource, not its name")


def json_object(value: Any) -> str | None:
    """A text that is a JSON object."""
    parsed, problem = _parse(value)
    return problem if problem else _must_be_object(parsed)


def _parse(text: Any) -> tuple[Any, str | None]:
    try:
        return json.loads(text), None
    except ValueError as error:
        return None, (
            f"got a text that is not JSON ({error}); a JSON object is needed; build it with json.dumps or "
            "pulumi.Output.json_dumps"
        )


def _must_be_object(parsed: Any) -> str | None:
    return (
        None
        if isinstance(parsed, dict)
        else f"got JSON of type {type(parsed).__name__}; a JSON object is needed; wrap it in {{}}"
    )


_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_KEYS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)


def policy(kind: str) -> Rule:
    """A policy document: `identity` (Resource, no Principal), `resource` (both) or `trust` (Principal,
    no Resource).

    Grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """

    def rule(value: Any) -> str | None:
        document, problem = _parse(value)
        problem = problem or _must_be_object(document)
        if problem:
            return problem
        problems = list(_policy_problems(document, kind))
        return "; ".join(problems) if problems else None

    return rule


def _policy_problems(document: dict[str, Any], kind: str) -> Iterable[str]:
    unknown = sorted(document.keys() - {"Version", "Id", "Statement"})
    if unknown:
        yield (
            f"the policy has the unknown element {', '.join(unknown)}; allowed: Version, Id, Statement; "
            "remove it"
        )
    version = document.get("Version", "2012-10-17")
    if version not in _VERSIONS:
        yield f"the policy's Version is {version!r}; allowed: {', '.join(_VERSIONS)}; use 2012-10-17"
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        yield "the policy has no Statement; a list of at least one is needed; add one"
        return
    sids = [str(s["Sid"]) for s in statements if isinstance(s, dict) and s.get("Sid")]
    for sid in sorted({sid for sid in sids if sids.count(sid) > 1}):
        yield f"the Sid {sid!r} occurs {sids.count(sid)} times; a Sid must be unique in its policy; rename one"  # noqa: E501
    for index, statement in enumerate(statements):
        if not isinstance(statement, dict):
            yield f"Statement[{index}] is a {type(statement).__name__}; an object is needed; write {{...}}"
            continue
        for problem in _statement_problems(statement, kind):
            yield f"Statement[{index}] {problem}"


def _statement_problems(statement: dict[str, Any], kind: str) -> Iterable[str]:
    unknown = sorted(statement.keys() - _STATEMENT_KEYS)
    if unknown:
        yield (
            f"has the unknown element {', '.join(unknown)}; allowed: {', '.join(sorted(_STATEMENT_KEYS))}; "
            "check the spelling"
        )
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"has Effect {statement.get('Effect')!r}; allowed: Allow, Deny; set it"
    if "Sid" in statement and not re.fullmatch(
        r"[A-Za-z0-9]*" if kind != "resource" else r"[^\x00]*", str(statement["Sid"])
    ):
        yield f"has Sid {statement['Sid']!r}; allowed: letters and digits; remove the rest"
    yield from _exactly_one(statement, "Action", "NotAction")
    for key in ("Action", "NotAction"):
        for action in _as_list(statement.get(key)):
            if not isinstance(action, str) or not re.fullmatch(
                r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+", action, re.IGNORECASE
            ):
                yield f"has {key} {action!r}; allowed: SERVICE:Operation or *; correct it"
    if kind == "trust":
        if "Resource" in statement or "NotResource" in statement:
            yield "has a Resource; a trust policy has none; remove it"
    else:
        yield from _exactly_one(statement, "Resource", "NotResource")
        for key in ("Resource", "NotResource"):
            for resource in _as_list(statement.get(key)):
                if not isinstance(resource, str) or not (
                    resource == "*" or resource.startswith(("arn:", "*", "${"))
                ):
                    yield f"has {key} {resource!r}; allowed: an ARN or *; pass the arn"
    if kind == "identity":
        if "Principal" in statement or "NotPrincipal" in statement:
            yield (
                "has a Principal; an identity policy has none (it belongs to whom it is attached to); "
                "remove it"
            )
    else:
        yield from _exactly_one(statement, "Principal", "NotPrincipal")
    condition = statement.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(test, dict) for test in condition.values()):
        yield (
            'has a Condition that is no map of operators; allowed: {"StringEquals": {"key": "value"}}; '
            "correct it"
        )


def _exactly_one(statement: dict[str, Any], first: str, second: str) -> Iterable[str]:
    given = [key for key in (first, second) if key in statement]
    if len(given) != 1:
        found = f"both {first} and {second}" if given else f"neither {first} nor {second}"
        yield f"has {found}; exactly one of them is needed; correct it"
    elif statement[given[0]] in ([], "", {}):
        yield f"has an empty {given[0]}; at least one value is needed; add it or drop the statement"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
