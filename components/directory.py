"""What `groups.yaml` says, as IAM groups, roles, users and budgets. Part of the stack `utils`, since a group
uses many analyses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
import pulumi_aws as aws

from blueprints.groups import FILE, Directory, GroupEntry, MemberBudgets, User
from components.names import logical
from components.options import child
from components.place import Place
from components.policies import people
from components.policies.document import Policy, document
from components.policies.manager import BUDGET_PARAMETERS
from neurocaas.protocol import members
from neurocaas.protocol.budget_parameters import EACH, MEMBERS, written
from neurocaas.protocol.members import Member, session_of_subject
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.roles import lead_role, session_role

SESSION_SECONDS = 12 * 3600
"""Longest session of a role (IAM user guide, "Modify a role maximum session duration")."""


@dataclass(frozen=True, kw_only=True)
class PeopleArgs:
    """`directory`: of `groups.yaml`. `buckets`: that each group may use. `boundary_arn`: of all roles."""

    place: Place
    directory: Directory
    buckets: Mapping[str, Sequence[str]]
    boundary_arn: pulumi.Input[str]


class People(pulumi.ComponentResource):
    """Per group: an IAM group and a role for sessions, each with one policy, the same once more when it has
    leads (the role alone, when only an identity provider may send some), one budget parameter an analysis
    that has its own budget, some for members, and parameters that say who is in it. Per user: the user,
    unless it exists, and the groups it is in."""

    outputs: Mapping[str, Mapping[str, pulumi.Input[object]]]
    """The values of DirectoryGroup, by group."""

    def __init__(self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:People", name, {}, opts)
        self._name, self._args, self._below = name, args, child(self)
        self._roles = dict[str, list[pulumi.Output[str]]]()
        groups = {group.name: self._group(group) for group in args.directory.groups.values()}
        leads = {
            group.name: made
            for group in args.directory.groups.values()
            if (made := self._leads(group)) is not None
        }
        ids = {
            user.name: known
            for user in args.directory.users.values()
            if (known := self._user(user, groups, leads)) is not None
        }
        for entry in args.directory.groups.values():
            self._roster(entry, ids)
        self.outputs = {
            group: {
                "analyst_group": groups[group].name,
                "lead_group": leads[group].name if group in leads else None,
                "session_role": session_role(args.place.region, group),
                "buckets": list(args.buckets[group]),
            }
            for group in groups
        }
        self.register_outputs({"groups": self.outputs})

    def _group(self, group: GroupEntry) -> aws.iam.Group:
        args, name = self._args, logical(self._name, group.name)
        rights = people.analysts(args.place, buckets=args.buckets[group.name], group=group.name)
        trust = trust_of(args.place, args.directory, group.name)
        self._session(
            group,
            name,
            session_role(args.place.region, group.name),
            f"analysts of the group {group.name}",
            trust,
            session_rights(args.directory, group.name, rights),
        )
        made = aws.iam.Group(name, opts=self._below)
        own = _rights(args.place, group.name, args.buckets[group.name])
        aws.iam.GroupPolicy(name, group=made.name, policy=_text(own), opts=self._below)
        for analysis, budget in group.analyses.items():
            if budget is not None:
                self._budget(group.name, analysis, "", budget)
            of_members = group.member_budgets.get(analysis, MemberBudgets())
            if of_members.each is not None:
                self._budget(group.name, analysis, EACH, of_members.each, "each member of ")
            for member, usd in of_members.named.items():
                self._budget(group.name, analysis, f"{MEMBERS}/{written(member)}", usd, f"{member} of ")
        return made

    def _budget(self, group: str, analysis: str, whose: str, usd: float, who: str = "") -> None:
        """A parameter of `neurocaas.protocol.budget_parameters`."""
        parts = [part for part in (group, analysis, whose.replace("/", "-"), "budget") if part]
        aws.ssm.Parameter(
            logical(self._name, *parts),
            name="/".join(part for part in (BUDGET_PARAMETERS, group, analysis, whose) if part),
            type="String",
            insecure_value=f"{usd:.2f}",  # not a secret: a preview shows how it changes
            description=f"US dollars that {who}{group} may spend on {analysis} in a month",
            opts=self._below,
        )

    def _leads(self, group: GroupEntry) -> aws.iam.Group | None:
        """The role of its leads, where there are any or an identity provider may send some, and the IAM group
        of those with a user.
        """
        if not group.leads and self._args.directory.federation is None:
            return None
        args, name = self._args, logical(self._name, group.name, "leads")
        role, buckets = lead_role(args.place.region, group.name), args.buckets[group.name]
        rights = people.leads(args.place, buckets=buckets, group=group.name)
        analysts = people.analysts(args.place, buckets=buckets, group=group.name)
        trust = trust_of(args.place, args.directory, group.name, lead=True)
        both = document(*analysts["Statement"], *rights["Statement"])
        self._session(
            group,
            name,
            role,
            f"leads of the group {group.name}",
            trust,
            session_rights(args.directory, group.name, both, lead=True),
        )
        if not group.leads:
            return None
        made = aws.iam.Group(name, opts=self._below)
        own = document(*rights["Statement"], people.take(args.place.global_arn("iam", f"role/{role}")))
        aws.iam.GroupPolicy(name, group=made.name, policy=_text(own), opts=self._below)
        return made

    def _session(
        self, group: GroupEntry, name: str, role: str, whose: str, trust: Policy, rights: Policy
    ) -> None:
        """A role for sessions of people, with a fixed name: who takes it sees no stack's outputs."""
        made = aws.iam.Role(
            name,
            name=role,
            description=f"Sessions of {whose}",
            assume_role_policy=_text(trust),
            permissions_boundary=self._args.boundary_arn,
            max_session_duration=SESSION_SECONDS,
            opts=self._below,
        )
        aws.iam.RolePolicy(name, role=made.name, policy=_text(rights), opts=self._below)
        self._roles.setdefault(group.name, []).append(made.unique_id)

    def _roster(self, group: GroupEntry, ids: Mapping[str, pulumi.Output[str]]) -> None:
        """The parameters by which the service knows who is who in the group."""
        directory = self._args.directory
        everybody = sorted((*group.members, *group.leads))
        of = [Member(user, user in group.leads, "", directory.sessions_of(user)) for user in everybody]
        for number, share in enumerate(members.shares(of), start=1):
            having = [one.name for one in share if one.name in ids]

            def value(
                known: Mapping[str, Any], share: Sequence[Member] = share, having: Sequence[str] = having
            ) -> str:
                by_name = dict(zip(having, known["ids"], strict=True))
                users = [replace(one, user_id=by_name.get(one.name, "")) for one in share]
                provider = directory.federation is not None
                return members.text_of(
                    known["roles"], provider=provider, most=group.members_max, people=users
                )

            aws.ssm.Parameter(
                logical(self._name, group.name, "members", str(number)),
                name=members.people_parameter(group.name, number),
                type="String",
                insecure_value=pulumi.Output.all(
                    roles=pulumi.Output.all(*self._roles[group.name]),
                    ids=pulumi.Output.all(*(ids[name] for name in having)),
                ).apply(value),
                description=f"Who is in the group {group.name}, for the service",
                opts=self._below,
            )

    def _user(
        self, user: User, groups: Mapping[str, aws.iam.Group], leads: Mapping[str, aws.iam.Group]
    ) -> pulumi.Output[str] | None:
        """The unique id of the person's user, by which S3 names it; None for who has none."""
        if not self._args.directory.needs_user(user.name):
            return None
        name = logical(self._name, "user", user.name)
        known: pulumi.Input[str] = user.name
        if user.existing:
            of = pulumi.InvokeOptions(parent=self)
            unique = aws.iam.get_user_output(user_name=user.name, opts=of).user_id
        else:
            # Access keys are not resources (their secret would be in the state), and IAM keeps a user who has
            # one.
            made = aws.iam.User(name, name=user.name, force_destroy=True, opts=self._below)
            known, unique = made.name, made.unique_id
        memberships = self._args.directory.memberships(user.name)
        if memberships:
            within = [groups[group].name for group, _ in memberships] + [
                leads[group].name for group, lead in memberships if lead
            ]
            aws.iam.UserGroupMembership(name, user=known, groups=within, opts=self._below)
        return unique


def session_rights(directory: Directory, group: str, rights: Policy, *, lead: bool = False) -> Policy:
    """The rights of a session of the group's role, which nobody has whose name is not in the group."""
    entry, federation = directory.groups[group], directory.federation
    people_of = entry.leads if lead else (*entry.members, *entry.leads)
    limits = people.nobody_else(
        [name for user in people_of for name in directory.sessions_of(user)],
        tag=federation.tag if federation else "",
        group=group,
        kept_out=entry.kept_out,
    )
    return document(*rights["Statement"], *limits)


def trust_of(place: Place, directory: Directory, group: str, *, lead: bool = False) -> Policy:
    """Who may take the role of a group, or of its leads, for a session."""
    entry = directory.groups[group]
    everybody = [directory.users[name] for name in (*entry.members, *entry.leads)]
    chosen = [one for one in everybody if one.name in entry.leads or not lead]
    named = [one.subject for one in everybody if one.subject]
    others = [
        name
        for one in everybody
        if not one.federated
        for name in (one.name if directory.needs_user(one.name) else "", directory.name_in_center(one.name))
    ]
    # whose whole subject is another's last part
    others += [session_of_subject(one) for one in named if session_of_subject(one) != one]
    return people.session_trust(
        place,
        group,
        directory.federation,
        lead=lead,
        center=directory.identity_center,
        in_center=[name for one in chosen if (name := directory.name_in_center(one.name))],
        subjects=[one.subject for one in chosen if one.subject],
        others=sorted({name for name in others if name}),
        parts=not named,
    )


def problems(place: Place, directory: Directory, buckets: Mapping[str, Sequence[str]]) -> list[Problem]:
    """What AWS would refuse, to be told before anything is made: rights that do not fit into an IAM group,
    and an identity provider of another account."""
    found = []
    federation = directory.federation
    if federation is not None and not federation.provider.startswith(place.global_arn("iam", "")):
        got, allowed = federation.provider, f"a provider of this account, {place.global_arn('iam', '…')}"
        found.append(
            Problem(
                f"{FILE}: federation.provider", got, allowed, "Correct the ARN: aws iam list-saml-providers"
            )
        )
    for group in directory.groups:
        size = people.size(trust_of(place, directory, group))
        if size > people.TRUST_LIMIT:
            found.append(
                Problem(
                    f"{FILE}: groups.{group}",
                    f"a trust policy of {size} characters, for all of its people",
                    f"{people.TRUST_LIMIT}, IAM's limit for a role",
                    "Make two groups of it; or let the identity provider say the group by a session tag",
                )
            )
    for group, used in buckets.items():
        both = document(
            *people.analysts(place, buckets=used, group=group)["Statement"],
            *people.leads(place, buckets=used, group=group)["Statement"],
        )
        for lead, rights in ((False, people.analysts(place, buckets=used, group=group)), (True, both)):
            size = people.size(session_rights(directory, group, rights, lead=lead))
            if size > people.SESSION_LIMIT:
                found.append(
                    Problem(
                        f"{FILE}: groups.{group}",
                        f"rights of {size} characters in sessions, with the names of its people",
                        f"{people.SESSION_LIMIT}, IAM's limit for a role",
                        "Make two groups of it",
                    )
                )
                break
        size = people.size(_rights(place, group, used))
        if size > people.INLINE_LIMIT:
            got, allowed = (
                f"rights of {size} characters, for {len(used)} buckets",
                f"{people.INLINE_LIMIT}, IAM's limit for a group",
            )
            found.append(
                Problem(
                    f"{FILE}: groups.{group}",
                    got,
                    allowed,
                    "Make two groups of it, each with some of the analyses",
                )
            )
    return found


def _rights(place: Place, group: str, buckets: Sequence[str]) -> Policy:
    role = place.global_arn("iam", f"role/{session_role(place.region, group)}")
    return people.analysts(place, buckets=buckets, group=group, session_role=role)


def _text(policy: Policy) -> str:
    return json.dumps(policy, sort_keys=True)
