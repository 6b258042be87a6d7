"""Rules as the validations that `pulumi_policy` calls. Its objects are taken by their attributes, so this
needs nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checks.preview import NAMES
from checks.resource import UNKNOWN, Resource, StackResources
from checks.rule import Rule, run
from checks.tags import PROVIDER

Validation = Callable[..., None]


def of_resource(rule: Rule, unknown: type[Exception]) -> Validation:
    """Judges one resource. `unknown` is raised by values that are not known yet; what needs them is judged
    when they are.
    """

    def validate(args: Any, report: Callable[[str], None]) -> None:
        for finding in run([rule], StackResources([_resource(args, unknown)])).findings:
            report(_told(rule, finding.got))

    return validate


def of_stack(rule: Rule, unknown: type[Exception]) -> Validation:
    """Judges all resources of a stack together."""

    def validate(args: Any, report: Callable[[str, str], None]) -> None:
        resources = [_resource(one, unknown) for one in args.resources]
        providers = {one.provider.urn: one.provider for one in args.resources if one.provider is not None}
        known = {one.urn for one in resources}
        resources += [
            Resource(PROVIDER, one.name, plain(one.props, unknown), urn)
            for urn, one in providers.items()
            if urn not in known
        ]
        for finding in run([rule], StackResources(resources)).findings:
            report(_told(rule, finding.got), finding.resource.urn)

    return validate


def _told(rule: Rule, got: str) -> str:
    return f"got {got}; allowed: {rule.allowed}; {rule.do}"


def _resource(given: Any, unknown: type[Exception]) -> Resource:
    properties = plain(given.props, unknown)
    depends = getattr(given, "property_dependencies", {})
    return Resource(
        type=given.resource_type,
        name=given.name,
        properties=properties,
        urn=given.urn,
        provider=given.provider.urn if given.provider is not None else "",
        called=frozenset(value for name in NAMES if isinstance(value := properties.get(name), str)),
        depends={key: [one.urn for one in sources] for key, sources in depends.items()},
    )


def plain(value: Any, unknown: type[Exception]) -> Any:
    """A value without the package's wrappers, with UNKNOWN in the place of what is not known yet."""
    if isinstance(value, Mapping):
        return {key: _at(value, key, unknown) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_at(value, place, unknown) for place in range(len(value))]
    return value


def _at(holder: Any, key: Any, unknown: type[Exception]) -> Any:
    try:
        return plain(holder[key], unknown)
    except unknown:
        return UNKNOWN
