"""What each person of `groups.yaml` types to come in: as a table for the administrator, and as texts for the
people. Nothing in them is secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from blueprints import ways
from blueprints.finding import some
from blueprints.groups import FILE, Directory
from blueprints.ways import Service, Way
from console.errors import UserError
from console.layout import MARGIN, labelled
from neurocaas.configuration import as_word

Row = Mapping[str, Any]


def command(way: Way) -> str:
    """What a person types once."""
    if not way.before:
        return f"neurocaas login --settings {as_word(way.settings)}"
    said = way.settings
    group = f"--group {said['group']} --region {said['region']}{' --lead' if said.get('lead') else ''}"
    return f"neurocaas login --aws-profile {said['aws_profile']} {group}"


def rows(directory: Directory, service: Service, group: str = "") -> list[Row]:
    """A row for each person; `group`: only those of it."""
    found = list[Row]()
    for user in directory.users:
        groups = directory.memberships(user)
        if group and group not in {name for name, _ in groups}:
            continue
        found.append(
            {
                "user": user,
                "email": directory.users[user].email,
                "groups": [f"{name} (lead)" if leads else name for name, leads in groups],
                "ways": [
                    {
                        "kind": way.kind,
                        "words": way.words,
                        "before": way.before,
                        "type": command(way),
                        "last_resort": way.last_resort,
                    }
                    for way in ways.of(directory, user, service)
                ],
            }
        )
    return found


def table(rows_: Sequence[Row]) -> str:
    """For a terminal: the person, and for each way what is typed. The word of settings is one line."""
    lines, shut = [], []
    for row in rows_:
        lines.append(f"{row['user']}: {', '.join(row['groups']) or 'in no group'}")
        for way in row["ways"]:
            lines.append(
                labelled("way", f"{way['words']}{' (the last resort)' if way['last_resort'] else ''}")
            )
            lines += [labelled("first", way["before"])] if way["before"] else []
            lines.append(f"{'  type'.ljust(MARGIN)}{way['type']}")  # in one line, to be copied
        if row["groups"] and not row["ways"]:
            shut.append(row["user"])
            lines.append("  no way in")
    if shut:
        lines += ["", f"{len(shut)} of {len(rows_)} have no way in: `invoke validate {FILE}` says what to do"]
    return "".join(f"{line}\n" for line in lines or [f"nobody is in {FILE}"])


def texts(directory: Directory, service: Service, group: str, user: str = "") -> list[Row]:
    """A text for each member of the group. Raises UserError for who is not in it, or has no way in."""
    members = rows(directory, service, group)
    if user:
        members = [row for row in members if row["user"] == user]
        if not members:
            here = some(row["user"] for row in rows(directory, service, group))
            raise UserError(f"user {user}", f"the members of {group}: {here}", "correct the name")
    shut = [row["user"] for row in members if not row["ways"]]
    if shut:
        raise UserError(
            f"no way in for {', '.join(shut)}",
            "at least one way for each member",
            f"`invoke validate {FILE}` says which there are; --user NAME invites one of the others",
        )
    title = directory.groups[group].title
    return [
        {"user": row["user"], "email": row["email"], "text": _letter(row, group, title)} for row in members
    ]


def letters(texts_: Sequence[Row]) -> str:
    """All texts, each with its address above it."""
    return "\n".join(f"--- to {one['email'] or one['user']} ---\n\n{one['text']}" for one in texts_)


def as_json(rows_: Sequence[Row]) -> str:
    return json.dumps({"schema_version": 1, "people": list(rows_)}, indent=2) + "\n"


def policy(service: Service, directory: Directory) -> str:
    """The inline policy of the permission set. Which roles its users take, the roles say."""
    if directory.identity_center is None:
        raise UserError(
            f"no identity_center in {FILE}", "the block identity_center", "add it: docs/reference/groups.md"
        )
    roles = f"arn:{service.partition}:iam::{service.account}:role/neurocaas-{service.region}-*"
    statement = {"Sid": "TakeRolesOfGroups", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2) + "\n"


def _letter(row: Row, group: str, title: str) -> str:
    way = row["ways"][0]
    steps = ["pip install neurocaas", *([way["before"]] if way["before"] else []), way["type"]]
    numbered = "\n".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
    return (
        f"Hello {row['user']},\n\n"
        f"you are in the group {group}{f' ({title})' if title else ''} of our NeuroCAAS service. Your "
        f"groups: {', '.join(row['groups'])}.\nYou come in by {way['words']}. On your computer, with Python "
        "3.10 or later, type once:\n\n"
        f"{numbered}\n\n"
        "The last one says who you are. Then\n\n"
        "  neurocaas analyses        # what your group may use\n"
        "  neurocaas describe NAME   # what its data must be\n"
        "  neurocaas submit NAME --data FILE --config FILE\n\n"
        "Nothing in this text is secret. When a sign-in has expired, `neurocaas login` renews it.\n"
    )
