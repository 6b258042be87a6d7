"""The command about who is in a group."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from neurocaas import access
from neurocaas.commands.command import command
from neurocaas.commands.speaking import JSON, as_json, note, say
from neurocaas.errors import AnalysisError


@command(
    lists=["add", "remove"],
    help={
        "group": "Your group. Default: $NEUROCAAS_GROUP, or your profile's.",
        "add": "A lead's: a user of the administrator's file to be added. May be given several times.",
        "remove": "A lead's: a member to be taken out. May be given several times.",
        **JSON,
    },
)
def members(add: list[str], remove: list[str], group: str = "", json: bool = False) -> None:
    """Show who is in your group; a lead adds and takes out people.

    Who is taken out can submit nothing more at once, and loses all other rights with the next deploy of the
    service, as who is added gets theirs. The administrator's groups.yaml says how many people there may be,
    and who leads.
    """
    from neurocaas import membership

    group = group or access.defaults().group
    if not group:
        raise AnalysisError("no --group", "your group", "say which: --group NAME, or set NEUROCAAS_GROUP")
    if add or remove:
        try:
            found = membership.change(_as_lead(group), group, add, remove)
        except access.NoRole:
            raise membership.no_lead(group) from None
    else:
        found = membership.read(access.session(group=group), group)
    if json:
        people = [asdict(one) for one in membership.rows(found)]
        say(as_json({"schema_version": 1, "group": group, "most": found.most, "people": people}))
        return
    for line in membership.lines(found):
        say(line)
    if found.changes.add or found.changes.remove:
        note("the next deploy of the service does it; who is taken out submits nothing from now on")


def _as_lead(group: str) -> Any:
    """A session of the role of the group's leads, where a profile says how one signs in."""
    profile = access.profile_in_use()
    if profile is None or profile.as_is or profile.lead:
        return access.session(group=group)
    return access.session_of(replace(profile, lead=True), group)


COMMANDS = (members,)
