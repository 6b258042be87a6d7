"""The people of files of the first implementation as a proposal for `groups.yaml`, and what is left of it for
a person to see to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from blueprints.groups import GROUPS_OF_A_USER
from neurocaas.protocol import yaml12

_MOST_MEMBERS = 1000
_MOST_ANALYSES = 100
"""In groups.schema.json."""
_HEAD = """\
# A proposal, made from what the first implementation had of people: copy what you want into groups.yaml beside Pulumi.yaml.
# Names of its IAM users end in the region. A group that stands here and in a blueprint's own `groups` is one group.
"""  # noqa: E501


@dataclass
class Proposal:
    """Groups by their new names: members, analyses, and the name that they had. `notes`: what could not be
    proposed, and why.
    """

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, group: str, title: str, members: Iterable[str], analyses: Iterable[str]) -> None:
        """More of a group. People whose names differ in case only are one, as they are in IAM."""
        known = self.groups.setdefault(group, {"title": title, "members": {}, "analyses": {}})
        for member in members:
            known["members"].setdefault(member.lower(), member)
        known["analyses"].update(dict.fromkeys(analyses))

    def text(self) -> str:
        """groups.yaml; "" when no group has an analysis."""
        spelled: dict[str, str] = {}
        of: dict[str, list[str]] = {}
        groups: dict[str, Any] = {}
        for name, known in sorted(self.groups.items()):
            if not known["analyses"]:
                continue
            members = []
            for key, member in known["members"].items():
                user = spelled.setdefault(key, member)
                of.setdefault(user, []).append(name)
                if len(of[user]) <= GROUPS_OF_A_USER:
                    members.append(user)
            for kind, most, got in (
                ("members", _MOST_MEMBERS, members),
                ("analyses", _MOST_ANALYSES, [*known["analyses"]]),
            ):
                if len(got) > most:
                    self.notes.append(f"group {name} has {len(got)} {kind}: the first {most} are proposed")
            title = {"title": known["title"][:120]} if known["title"] != name else {}
            uses = dict.fromkeys([*known["analyses"]][:_MOST_ANALYSES])
            groups[name] = {**title, "members": members[:_MOST_MEMBERS], "analyses": uses}
        for user, names in sorted(of.items()):
            if len(names) > GROUPS_OF_A_USER:
                left = ", ".join(names[GROUPS_OF_A_USER:])
                self.notes.append(
                    f"user {user} is in {len(names)} groups, and IAM has at most "
                    f"{GROUPS_OF_A_USER}: not in {left}"
                )
        if not groups:
            return ""
        kept = {user for group in groups.values() for user in group["members"]}
        document = {
            "schema_version": 1,
            "users": {user: {"existing": True} for user in sorted(kept)},
            "groups": groups,
        }
        notes = "".join(f"# {note}\n" for note in [*_renames(self.groups), *self.notes])
        return _HEAD + notes + yaml12.dump(document, width=140)


def _renames(groups: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{known['title']!a} is called {name} here"
        for name, known in sorted(groups.items())
        if known["title"] != name
    ]
