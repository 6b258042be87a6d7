"""Who is told what: `notify` of the groups of groups.yaml, as one filter policy for each address.

SNS keeps one subscription of an address to a topic, with one filter policy (Amazon SNS API reference,
"Subscribe": another one of the same address with other attributes is refused). So an address that several
groups name has one subscription, whose policy says for each of these groups which events it is sent. It
filters by one attribute, `about`, which begins with the group (`neurocaas.protocol.notice`): a list of what
it may be is all of a policy, and each entry of the list names its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.notice import ABOUT, BUDGET, DIGEST, JOB_ENDED, JOB_FAILED, JOB_IDLE, REFUSED, about

EVENTS = (JOB_ENDED, JOB_FAILED, JOB_IDLE, BUDGET, REFUSED)
"""What a group can be told of."""

DAILY = "daily"

ADDRESSES = 200
"""Subscriptions with a filter policy that a topic may have (AWS General Reference, "Amazon SNS endpoints and
quotas": filter policies for each topic)."""
COMBINATIONS = 150
"""Values that a filter policy of one key may have (Amazon SNS developer guide, "Filter policy constraints":
the product of the numbers of values of its keys)."""


@dataclass(frozen=True, kw_only=True)
class Notify:
    """An entry of `notify`. `to`: an e-mail address, or an https address that takes SNS's messages. `events`:
    of EVENTS; who is told of ended jobs is told of failed ones too. `analyses`: () for all of the group.
    `digest`: "daily" for one message a day about the jobs that have ended, in place of one for each."""

    to: str
    events: tuple[str, ...] = EVENTS
    analyses: tuple[str, ...] = ()
    digest: str = ""

    @property
    def protocol(self) -> str:
        """SNS's word for the kind of address."""
        return protocol_of(self.to)


def protocol_of(address: str) -> str:
    """SNS's word for the kind of an address."""
    return "https" if address.startswith("https://") else "email"


def read(entries: Iterable[Mapping[str, Any]]) -> tuple[Notify, ...]:
    """The entries of one group, as groups.schema.json lets them be."""
    return tuple(
        Notify(
            to=one["to"],
            events=tuple(one.get("events", EVENTS)),
            analyses=tuple(one.get("analyses", ())),
            digest=one.get("digest", ""),
        )
        for one in entries
    )


def values(group: str, entry: Notify) -> list[Any]:
    """What an entry of a group lets through: values of the attribute `about`, or how they begin."""
    singles = set(entry.events)
    if JOB_ENDED in singles:
        # who wants to know when jobs end wants to know of those that fail
        singles = singles - {JOB_ENDED} if entry.digest else singles | {JOB_FAILED}
    found: list[Any] = []
    for event in sorted(singles):
        if entry.analyses:
            found += [about(event, group, analysis)[ABOUT] for analysis in sorted(entry.analyses)]
        else:
            found.append({"prefix": about(event, group)[ABOUT]})
    if entry.digest and JOB_ENDED in entry.events:
        found.append(about(DIGEST, group)[ABOUT])  # it is about all analyses of the group
    return found


def by_address(groups: Mapping[str, Iterable[Notify]]) -> dict[str, list[Any]]:
    """What each address is told, by address, from the entries of all groups."""
    found: dict[str, list[Any]] = {}
    for group in sorted(groups):
        for entry in groups[group]:
            there = found.setdefault(entry.to, [])
            there += [one for one in values(group, entry) if one not in there]
    return dict(sorted(found.items()))


def policy(some: Sequence[Any]) -> dict[str, Any]:
    """The filter policy, for the scope MessageAttributes."""
    return {ABOUT: list(some)}


def digested(groups: Mapping[str, Iterable[Notify]]) -> list[str]:
    """The groups of which somebody wants a digest."""
    return sorted(
        name
        for name, entries in groups.items()
        if any(one.digest and JOB_ENDED in one.events for one in entries)
    )
