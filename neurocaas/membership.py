"""Who is in a group, as its people see it, and what its leads change.

A lead writes one parameter of the group (`neurocaas.protocol.members`) and has no right in IAM. The service
refuses whoever was taken out from the next submission on; the next deploy of `utils` does the rest, within
what the administrator's groups.yaml allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from neurocaas.errors import AnalysisError, UnreachableError, aws_errors, code_of
from neurocaas.protocol import members
from neurocaas.protocol.members import CHANGED_MOST, PERSON, MemberChanges, Roster

TO_BE_ADDED, TAKEN_OUT = "to be added", "taken out"


@dataclass(frozen=True)
class MemberRow:
    """One person. `change`: what a lead has asked for that no deploy has done yet, "" for nothing."""

    name: str
    lead: bool
    change: str = ""


def name_of(session: Any, group: str) -> str:
    """Who one is for the service: the name by which it records what one submits; "" where it would record
    none, and where that cannot be read."""
    import botocore.exceptions

    if not group:
        return ""
    try:
        with aws_errors("AWS"):
            who = session.client("sts").get_caller_identity()
            return members.read(session.client("ssm"), group).submitter(str(who["UserId"]))
    except UnreachableError:
        raise
    except (AnalysisError, botocore.exceptions.ClientError):
        return ""


def rows(roster: Roster) -> Iterator[MemberRow]:
    """The people by name, those who are to come last."""
    for one in sorted(roster.people.values(), key=lambda person: person.name):
        yield MemberRow(one.name, one.lead, TAKEN_OUT if roster.taken_out(one.name) else "")
    for name in roster.changes.add:
        if name not in roster.people:
            yield MemberRow(name, False, TO_BE_ADDED)


def read(session: Any, group: str) -> Roster:
    """The roster of a group. Raises AnalysisError for a group of which the service keeps none, and for who
    may not read it."""
    import botocore.exceptions

    try:
        with aws_errors("Systems Manager"):
            found = members.read(session.client("ssm"), group)
    except botocore.exceptions.ClientError as error:
        if not code_of(error).startswith("AccessDenied"):
            raise
        raise AnalysisError(
            f"no right to see who is in {group}",
            "somebody of the group",
            "check the group: `neurocaas whoami`",
        ) from None
    if not found.known:
        raise AnalysisError(
            f"nobody says who is in the group {group}",
            "a group of the administrator's groups.yaml, deployed by this version of the service",
            "ask your administrator: the people of a blueprint's own group are put into its IAM group; or "
            "choose the region of the service (AWS_REGION)",
        )
    return found


def change(session: Any, group: str, add: Iterable[str], remove: Iterable[str]) -> Roster:
    """Ask for people to be added and taken out; the roster with it. Raises AnalysisError, with every mistake
    of names at once, before anything is written."""
    import botocore.exceptions

    found, add, remove = read(session, group), list(add), list(remove)
    _check(found, add, remove)
    wanted = found.changes
    for name in add:
        wanted = wanted.adding(name)
    for name in remove:
        wanted = wanted.removing(name)
    name = members.changes_parameter(group)
    try:
        with aws_errors("Systems Manager"):
            ssm = session.client("ssm")
            if wanted == MemberChanges():
                ssm.delete_parameter(Name=name)
            else:
                ssm.put_parameter(Name=name, Value=wanted.to_json(), Type="String", Overwrite=True)
    except botocore.exceptions.ClientError as error:
        if code_of(error) != "ParameterNotFound":
            if not code_of(error).startswith("AccessDenied"):
                raise
            raise no_lead(group) from None
    return replace(found, changes=wanted)


def no_lead(group: str) -> AnalysisError:
    """Somebody who does not lead the group."""
    return AnalysisError(
        f"no right to change who is in {group}",
        f"a lead of {group}",
        "ask one (`neurocaas members` says who leads); who leads signs in with `neurocaas login --lead`",
    )


def _check(found: Roster, add: list[str], remove: list[str]) -> None:
    leads = {one.name for one in found.people.values() if one.lead}
    said = [
        *(f"{name!r}, which is no name" for name in (*add, *remove) if not PERSON.fullmatch(name)),
        *(f"{name}, to be added and taken out" for name in add if name in remove),
        *(f"{name}, who leads the group" for name in remove if name in leads),
        *(
            f"{name}, who is not in the group"
            for name in remove
            if not found.provider and name not in found.people and name not in found.changes.add
        ),
    ]
    new = [name for name in add if name not in found.people]
    if new and found.most is None:
        said.append("people to be added, where the administrator lets leads add nobody (members_max)")
    coming = {one.name for one in rows(found) if one.change != TAKEN_OUT} | set(add)
    if found.most is not None and new and len(coming - set(remove)) > found.most:
        said.append(f"{len(coming - set(remove))} people, with room for {found.most}")
    if len(found.changes.add) + len(found.changes.remove) + len(add) + len(remove) > CHANGED_MOST:
        said.append(f"more than {CHANGED_MOST} changes before a deploy")
    if said:
        raise AnalysisError(
            "; ".join(said),
            "names of users of the administrator's groups.yaml, within the group's room; members, not leads, "
            "to be taken out",
            "correct it; `neurocaas members` says who is in the group, the administrator changes who leads",
        )


def lines(found: Roster) -> list[str]:
    """The group's people as a table, and how much room there is."""
    from neurocaas.layout import table

    every = list(rows(found))
    shown = [(one.name, "lead" if one.lead else "member", one.change) for one in every]
    there = sum(one.change != TAKEN_OUT for one in every)
    room = f" of at most {found.most}" if found.most is not None else ""
    return [*table(("name", "is", "change"), shown), f"{there} {'person' if there == 1 else 'people'}{room}"]
