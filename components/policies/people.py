"""People: the analysts of a group, who leads it, and who takes its role for a session.

Analysts write inputs, configs and submissions and read configs, results and what the service has recorded of
their jobs. They cannot read inputs back (the service is no storage), cannot touch results, and see no name of
another group.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from blueprints.groups import Federation, IdentityCenter
from components.place import Place
from components.policies.document import Policy, Statement, allow, allow_own, document
from components.policies.manager import BUDGET_PARAMETERS
from neurocaas.protocol.analyses import folder
from neurocaas.protocol.budget_parameters import LIMIT
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
    index = place.arn("ssm", f"parameter{folder(group)}")
    statements.append(allow("FindAnalyses", ["ssm:GetParametersByPath"], [index, f"{index}/*"]))
    budgets = place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/{group}/*")
    statements.append(allow("ReadBudgets", ["ssm:GetParameter", "ssm:GetParameters"], [budgets]))
    if session_role is not None:
        statements.append(take(session_role))
    return document(*statements)


def take(session_role: str) -> Statement:
    """The right to take a role for a session, by its ARN."""
    return allow("TakeSession", ["sts:AssumeRole"], [session_role])


def leads(place: Place, *, buckets: Sequence[str], group: str) -> Policy:
    """What a lead has beside the rights of an analyst: the group's compute reports, and lower limits than its
    budgets."""
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
    )


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
) -> Policy:
    """Who may take the role of a group: users of this account whose own policy says so, which is the group's;
    those people of the identity provider whose session tags name the group (and for the role of its leads,
    say that they lead it), or who are named themselves (`subjects`); and those users of Identity Center who
    are named (`in_center`)."""
    statement: Statement = {
        "Sid": "MembersByTheirPolicy",
        "Effect": "Allow",
        "Principal": {"AWS": place.global_arn("iam", "root")},
        "Action": "sts:AssumeRole",
    }
    more = _of_center(place, center, in_center, statement) if center else []
    if federation is None:
        return document(statement, *more)
    key = "SAML:aud" if federation.saml else f"{federation.host}:aud"
    wanted: dict[str, str | list[str]] = {
        key: federation.audience or sign_in(place),
        f"aws:RequestTag/{federation.tag}": group,
    }
    if lead:
        wanted[f"aws:RequestTag/{federation.lead_tag}"] = "true"
    # A session without the tag has no such key, and StringEquals then refuses it.
    federated: Statement = {
        "Sid": "PeopleByTheirTags",
        "Effect": "Allow",
        "Principal": {"Federated": federation.provider},
        "Action": [
            "sts:AssumeRoleWithSAML" if federation.saml else "sts:AssumeRoleWithWebIdentity",
            "sts:TagSession",
        ],
        "Condition": {"StringEquals": wanted},
    }
    if subjects:
        audience = {key: federation.audience or "", f"{federation.host}:sub": list(subjects)}
        named: Statement = {
            "Sid": "PeopleByTheirSubject",
            "Effect": "Allow",
            "Principal": {"Federated": federation.provider},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": {"StringEquals": audience},
        }
        more.insert(0, named)
    return document(statement, federated, *more)


def _of_center(
    place: Place, center: IdentityCenter, names: Sequence[str], members: Statement
) -> list[Statement]:
    """All its users have one policy, that of the permission set, which lets them take the roles of all
    groups; so each role says itself who may: the name of their session, which is their name in Identity
    Center, and which nobody but Identity Center can give (its roles are in a path that is AWS's own)."""
    roles = permission_set_roles(place, center)
    members["Condition"] = {"ArnNotLike": {"aws:PrincipalArn": roles}}
    if not names:
        return []
    return [
        {
            "Sid": "PeopleOfIdentityCenter",
            "Effect": "Allow",
            "Principal": {"AWS": place.global_arn("iam", "root")},
            "Action": "sts:AssumeRole",
            "Condition": {
                "ArnLike": {"aws:PrincipalArn": roles},
                "StringLike": {"aws:userid": [f"*:{name}" for name in names]},
            },
        }
    ]


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
