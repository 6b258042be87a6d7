"""`invoke notify`: who is told what, and who has confirmed it."""

from __future__ import annotations

import json as document
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

CONFIRMED, WAITING, MISSING, STRAY = "confirmed", "waits for its link", "not subscribed", "no group names it"


@dataclass(frozen=True)
class SubscriptionRow:
    """An address. `groups`: what each group tells it, in words; none for one that is left over. `arn`: of
    its subscription, "" where nobody has confirmed one."""

    address: str
    state: str
    groups: Mapping[str, str]
    arn: str = ""


@task(
    help={
        "group": "Only the addresses of this group.",
        "again": "Ask those once more who have not confirmed (a link is good for two days).",
        "tidy": "Unsubscribe addresses that no group of groups.yaml names any more.",
        "json": "One JSON object for a program.",
    }
)
def notify(c: Context, group: str = "", again: bool = False, tidy: bool = False, json: bool = False) -> None:
    """Who is told what of each group (`notify` in groups.yaml), and who has confirmed it.

    Each address is asked by a message with a link; nothing is sent before somebody has followed it.
    """
    import boto3

    from blueprints import groups as people
    from blueprints import notify as said
    from blueprints.finding import some
    from console.cloud import project_root
    from console.commands import engine_of_deployed
    from console.errors import UserError

    directory = people.load(project_root()).groups
    if group and group not in directory:
        raise UserError(
            f"group {group}", f"the groups of {people.FILE}: {some(directory)}", "correct the name"
        )
    engine, name = engine_of_deployed("utils")
    outputs = engine.outputs(name)
    topic, sns = str(outputs["topic_arn"]), boto3.client("sns", region_name=str(outputs["region"]))
    told = {one.name: one.notify for one in directory.values()}
    found = rows(told, subscriptions(sns, topic))
    if group:
        found = [row for row in found if group in row.groups]
    if again:
        policies = said.by_address(told)
        for row in found:
            if row.state in (WAITING, MISSING):
                ask(sns, topic, row.address, said.policy(policies[row.address]))
                sys.stderr.write(f"{row.address}: asked\n")
    if tidy:
        for row in found:
            if row.state == STRAY:
                sns.unsubscribe(SubscriptionArn=row.arn)
                sys.stderr.write(f"{row.address}: unsubscribed\n")
    sys.stdout.write(as_json(found) if json else table(found))


def subscriptions(sns: Any, topic: str) -> dict[str, tuple[str, bool]]:
    """The topic's subscriptions of e-mail and https, by address: the ARN ("" for one that waits), and whether
    it filters as those of groups do. Others are administrators', whom groups.yaml does not name."""
    found = {}
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for one in page["Subscriptions"]:
            if one["Protocol"] not in ("email", "https"):
                continue
            arn = one["SubscriptionArn"] if one["SubscriptionArn"].startswith("arn:") else ""
            if one["SubscriptionArn"] == "Deleted":
                continue
            found[str(one["Endpoint"])] = (arn, not arn or _ours(sns, arn))
    return found


def _ours(sns: Any, arn: str) -> bool:
    from neurocaas.protocol.notice import ABOUT

    said = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"].get("FilterPolicy")
    try:
        policy = document.loads(said) if said else {}
    except ValueError:
        return False
    return isinstance(policy, dict) and set(policy) == {ABOUT}


def rows(told: Mapping[str, Iterable[Any]], there: Mapping[str, tuple[str, bool]]) -> list[SubscriptionRow]:
    """A row for each address that a group names, and for each that is left over from before."""
    named: dict[str, dict[str, list[str]]] = {}
    for group, entries in told.items():
        for entry in entries:
            named.setdefault(entry.to, {}).setdefault(group, []).append(_words(entry))
    found = []
    for address in sorted({*named, *there}):
        groups = {group: "; ".join(words) for group, words in named.get(address, {}).items()}
        arn, filtered = there.get(address, ("", False))
        if not groups:
            # One that waits is forgotten by SNS itself, and nobody can take it away.
            if arn and filtered:
                found.append(SubscriptionRow(address, STRAY, {}, arn))
            continue
        state = MISSING if address not in there else CONFIRMED if arn else WAITING
        found.append(SubscriptionRow(address, state, groups, arn))
    return found


def ask(sns: Any, topic: str, address: str, policy: Mapping[str, Any]) -> None:
    """Subscribe as the stack does: SNS sends the link again to one that waits (Amazon SNS API reference,
    "Subscribe")."""
    from blueprints.notify import protocol_of

    sns.subscribe(
        TopicArn=topic,
        Protocol=protocol_of(address),
        Endpoint=address,
        Attributes={
            "FilterPolicy": document.dumps(policy, sort_keys=True),
            "FilterPolicyScope": "MessageAttributes",
        },
        ReturnSubscriptionArn=True,
    )


def table(found: Sequence[SubscriptionRow]) -> str:
    """For a terminal."""
    lines = []
    for row in found:
        lines.append(f"{row.address}: {row.state}")
        lines += [f"  {group}: {words}" for group, words in sorted(row.groups.items())]
    waiting = sum(row.state in (WAITING, MISSING) for row in found)
    if waiting:
        lines += [
            "",
            f"{waiting} of {len(found)} are told nothing yet: `invoke notify --again` asks them once more",
        ]
    if any(row.state == STRAY for row in found):
        lines += ["", "`invoke notify --tidy` unsubscribes those that no group names"]
    return "".join(f"{line}\n" for line in lines or ["no group of groups.yaml has `notify`"])


def as_json(found: Sequence[SubscriptionRow]) -> str:
    data = [
        {
            "address": row.address,
            "state": row.state,
            "confirmed": row.state == CONFIRMED,
            "groups": row.groups,
        }
        for row in found
    ]
    return document.dumps({"schema_version": 1, "addresses": data}, indent=2) + "\n"


def _words(entry: Any) -> str:
    events = ", ".join(entry.events)
    which = f" of {', '.join(entry.analyses)}" if entry.analyses else ""
    return f"{events}{which}{' (ended jobs once a day)' if entry.digest else ''}"


collection = Collection(notify)
