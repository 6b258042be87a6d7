"""Who works here: `groups.yaml` beside Pulumi.yaml. Users, groups, which analyses a group may use, and what
it may spend.

Which groups use an analysis is said here, or in the `groups` of its blueprint (default `debuggers`, the
developers' own). A group in both is one group: its people and its budget are those that are said here.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from blueprints import loader, notify, schema
from blueprints.document import YamlDocument, parse
from blueprints.finding import BlueprintFinding, meant, some
from blueprints.model import Stage
from neurocaas.protocol.members import OUTSIDE, MemberChanges, session_of_subject
from neurocaas.protocol.names import RESERVED_GROUPS
from neurocaas.protocol.notice import JOB_ENDED
from neurocaas.protocol.problems import InvalidInput, Problem, shown

FILE = "groups.yaml"
GROUPS_OF_A_USER = 10
"""IAM groups that a user can be in (IAM user guide, "IAM and AWS STS quotas"); a lead is in two for a
group.
"""

_SCHEMA = Path(__file__).with_name("groups.schema.json")


@dataclass(frozen=True, kw_only=True)
class User:
    """A person. `existing`: the IAM user of that name is made elsewhere. `access_key`: a long-lived key may
    be made. `identity_center`: the name there, or whether it is the person's name here; None: what
    `everybody` says. `subject`: who that is at the provider of OpenID Connect. `federated`: the provider's
    session tags say the groups.
    """

    name: str
    existing: bool = False
    access_key: bool = False
    email: str = ""
    identity_center: str | bool | None = None
    subject: str = ""
    federated: bool = False


@dataclass(frozen=True, kw_only=True)
class MemberBudgets:
    """What members of a group may spend of its budget for an analysis in a month, in US dollars: `each` of
    them (None: what the group has left), but those who are named."""

    each: float | None = None
    named: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupEntry:
    """`analyses` maps the analyses that the group may use to its monthly budget in US dollars, None for the
    blueprint's.
    `leads` are analysts as `members` are, and none of them is in both. `notify`: who is told what.
    `members_max`: how many people, leads among them, the group may have when its leads add some; None: they
    add none. `kept_out`: names of sessions that have no rights, though the identity provider says that they
    are of the group."""

    name: str
    title: str = ""
    members: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    analyses: Mapping[str, float | None] = field(default_factory=dict)
    member_budgets: Mapping[str, MemberBudgets] = field(default_factory=dict)
    notify: tuple[notify.Notify, ...] = ()
    members_max: int | None = None
    kept_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Federation:
    """An identity provider whose people take the roles of groups by session tags. `audience`: None for AWS's
    sign-in page (SAML).
    """

    provider: str
    audience: str | None = None
    tag: str = "group"
    lead_tag: str = "lead"
    scopes: tuple[str, ...] = ("openid",)
    redirect_uri: str = ""

    @property
    def saml(self) -> bool:
        """Whether it speaks SAML, else OpenID Connect."""
        return ":saml-provider/" in self.provider

    @property
    def host(self) -> str:
        """Of OpenID Connect: the issuer's address without https://, which IAM's condition keys begin with."""
        return self.provider.partition(":oidc-provider/")[2]


@dataclass(frozen=True, kw_only=True)
class IdentityCenter:
    """AWS IAM Identity Center. `region`: its own. `permission_set`: what its users have in the account of the
    service, with the right to take the groups' roles and no other. `everybody`: each user is there by the
    name that they have here, unless it is said otherwise.
    """

    start_url: str
    region: str
    permission_set: str
    everybody: bool = False


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The whole file; empty when there is none."""

    users: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, GroupEntry] = field(default_factory=dict)
    federation: Federation | None = None
    identity_center: IdentityCenter | None = None

    def name_in_center(self, user: str) -> str:
        """The user's name in Identity Center, "" for none."""
        center, said = self.identity_center, self.users[user].identity_center
        if center is None or said is False or (said is None and not center.everybody):
            return ""
        return said if isinstance(said, str) else user

    def needs_user(self, user: str) -> bool:
        """Whether somebody has an IAM user: who has a key, whose user is there already, and who has no other
        way in.
        """
        one = self.users[user]
        others = self.name_in_center(user) or one.subject or one.federated
        return one.access_key or one.existing or not others

    def sessions_of(self, user: str) -> tuple[str, ...]:
        """What somebody's sessions of a group's role are called, by each way in; trust policies allow no
        other name."""
        one = self.users[user]
        names = [
            user if self.needs_user(user) or one.federated else "",
            self.name_in_center(user),
            session_of_subject(one.subject) if one.subject else "",
        ]
        return tuple(dict.fromkeys(name for name in names if name))

    def using(self, analysis: str) -> tuple[str, ...]:
        """The groups that may use an analysis, sorted."""
        return tuple(sorted(group.name for group in self.groups.values() if analysis in group.analyses))

    def memberships(self, user: str) -> list[tuple[str, bool]]:
        """The user's groups, sorted, and whether it leads them."""
        return sorted(
            (g.name, user in g.leads) for g in self.groups.values() if user in g.members or user in g.leads
        )


def load(root: Path) -> Directory:
    """The directory of the project in `root`. Raises InvalidInput with every problem, each with its line."""
    path = root / FILE
    if other := loader.misnamed(root, FILE):
        raise InvalidInput(
            [Problem(other, f"no file {FILE}, but {other}", f"the name {FILE}", f"Rename {other}")]
        )
    if not path.is_file():
        return Directory()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        got = f"bytes that are not UTF-8 ({error.reason})"
        raise InvalidInput([Problem(FILE, got, "a text file in UTF-8", "Save it as UTF-8")]) from None
    document = parse(text, FILE)
    problems = list(document.problems) or schema.check(document, whole=_schema())
    if problems:
        raise InvalidInput(problems)
    directory = _directory(document.data)
    checks = (
        _people(document, directory),
        _groups(document, directory),
        _analyses(document, directory, root),
        _notify(document, directory),
    )
    found: list[BlueprintFinding] = [
        *itertools.chain(*checks),
        *_federation(document, directory.federation),
        *_signing_in(document, directory),
    ]
    if found:
        found.sort(key=lambda problem: problem.line or 0)
        raise InvalidInput(found)
    return directory


def with_changes(directory: Directory, wanted: Mapping[str, MemberChanges]) -> tuple[Directory, list[str]]:
    """The directory with what leads have asked for, by group, within what the file allows; and in words what
    was not done. A lead adds users of this file only, while the group has room (`members_max`), and takes out
    members, never a lead."""
    said, groups = list[str](), dict(directory.groups)
    for name, changes in sorted(wanted.items()):
        entry = groups.get(name)
        if entry is None:
            continue
        out = [one for one in changes.remove if one in entry.members]
        # who comes by the provider's tags alone is in no list: kept out by the name of the session
        barred = [one for one in changes.remove if one not in (*entry.members, *entry.leads)]
        members = [one for one in entry.members if one not in out]
        for one in changes.add:
            if one in members or one in entry.leads:
                continue
            if one not in directory.users:
                said.append(f"{name}: {one} is not added: {FILE} has no such user")
            elif entry.members_max is None:
                said.append(f"{name}: {one} is not added: the group has no members_max")
            elif len(members) + len(entry.leads) >= entry.members_max:
                said.append(f"{name}: {one} is not added: the group has its {entry.members_max} people")
            else:
                members.append(one)
        said += [
            f"{name}: {one} is not taken out: {FILE} says who leads"
            for one in changes.remove
            if one in entry.leads
        ]
        kept_out = (
            tuple(dict.fromkeys((*entry.kept_out, *barred))) if directory.federation else entry.kept_out
        )
        groups[name] = replace(entry, members=tuple(members), kept_out=kept_out)
    return replace(directory, groups=groups), said


def using(analysis: str, root: Path) -> tuple[str, ...]:
    """All groups that may use an analysis, sorted: those of this file, and those of its blueprint. Raises
    InvalidInput as `load` does.
    """
    listed = _listed(analysis, root) if analysis in loader.names(root) else set()
    return tuple(sorted({*load(root).using(analysis), *listed}))


def said_buckets(directory: Directory, root: Path) -> dict[str, frozenset[str]]:
    """The buckets that the blueprints of the analyses that groups may use say themselves, in any stage; ""
    for the stages whose bucket they do not say. Raises InvalidInput for a blueprint with mistakes.
    """
    used = sorted({analysis for group in directory.groups.values() for analysis in group.analyses})
    return {
        analysis: frozenset(loader.load(analysis, stage, root).bucket for stage in Stage) for analysis in used
    }


@cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_SCHEMA.read_text())
    return loaded


def _directory(data: Mapping[str, Any]) -> Directory:
    users = {name: User(name=name, **(rest or {})) for name, rest in data.get("users", {}).items()}
    groups = {
        name: GroupEntry(
            name=name,
            title=given.get("title", ""),
            members=tuple(given.get("members", ())),
            leads=tuple(given.get("leads", ())),
            analyses={analysis: _budget(use) for analysis, use in given["analyses"].items()},
            member_budgets={analysis: _member_budgets(use) for analysis, use in given["analyses"].items()},
            notify=notify.read(given.get("notify", ())),
            members_max=given.get("members_max"),
            kept_out=tuple(given.get("kept_out", ())),
        )
        for name, given in data.get("groups", {}).items()
    }
    given = data.get("federation")
    federation = Federation(**{**given, "scopes": tuple(given.get("scopes", ("openid",)))}) if given else None
    center = IdentityCenter(**data["identity_center"]) if "identity_center" in data else None
    return Directory(users=users, groups=groups, federation=federation, identity_center=center)


def _budget(use: Mapping[str, Any] | None) -> float | None:
    value = (use or {}).get("budget_usd")
    return None if value is None else float(value)


def _member_budgets(use: Mapping[str, Any] | None) -> MemberBudgets:
    each, named = (use or {}).get("member_budget_usd"), (use or {}).get("members", {})
    return MemberBudgets(
        each=None if each is None else float(each), named={name: float(usd) for name, usd in named.items()}
    )


def _people(document: YamlDocument, directory: Directory) -> Iterator[BlueprintFinding]:
    for group in directory.groups.values():
        for kind, people in (("members", group.members), ("leads", group.leads)):
            for index, user in enumerate(people):
                if user not in directory.users:
                    do = meant(user, directory.users, f"Add {user} to users, or correct the name")
                    allowed = f"the users of this file: {some(directory.users)}"
                    yield document.finding(
                        ("groups", group.name, kind, index), "groups.user-missing", shown(user), allowed, do
                    )
        for user in sorted(set(group.members) & set(group.leads)):
            where = ("groups", group.name, "leads", group.leads.index(user))
            allowed, do = "one of the two: a lead is a member", "Remove the name from members"
            yield document.finding(where, "groups.user-twice", f"{user} as lead and as member", allowed, do)
    yield from _alike(document, "users", directory.users)
    for user in directory.users:
        if user.startswith(OUTSIDE):
            allowed = f"a name without {OUTSIDE} before it: so are administrators' sessions of a group called"
            yield document.finding(("users", user), "groups.outside", shown(user), allowed, "Rename the user")
    yield from _same_session(document, directory)
    for user in filter(directory.needs_user, sorted(directory.users)):
        count = sum(2 if leads else 1 for _, leads in directory.memberships(user))
        if count > GROUPS_OF_A_USER:
            allowed, do = (
                f"at most {GROUPS_OF_A_USER}, IAM's limit",
                "Take the user out of some groups; leading a group counts twice",
            )
            yield document.finding(("users", user), "groups.too-many", f"{count} IAM groups", allowed, do)


def _same_session(document: YamlDocument, directory: Directory) -> Iterator[BlueprintFinding]:
    """Two whose sessions are called alike pass for each other, whatever the ways by which they come."""
    owner = dict[str, str]()
    for user in directory.users:
        for name in directory.sessions_of(user):
            if owner.setdefault(name, user) != user:
                got = f"sessions called {shown(name)}, as those of {owner[name]} are"
                allowed = "names by which people can be told apart, in all ways in"
                do = "Correct the name there, or name one of the two otherwise here"
                yield document.finding(("users", user), "groups.same-session", got, allowed, do)


def _groups(document: YamlDocument, directory: Directory) -> Iterator[BlueprintFinding]:
    yield from _alike(document, "groups", directory.groups)
    for name in directory.groups:
        where = ("groups", name)
        if name in RESERVED_GROUPS:
            allowed = "any other name: this prefix of the bucket belongs to the service"
            yield document.finding(where, "groups.reserved", shown(name), allowed, "Rename the group")


def _alike(document: YamlDocument, kind: str, names: Iterable[str]) -> Iterator[BlueprintFinding]:
    same = Counter(name.lower() for name in names)
    for name in names:
        if same[name.lower()] > 1:
            got = f"{name}, and another that differs in case only"
            yield document.finding(
                (kind, name), "groups.case", got, "names that differ (IAM ignores case)", "Rename one of them"
            )


def _analyses(document: YamlDocument, directory: Directory, root: Path) -> Iterator[BlueprintFinding]:
    known = loader.names(root)
    for group in directory.groups.values():
        for analysis in group.analyses:
            where = ("groups", group.name, "analyses", analysis)
            if analysis not in known:
                allowed, do = (
                    f"the blueprints there are: {some(known)}",
                    meant(analysis, known, "Correct the name"),
                )
                yield document.finding(where, "groups.analysis-missing", shown(analysis), allowed, do)
            people = (*group.members, *group.leads)
            for name in group.member_budgets[analysis].named:
                # people of an identity provider need not stand in this file
                if name not in people and directory.federation is None:
                    allowed, do = (
                        f"members and leads of the group: {some(people)}",
                        meant(name, people, "Correct the name"),
                    )
                    yield document.finding(
                        (*where, "members", name), "groups.member-budget", shown(name), allowed, do
                    )


def _notify(document: YamlDocument, directory: Directory) -> Iterator[BlueprintFinding]:
    """Who would never be told anything, or more than SNS can say of one address."""
    first: dict[str, tuple[str | int, ...]] = {}
    for group in directory.groups.values():
        for index, entry in enumerate(group.notify):
            where = ("groups", group.name, "notify", index)
            first.setdefault(entry.to, where)
            for number, analysis in enumerate(entry.analyses):
                if analysis not in group.analyses:
                    allowed = f"the analyses of the group: {some(group.analyses)}"
                    do = meant(analysis, group.analyses, "Correct the name")
                    yield document.finding(
                        (*where, "analyses", number), "groups.notify-analysis", shown(analysis), allowed, do
                    )
            if entry.digest and JOB_ENDED not in entry.events:
                got, allowed = (
                    f"events without {JOB_ENDED}",
                    f"{JOB_ENDED} among the events: that is what it tells",
                )
                yield document.finding(
                    (*where, "digest"),
                    "groups.notify-digest",
                    got,
                    allowed,
                    f"Add {JOB_ENDED}, or remove digest",
                )
    told = notify.by_address({group.name: group.notify for group in directory.groups.values()})
    for number, (address, parts) in enumerate(told.items()):
        if number == notify.ADDRESSES:
            got, allowed = f"{len(told)} addresses", f"{notify.ADDRESSES}, SNS's limit for a topic"
            do = "Let a group name an address of all of its people"
            yield document.finding(first[address], "groups.notify-many", got, allowed, do)
        if (size := len(parts)) > notify.COMBINATIONS:
            got, allowed = (
                f"{size} combinations of group, event and analysis for {address}",
                f"{notify.COMBINATIONS}, SNS's limit for an address",
            )
            do = "Leave out events or analyses, or use another address for some groups"
            yield document.finding(first[address], "groups.notify-size", got, allowed, do)


def _federation(document: YamlDocument, federation: Federation | None) -> Iterator[BlueprintFinding]:
    if federation is None:
        return
    if not federation.saml and federation.audience is None:
        allowed, do = "the client id that the provider gave this service", "Add the key 'audience'"
        yield document.finding(("federation", "audience"), "groups.audience", "nothing", allowed, do)
    if federation.tag == federation.lead_tag:
        allowed = "two keys: one says which group, the other whether its lead"
        yield document.finding(
            ("federation", "lead_tag"), "groups.tags", shown(federation.lead_tag), allowed, "Choose another"
        )


def _signing_in(document: YamlDocument, directory: Directory) -> Iterator[BlueprintFinding]:
    """Who is said to come by a way that is not there, and who is said to be the same person."""
    federation, center = directory.federation, directory.identity_center
    for name, user in directory.users.items():
        where = ("users", name)
        if user.identity_center and center is None:
            allowed, do = "the block identity_center in this file", "Add it, or remove the key"
            yield document.finding((*where, "identity_center"), "groups.no-center", "it alone", allowed, do)
        for key in ("subject", "federated"):
            if not getattr(user, key):
                continue
            if federation is None:
                allowed, do = "the block federation in this file", "Add it, or remove the key"
                yield document.finding((*where, key), "groups.no-provider", "it alone", allowed, do)
            elif key == "subject" and federation.saml:
                allowed = "federated: true; SAML's assertions say the groups by session tags"
                yield document.finding(
                    (*where, key), "groups.subject", "it", allowed, "Write federated: true"
                )
    for key, said in (
        ("identity_center", {name: directory.name_in_center(name) for name in directory.users}),
        ("subject", {name: user.subject for name, user in directory.users.items()}),
    ):
        count = Counter(said.values())
        for name, value in said.items():
            if value and count[value] > 1:
                allowed, do = "somebody else: one of the two would have the other's groups", "Correct one"
                got = f"{shown(value)}, as another user has"
                yield document.finding(("users", name, key), "groups.same-person", got, allowed, do)


def _listed(analysis: str, root: Path) -> set[str]:
    """The groups that a blueprint itself names, in any stage. A blueprint with mistakes names none: its own
    stack tells them.
    """
    try:
        return {group for stage in Stage for group in loader.load(analysis, stage, root).groups}
    except InvalidInput:
        return set()
