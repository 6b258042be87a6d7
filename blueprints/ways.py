"""By which ways the people of `groups.yaml` come in, and what each of them types. Nothing here is secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blueprints.finding import some
from blueprints.groups import FILE, Directory
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.roles import session_role

CENTER, OPENID, SAML, OWN, KEY = "identity-center", "openid", "saml", "own-user", "access-key"
"""Kinds of ways, the best first. A sign-in of the service's own page (a user pool) is one more provider."""


@dataclass(frozen=True)
class Service:
    """Where the service is. `endpoint`: of another cloud than AWS, "" for AWS."""

    account: str
    region: str
    partition: str = "aws"
    endpoint: str = ""


@dataclass(frozen=True)
class Way:
    """One way of one person. `settings`: of a profile of `neurocaas login`, where they say it all; else the
    person has a profile of the AWS tools, by what `before` says."""

    kind: str
    words: str
    settings: Mapping[str, Any]
    before: str = ""

    @property
    def last_resort(self) -> bool:
        """Whether it is a key that does not end by itself."""
        return self.kind == KEY


def kinds(directory: Directory, user: str) -> list[str]:
    """Of all ways of a user, the best first; none is a person who cannot come in."""
    one, federation = directory.users[user], directory.federation
    found = {
        CENTER: bool(directory.name_in_center(user)),
        OPENID: federation is not None and not federation.saml and bool(one.subject or one.federated),
        SAML: federation is not None and federation.saml and one.federated,
        OWN: one.existing,
        KEY: one.access_key,
    }
    return [kind for kind, there in found.items() if there]


def of(directory: Directory, user: str, service: Service) -> list[Way]:
    """The ways of a user who is in a group."""
    return [_way(directory, user, kind, service) for kind in kinds(directory, user)]


def shut_out(directory: Directory) -> Iterator[Problem]:
    """Members of groups who have no way in: told as warnings, since a file may be written before the provider
    is there."""
    for user in directory.users:
        groups = directory.memberships(user)
        if groups and not kinds(directory, user):
            yield Problem(
                f"{FILE}: users.{user}",
                f"no way in, for a member of {some(group for group, _ in groups)}",
                "identity_center: NAME, subject: ID or federated: true, with the block that each needs; "
                "existing: true; access_key: true as the last resort",
                "Add one of them (docs/administrators.md, People and how they come in)",
            )


def _way(directory: Directory, user: str, kind: str, service: Service) -> Way:
    groups = directory.memberships(user)
    names = [group for group, _ in groups]
    where: dict[str, Any] = {"region": service.region, "group": names[0] if names else ""}
    where |= {"groups": names} if len(names) > 1 else {}
    # one profile has one kind of role: who leads some groups alone makes a second one, with --lead
    where |= {"lead": True} if groups and all(leads for _, leads in groups) else {}
    if service.partition != "aws":
        where["partition"] = service.partition
    if service.endpoint:
        where["endpoint_url"] = service.endpoint
    if kind == CENTER:
        center = directory.identity_center
        assert center is not None
        said = {"start_url": center.start_url, "sso_region": center.region, "account": service.account}
        named = directory.name_in_center(user)
        return Way(
            kind,
            f"IAM Identity Center, as {named}",
            {"way": CENTER, **said, "permission_set": center.permission_set, **where},
        )
    if kind == OPENID:
        federation = directory.federation
        assert federation is not None
        provider: dict[str, Any] = {
            "way": OPENID,
            "issuer": f"https://{federation.host}",
            "client_id": federation.audience or "",
            "account": service.account,
        }
        if federation.scopes != ("openid",):
            provider["scopes"] = list(federation.scopes)
        if federation.redirect_uri:
            provider["redirect_uri"] = federation.redirect_uri
        return Way(kind, f"the sign-in at {federation.host}", {**provider, **where})
    role = session_role(service.region, names[0]) if names else ""
    befores = {
        SAML: f"Sign in with your institution's tool for AWS, in the role {role}, into a profile `neurocaas`",
        OWN: f"Have a profile `neurocaas` of the AWS tools with credentials of your IAM user {user}",
        KEY: f"Your administrator gives you a key, the last resort: it does not end by itself. "
        f"(`invoke credentials --user {user} --format profile --out FILE`.) Put it into ~/.aws/credentials",
    }
    words = {SAML: "the institution's sign-in (SAML)", OWN: "an IAM user of their own", KEY: "an access key"}
    return Way(kind, words[kind], {"way": "aws-profile", "aws_profile": "neurocaas", **where}, befores[kind])
