"""A rule, what it finds, and a run of rules over a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checks.resource import NotKnownError, Resource, StackResources

Check = Callable[[Resource, StackResources], Iterator[str]]
"""Yields what is wrong with a resource, once for each fault."""


@dataclass(frozen=True)
class Rule:
    """`types`: of the resources it is about, all of AWS when empty. `allowed`: what holds when it is kept.
    `do`: how to keep it.
    `alone`: it looks at one resource, and not at others around it."""

    name: str
    types: tuple[str, ...]
    allowed: str
    do: str
    check: Check
    alone: bool = True

    def concerns(self, resource: Resource) -> bool:
        return resource.type in self.types if self.types else resource.type.startswith("aws:")


@dataclass(frozen=True)
class BrokenRule:
    """A rule that a resource breaks."""

    rule: Rule
    resource: Resource
    got: str

    def to_dict(self) -> dict[str, str]:
        where = {
            "rule": self.rule.name,
            "type": self.resource.type,
            "name": self.resource.name,
            "urn": self.resource.urn,
        }
        return {**where, "got": self.got, "allowed": self.rule.allowed, "do": self.rule.do}


@dataclass(frozen=True)
class RuleReport:
    """`judged` counts pairs of a rule and a resource that could be judged, `open` has those that need values
    not known yet.
    """

    judged: int
    findings: tuple[BrokenRule, ...]
    open: tuple[tuple[Rule, Resource], ...]


def run(rules: Sequence[Rule], stack: StackResources) -> RuleReport:
    """Every rule on every resource that it concerns."""
    judged, findings, unknown = 0, list[BrokenRule](), list[tuple[Rule, Resource]]()
    for resource in stack.resources:
        for rule in rules:
            if not rule.concerns(resource):
                continue
            try:
                found = [BrokenRule(rule, resource, got) for got in rule.check(resource, stack)]
            except NotKnownError:
                unknown.append((rule, resource))
                continue
            judged += 1
            findings += found
    return RuleReport(judged, tuple(findings), tuple(unknown))
