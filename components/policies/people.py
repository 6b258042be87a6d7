"""People: the analysts of a group, who leads it, and who takes its role for a session.

Analysts write inputs, configs and submissions and read configs, results and what the service has recorded of
their jobs. They cannot read inputs back (the service is no storage), cannot touch results, and see no name of
another group.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from blueprints.groups import Federation, IdentityCenter
from components.place import Place
from components.policies.document import Policy, Statement, allow, allow_own, document
from components.policies.manager import BUDGET_PARAMETERS
from neurocaas.protocol import members
from neurocaas.protocol.analyses import folder
from neurocaas.protocol.budget_parameters import LIMIT
from neurocaas.protocol.development import GROUP as DEVELOPERS
from neurocaas.protocol.hold import TAG as HELD
from neurocaas.protocol.keys import JOBS

FOLDERS = ("inputs", "configs", "submissions", "results")
_WRITABLE = FOLDERS[:3]
_READABLE = ("configs", "results")

_SIGN_IN = {
    "aws": "signin.aws.amazon.com",
    "aws-cn": "signin.amazonaws.cn",
    "aws-us-gov": "signin.amazonaws-us-gov.com",
}
"""Host of the sign-in page, by partition (AWS General Reference, "AWS Sign-In endpoints")."""

INLINE_LIMIT = 5_120
"""Characters without white space of all inline policies of an IAM group (IAM user guide, "IAM and AWS STS
quotas").
"""


def analysts(place: Place, *, buckets: Sequence[str], group: str, session_role: str | None = None) -> Policy:
    """Prefixes end in '/', so `lab1` never reaches `lab10`. `session_role`: ARN of the role that members may
    take for a session.
    """
    statements = [
        allow_own(
            place,
            "Upload",
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:DeleteObject"],
            [place.objects(bucket, f"{group}/{folder}/*") for bucket in buckets for folder in _WRITABLE],
        ),
        allow_own(
            place,
            "Fetch",
            ["s3:GetObject"],
            [
                place.objects(bucket, pattern)
                for bucket in buckets
                for pattern in (*(f"{group}/{f}/*" for f in _READABLE), f"{JOBS}/{group}/*")
            ],
        ),
        allow_own(
            place,
            "List",
            ["s3:ListBucket"],
            [place.bucket(bucket) for bucket in buckets],
            {
                "StringLike": {
                    "s3:prefix": [
                        f"{group}/",
                        *(f"{group}/{folder}/*" for folder in FOLDERS),
                        f"{JOBS}/{group}/*",
                    ]
                }
            },
        ),
    ]
    paths = [place.arn("ssm", f"parameter{path}") for path in (folder(group), members.folder(group))]
    listed = [*paths, *(f"{path}/*" for path in paths)]
    statements.append(allow("FindAnalysesAndMembers", ["ssm:GetParametersByPath"], listed))
    budgets = place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/{group}/*")
    statements.append(allow("ReadBudgets", ["ssm:GetParameter", "ssm:GetParameters"], [budgets]))
    if group == DEVELOPERS:
        statements += held_machines(place)
    if session_role is not None:
        statements.append(take(session_role))
    return document(*statements)


def held_machines(place: Place) -> Sequence[Statement]:
    """A shell on the machines that stay after a failure, and their release. No other machine has the tag:
    only the monitor may set it (Service Authorization Reference, "AWS Systems Manager": StartSession takes
    `ssm:resourceTag` of the instance, and needs the document of the session as well)."""
    return (
        allow(
            "EnterHeldMachines",
            ["ssm:StartSession"],
            [place.arn("ec2", "instance/*")],
            {"StringLike": {f"ssm:resourceTag/{HELD}": "*"}},
        ),
        allow(
            "OpenShells",
            ["ssm:StartSession"],
            [
                place.arn("ssm", "document/SSM-SessionManagerRunShell"),
                place.public_arn("ssm", "document/AWS-StartNonInteractiveCommand"),
            ],
        ),
        allow(
            "EndOwnShells",
            ["ssm:ResumeSession", "ssm:TerminateSession"],
            [place.arn("ssm", "session/${aws:userid}-*")],
        ),
        allow(
            "ReleaseHeldMachines",
            ["ec2:TerminateInstances"],
            [place.arn("ec2", "instance/*")],
            {"StringLike": {f"aws:ResourceTag/{HELD}": "*"}},
        ),
    )


def take(session_role: str) -> Statement:
    """The right to take a role for a session, by its ARN."""
    return allow("TakeSession", ["sts:AssumeRole"], [session_role])


def leads(place: Place, *, buckets: Sequence[str], group: str) -> Policy:
    """What a lead has beside the rights of an analyst: the group's compute reports, lower limits than its
    budgets, and to ask for changes of who is in the group."""
    own = place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/{group}/*")
    return document(
        allow_own(
            place,
            "ReadReports",
            ["s3:GetObject"],
            [place.objects(bucket, f"logs/{group}/*") for bucket in buckets],
        ),
        allow_own(
            place,
            "ListReports",
            ["s3:ListBucket"],
            [place.bucket(bucket) for bucket in buckets],
            {"StringLike": {"s3:prefix": [f"logs/{group}/*"]}},
        ),
        allow("SetLimits", ["ssm:PutParameter", "ssm:DeleteParameter"], [f"{own}/{LIMIT}"]),
        allow(
            "ChangeMembers",
            ["ssm:PutParameter", "ssm:DeleteParameter"],
            [place.arn("ssm", f"parameter{members.changes_parameter(group)}")],
        ),
    )


def nobody_else(
    sessions: Sequence[str], *, tag: str = "", group: str = "", kept_out: Sequence[str] = ()
) -> list[Statement]:
    """Takes all rights from sessions of a group's role that are not of these names, from its next request on:
    whoever was taken out has none, however long the session would last. `tag`: sessions in which an identity
    provider says by this tag that they are of the group are not looked at by name, but for `kept_out`.

    `aws:userid` of a session is `ROLE-ID:NAME` (IAM user guide, "Get identity policy elements: principal key
    values"), and no name has a ':'. A negated operator holds where the key is missing (ibid., "Condition
    operators"): a session without the tag is judged by its name."""
    test: dict[str, Any] = {"StringNotLike": {"aws:userid": _ending(members.OUTSIDE + "*", *sessions)}}
    if tag:
        test["StringNotEquals"] = {f"aws:PrincipalTag/{tag}": group}
    statements = [_all_denied("NobodyElse", test)]
    if kept_out:
        statements.append(_all_denied("KeptOut", {"StringLike": {"aws:userid": _ending(*kept_out)}}))
    return statements


def _ending(*names: str) -> list[str]:
    return [f"*:{name}" for name in dict.fromkeys(names)]


def _all_denied(sid: str, condition: dict[str, Any]) -> Statement:
    return {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}


SESSION_LIMIT = 10_240
"""Characters without white space of all inline policies of a role (ibid.)."""

TRUST_LIMIT = 2_048
"""Characters of a role's trust policy, before a raised quota (IAM user guide, "IAM and AWS STS quotas")."""


def session_trust(
    place: Place,
    group: str,
    federation: Federation | None = None,
    *,
    lead: bool = False,
    center: IdentityCenter | None = None,
    in_center: Sequence[str] = (),
    subjects: Sequence[str] = (),
    others: Sequence[str] = (),
    parts: bool = True,
) -> Policy:
    """Who may take the role of a group: users of this account whose own policy says so, which is the group's;
    those people of the identity provider whose session tags name the group (and for the role of its leads,
    say that they lead it), or who are named themselves (`subjects`); those users of Identity Center who
    are named (`in_center`); and administrators, by roles that have a policy for it.

    Each gets sessions of one name only, so that nobody passes for another: S3's events and CloudTrail name
    the session. A key of the request is a variable in a policy (IAM user guide, "IAM policy elements:
    Variables and tags"; "IAM and AWS STS condition context keys" for `sts:RoleSessionName`). `others`: names
    that the provider's people of the group's tag may not have; `parts`: their sessions may have a part of
    their subject as name, since nobody of the group is named by a subject that could have the same."""
    root = {"AWS": place.global_arn("iam", "root")}
    # wider than those that are let in: as many characters as a policy can spare
    wide = f"*AWSReservedSSO_{center.permission_set}_{'?' * 16}" if center else ""
    roles = place.global_arn("iam", f"role/aws-reserved/sso.amazonaws.com/{wide}")
    elsewhere = {"ArnNotLike": {"aws:PrincipalArn": roles}} if center else {}
    statements: list[Statement] = [
        {
            "Sid": "MembersByTheirPolicy",
            "Effect": "Allow",
            "Principal": root,
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {_SESSION_NAME: "${aws:username}"}},
        },
        {
            "Sid": "Administrators",
            "Effect": "Allow",
            "Principal": root,
            "Action": "sts:AssumeRole",
            # only users have a user name (IAM user guide, "aws:username")
            "Condition": {
                "Null": {"aws:username": "true"},
                "StringLike": {_SESSION_NAME: f"{members.OUTSIDE}*"},
                **elsewhere,
            },
        },
    ]
    if federation is not None:
        statements += _federated(place, group, federation, lead, subjects, others, parts)
    if center and in_center:
        statements.append(_of_center(place, center, in_center))
    return document(*statements)


_SESSION_NAME = "sts:RoleSessionName"


def _federated(
    place: Place,
    group: str,
    federation: Federation,
    lead: bool,
    subjects: Sequence[str],
    others: Sequence[str],
    parts: bool,
) -> list[Statement]:
    """With SAML, the provider gives the name of the session; with OpenID Connect whoever asks does, and it
    must be the subject of the token, or what is behind its last `|`, `/` or `:` (`session_of_subject`)."""
    subject = f"{federation.host}:sub"
    key = "SAML:aud" if federation.saml else f"{federation.host}:aud"
    wanted: dict[str, str | list[str]] = {
        key: federation.audience or sign_in(place),
        f"aws:RequestTag/{federation.tag}": group,
    }
    if lead:
        wanted[f"aws:RequestTag/{federation.lead_tag}"] = "true"
    condition: dict[str, Any] = {"StringEquals": wanted}
    if others:
        condition["StringNotEquals"] = {_SESSION_NAME: list(others)}
    if not federation.saml:
        condition["StringLike"] = {subject: _named(("", "*|") if parts else ("",))}
    action = "sts:AssumeRoleWithSAML" if federation.saml else "sts:AssumeRoleWithWebIdentity"
    provider = {"Federated": federation.provider}

    def people_by(sid: str, condition: dict[str, Any]) -> Statement:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": provider,
            "Action": action,
            "Condition": condition,
        }

    # A session without the tag has no such key, and StringEquals then refuses it.
    statements = [people_by("PeopleByTheirTags", condition)]
    audience = {key: federation.audience or ""}
    ends = {one: one.removesuffix(members.session_of_subject(one)) for one in subjects}
    tied = [one for one, begin in ends.items() if begin != one]
    if tied:
        begins = sorted({f"*{ends[one][-1:]}" if ends[one] else "" for one in tied})
        test = {"StringEquals": {**audience, subject: tied}, "StringLike": {subject: _named(begins)}}
        statements.append(people_by("PeopleByTheirSubject", test))
    for number, one in enumerate((one for one in subjects if one not in tied), start=1):
        test = {"StringEquals": {**audience, subject: one, _SESSION_NAME: members.session_of_subject(one)}}
        statements.append(people_by(f"PersonByTheirSubject{number}", test))
    # By itself it lets nobody in. It knows no name of a session (Service authorization reference, AWS STS).
    tags = {"Sid": "Tags", "Effect": "Allow", "Principal": provider, "Action": "sts:TagSession"}
    return [*statements, tags]


def _named(begins: Sequence[str]) -> list[str]:
    """Patterns for a subject that ends in the name of the session."""
    return [f"{begin}${{{_SESSION_NAME}}}" for begin in begins]


def _of_center(place: Place, center: IdentityCenter, names: Sequence[str]) -> Statement:
    """All its users have one policy, that of the permission set, which lets them take the roles of all
    groups; so each role says itself who may: the name of their session, which is their name in Identity
    Center, and which nobody but Identity Center can give (its roles are in a path that is AWS's own). Their
    session of the group's role has the same name."""
    return {
        "Sid": "PeopleOfIdentityCenter",
        "Effect": "Allow",
        "Principal": {"AWS": place.global_arn("iam", "root")},
        "Action": "sts:AssumeRole",
        "Condition": {
            "ArnLike": {"aws:PrincipalArn": permission_set_roles(place, center)},
            "StringLike": {"aws:userid": f"*:${{{_SESSION_NAME}}}"},
            "StringEquals": {_SESSION_NAME: list(names)},
        },
    }


def permission_set_roles(place: Place, center: IdentityCenter) -> list[str]:
    """Patterns of the role that a permission set has in an account: its name ends in sixteen characters, and
    its path has a region where Identity Center is in another than us-east-1 (Identity Center user guide,
    "Referencing permission sets in resource policies")."""
    name = f"AWSReservedSSO_{center.permission_set}_{'?' * 16}"
    return [
        place.global_arn("iam", f"role/aws-reserved/sso.amazonaws.com/{folder}{name}")
        for folder in ("", "*/")
    ]


def sign_in(place: Place) -> list[str]:
    """Audiences of SAML assertions: the sign-in page, and its endpoint in the region of the stack, which AWS
    recommends because people can sign in while another region is down (IAM user guide, "Configure SAML
    assertions for the authentication response").
    """
    host = _SIGN_IN.get(place.partition, _SIGN_IN["aws"])
    return [f"https://{host}/saml", f"https://{place.region}.{host}/saml"]


def size(policy: Policy) -> int:
    """Characters as IAM counts them: white space is free."""
    return len(json.dumps(policy, separators=(",", ":")))
