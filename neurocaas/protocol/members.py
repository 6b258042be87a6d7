"""Who is in a group, for the service and for the group itself: what the deploy says, and what a lead has
asked for since.

The deploy of `utils` writes parameters of Systems Manager below `/neurocaas/members/<group>/`: `people/<n>`
say by which identity AWS names each of the group's people, some in each (a parameter has 4 KiB). A lead of
the group writes `changes`, and nothing else there: who is to be added, and who is taken out. The service
heeds who was taken out from the next submission on; all else counts from the next deploy of `utils` on, which
stays within what groups.yaml allows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PARAMETERS = "/neurocaas/members"
PEOPLE, CHANGES = "people", "changes"
SCHEMA_VERSION = 1
PARAMETER_BYTES = 4_096
"""Of a standard parameter's value (Systems Manager user guide, "Managing parameter tiers")."""
_ROOM = 3_600
_ID_CHARACTERS = 32
"""Room for a unique id of IAM, which is not known before the user is there (they have 21 characters)."""

OUTSIDE = "="
"""First character of the names of sessions that administrators take: no person's name here begins with it. So
nobody who works with the rights of another role passes for a member."""

PERSON = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_SESSION = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
"""`RoleSessionName` (AWS STS API reference, "AssumeRole")."""
_ROLE = re.compile(r"(?:AWS:)?(?P<role>AROA[A-Z0-9]+):(?P<session>[A-Za-z0-9_+=,.@-]{2,64})")
_USER = re.compile(r"(?:AWS:)?(?P<user>AIDA[A-Z0-9]+)")
CHANGED_MOST = 100
"""Names in the changes of a lead, added and removed together."""


def session_of_subject(subject: str) -> str:
    """The name of the sessions of a person who is `subject` at a provider of OpenID Connect: its last part
    (behind the last `|`, `/` or `:`, which no session's name has); where no session can be called so, with a
    digest. A trust policy can tie the former to any token's subject, the latter to one that it names."""
    last = re.split(r"[|/:]", subject)[-1]
    if fits(last):
        return last
    text = re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", subject)
    return f"{text[:40]}-{hashlib.sha256(subject.encode()).hexdigest()[:16]}"


def fits(name: str) -> bool:
    """Whether the session of a role can have that name, and is no administrator's by it."""
    return bool(_SESSION.fullmatch(name)) and not name.startswith(OUTSIDE)


def sessions_of_caller(arn: str) -> tuple[str, ...]:
    """The names that a session of a group's role may have which the caller with this ARN takes, the likelier
    first: trust policies allow no other. A user's is their own name. Who comes by a role has the name of the
    session that they have (a person of Identity Center), or works as an administrator (`OUTSIDE`); so does
    the account itself in a local cloud."""
    name = re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", arn.rpartition("/")[2].rpartition(":")[2])[:63]
    if ":user/" in arn:
        return (name.ljust(2, "-"),)
    outside = f"{OUTSIDE}{name}"
    return (name.ljust(2, "-"), outside) if ":assumed-role/" in arn else (outside,)


@dataclass(frozen=True)
class Member:
    """`user_id`: of the IAM user, "" for none; `sessions`: the names that their sessions of the group's role
    have."""

    name: str
    lead: bool = False
    user_id: str = ""
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberChanges:
    """What a lead has asked for."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(
            {"schema_version": SCHEMA_VERSION, "add": list(self.add), "remove": list(self.remove)}
        )

    @classmethod
    def from_json(cls, text: str) -> MemberChanges | None:
        """None for a text that is no changes: whoever may write it may write anything."""
        try:
            found = json.loads(text)
            add, remove = (tuple(_names(found[key])) for key in ("add", "remove"))
        except (ValueError, KeyError, TypeError):
            return None
        if found.get("schema_version") != SCHEMA_VERSION or len(add) + len(remove) > CHANGED_MOST:
            return None
        return cls(add, remove)

    def adding(self, name: str) -> MemberChanges:
        """The same with one more to be added; a removal that was asked for is taken back."""
        rest = tuple(one for one in self.remove if one != name)
        return MemberChanges(
            self.add if rest != self.remove else tuple(dict.fromkeys((*self.add, name))), rest
        )

    def removing(self, name: str) -> MemberChanges:
        """The same with one more to be taken out; an addition that was asked for is taken back."""
        rest = tuple(one for one in self.add if one != name)
        return MemberChanges(rest, tuple(dict.fromkeys((*self.remove, name))))


@dataclass(frozen=True)
class Roster:
    """`roles`: unique ids of the group's roles for sessions. `provider`: whether an identity provider may
    send people whom groups.yaml does not list, by the names of their sessions. `most`: how many people the
    group may have when its leads add some, None when they add none."""

    roles: tuple[str, ...] = ()
    provider: bool = False
    most: int | None = None
    people: Mapping[str, Member] = field(default_factory=dict)
    changes: MemberChanges = field(default_factory=MemberChanges)

    @property
    def known(self) -> bool:
        """Whether a deploy has said who is in the group: not for the groups of a blueprint alone."""
        return bool(self.roles)

    def submitter(self, principal: str) -> str:
        """The person behind a principal, as S3 names it in its events: `AWS:AIDA…` for a user,
        `AWS:AROA…:SESSION` for the session of a role. Trust policies of the group's roles tie the name of a
        session to its person. `=NAME` is an administrator in a session of the group's role, "" whom nobody
        can name: another role, another user, the account itself."""
        if user := _USER.fullmatch(principal):
            return next((one.name for one in self.people.values() if one.user_id == user["user"]), "")
        found = _ROLE.fullmatch(principal)
        if found is None or found["role"] not in self.roles:
            return ""
        name = found["session"]
        person = next((one.name for one in self.people.values() if name in one.sessions), "")
        return person or (name if self.provider or name.startswith(OUTSIDE) else "")

    def left(self, name: str) -> bool:
        """Whether somebody whose name was noted earlier is not in the group any more, by what the deploy
        says. Whom an identity provider may send, and administrators, are not listed there."""
        return self.known and not self.provider and not name.startswith(OUTSIDE) and name not in self.people

    def taken_out(self, name: str) -> bool:
        """Whether a lead has taken somebody out, and no deploy has followed yet. Leads stay: only groups.yaml
        says who leads."""
        person = self.people.get(name)
        return name in self.changes.remove and not (person and person.lead)


def folder(group: str) -> str:
    """Of the parameters of a group."""
    return f"{PARAMETERS}/{group}"


def changes_parameter(group: str) -> str:
    """The one that a lead writes."""
    return f"{folder(group)}/{CHANGES}"


def people_parameter(group: str, number: int) -> str:
    """One of those that the deploy writes, from 1."""
    return f"{folder(group)}/{PEOPLE}/{number}"


def shares(people: Sequence[Member]) -> list[list[Member]]:
    """The people, so many together that a parameter has room for them; one share at least."""
    found, size = [list[Member]()], 0
    for one in people:
        length = len(json.dumps(_row(one), ensure_ascii=True)) + _ID_CHARACTERS
        if found[-1] and size + length > _ROOM:
            found.append([])
            size = 0
        found[-1].append(one)
        size += length
    return found


def text_of(roles: Iterable[str], *, provider: bool, most: int | None, people: Iterable[Member]) -> str:
    """The value of a `people` parameter."""
    about = {"schema_version": SCHEMA_VERSION, "roles": list(roles), "provider": provider, "most": most}
    return json.dumps({**about, "people": [_row(one) for one in people]})


def all_changes(groups: Iterable[str], parameters: Mapping[str, str]) -> dict[str, MemberChanges]:
    """What leads of these groups have asked for, of all parameters by name."""
    texts = {group: parameters.get(changes_parameter(group), "") for group in groups}
    found = {group: MemberChanges.from_json(text) for group, text in texts.items()}
    return {group: changes for group, changes in found.items() if changes is not None}


def read(ssm: Any, group: str) -> Roster:
    """The roster of a group; `ssm` is a boto3 client. Raises what the client raises."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=folder(group), Recursive=True)
    return roster(group, {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]})


def roster(group: str, parameters: Mapping[str, str]) -> Roster:
    """Of the parameters of a group, by name; those of another version say nothing."""
    roles, people = dict[str, None](), dict[str, Member]()
    provider, most, changes = False, None, MemberChanges()
    for name, text in sorted(parameters.items()):
        if name == changes_parameter(group):
            changes = MemberChanges.from_json(text) or changes
        if not name.startswith(f"{folder(group)}/{PEOPLE}/"):
            continue
        try:
            found = json.loads(text)
            if found["schema_version"] != SCHEMA_VERSION:
                continue
            rows = [Member(str(a), bool(b), str(c), tuple(map(str, d))) for a, b, c, d in found["people"]]
        except (ValueError, KeyError, TypeError):
            continue
        roles |= dict.fromkeys(map(str, found["roles"]))
        provider, most = bool(found.get("provider")), found.get("most")
        people |= {one.name: one for one in rows}
    return Roster(tuple(roles), provider, most if isinstance(most, int) else None, people, changes)


def _row(one: Member) -> list[Any]:
    return [one.name, one.lead, one.user_id, list(one.sessions)]


def _names(given: object) -> list[str]:
    if not isinstance(given, list) or not all(
        isinstance(one, str) and PERSON.fullmatch(one) for one in given
    ):
        raise TypeError(given)
    return given
