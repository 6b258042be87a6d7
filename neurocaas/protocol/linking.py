"""What the owner of an outside bucket must allow, exactly: the bucket policy by which the service's roles
reach it, and whether a policy that is there says so.

A bucket of another account lets a role in by its own policy, beside the role's (IAM user guide,
"Cross-account policy evaluation logic"); the roles' side is `components.policies.outside`, and this module
asks no more than that allows. The policy names roles, not the account: nobody else of the account gets
anything.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.keys import RESULTS
from neurocaas.protocol.outside import OutsideBucket

MANAGER, MACHINE, WRITER = "manager", "machine", "writer"
"""Who reaches outside buckets: the manager looks at what a submission names; machines read it and write
results; the monitor's writer puts logs and the end of a job beside them."""

WHO = {
    MANAGER: "the manager, which looks up what a submission names",
    MACHINE: "the group's machines",
    WRITER: "the monitor, which ends jobs",
}

_SID = "NeuroCAAS"
_READ = ("s3:GetObject",)
_WRITE = ("s3:PutObject", "s3:AbortMultipartUpload")
_LIST = ("s3:ListBucket",)


@dataclass(frozen=True)
class Grant:
    """`who` (of WHO) needs `actions` on `resource`, an ARN that may end in `*`."""

    sid: str
    who: tuple[str, ...]
    actions: tuple[str, ...]
    resource: str


def grants(entry: OutsideBucket, partition: str) -> list[Grant]:
    """What the service needs in a registered bucket. Listing is not bound to the prefix: S3 answers "no such
    key" only to those who may list the bucket, else "access denied" (S3 API reference, "GetObject")."""
    bucket = f"arn:{partition}:s3:::{entry.bucket}"
    objects = f"{bucket}/{entry.prefix}*"
    found = [
        Grant("Reads", (MANAGER, MACHINE), _READ, objects),
        Grant("Lists", (MANAGER, MACHINE), _LIST, bucket),
    ]
    if RESULTS in entry.use:
        found += [
            Grant("WritesResults", (MACHINE,), _WRITE, objects),
            Grant("EndsJobs", (WRITER,), ("s3:PutObject",), objects),
        ]
    return found


def policy(entries: Sequence[OutsideBucket], roles: Mapping[str, str]) -> dict[str, Any]:
    """The bucket policy for entries of one bucket. `roles`: the ARN of each of WHO."""
    statements: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    for entry in entries:
        for one in grants(entry, partition_of(roles)):
            found = statements.setdefault(
                (one.sid, one.who),
                {
                    "Sid": f"{_SID}{one.sid}",
                    "Effect": "Allow",
                    "Principal": {"AWS": sorted(roles[who] for who in one.who)},
                    "Action": list(one.actions),
                    "Resource": [],
                },
            )
            if one.resource not in found["Resource"]:
                found["Resource"].append(one.resource)
    return {"Version": "2012-10-17", "Statement": list(statements.values())}


def partition_of(roles: Mapping[str, str]) -> str:
    """The partition of AWS in which the roles are."""
    return next(iter(roles.values())).split(":")[1]


@dataclass(frozen=True)
class Lack:
    """What a policy does not allow. `denied`: a statement denies it; `conditional`: it is allowed, or denied,
    only under a condition, which is not judged here."""

    who: str
    action: str
    resource: str
    denied: bool = False
    conditional: bool = False


def lacking(
    document: Mapping[str, Any], entry: OutsideBucket, roles: Mapping[str, str], *, own: bool = False
) -> list[Lack]:
    """What the bucket's policy does not let the service do. `own`: the bucket is of the roles' account, where
    the roles' own policies allow, and this one can only deny."""
    found = []
    for one in grants(entry, partition_of(roles)):
        for who in one.who:
            for action in one.actions:
                effects = _effects(document, roles[who], action, one.resource)
                if ("Deny", False) in effects:
                    found.append(Lack(who, action, one.resource, denied=True))
                elif ("Deny", True) in effects:
                    found.append(Lack(who, action, one.resource, denied=True, conditional=True))
                elif not own and ("Allow", False) not in effects:
                    conditional = ("Allow", True) in effects
                    found.append(Lack(who, action, one.resource, conditional=conditional))
    return found


def _effects(document: Mapping[str, Any], role: str, action: str, resource: str) -> set[tuple[str, bool]]:
    """The effects of the statements that fit, each with whether it has a condition."""
    found = set()
    for statement in _listed(document.get("Statement")):
        if not isinstance(statement, Mapping):
            continue
        effect = str(statement.get("Effect"))
        if not (
            _principal(statement, role)
            and _fits(statement, "Action", action.lower(), lower=True)
            and _reaches(statement, resource, whole=effect == "Allow")
        ):
            continue
        condition = statement.get("Condition")
        if effect == "Deny" and _tls_only(condition):
            continue  # every call of ours is by TLS
        found.add((effect, bool(condition)))
    return found


def _principal(statement: Mapping[str, Any], role: str) -> bool:
    """Whether it speaks of the role: by itself, its account, or everybody."""
    if "NotPrincipal" in statement:
        named = statement["NotPrincipal"]
        return not _names(named, role)
    return _names(statement.get("Principal"), role)


def _names(principal: Any, role: str) -> bool:
    account = role.split(":")[4]
    if principal == "*":
        return True
    named = _listed(principal.get("AWS")) if isinstance(principal, Mapping) else []
    return any(
        one in ("*", role, account) or (str(one).endswith(":root") and f":{account}:" in str(one))
        for one in named
    )


def _fits(statement: Mapping[str, Any], key: str, value: str, *, lower: bool = False) -> bool:
    patterns = [str(one).lower() if lower else str(one) for one in _listed(statement.get(key))]
    if f"Not{key}" in statement:
        others = [str(one).lower() if lower else str(one) for one in _listed(statement[f"Not{key}"])]
        return not any(_matches(value, one) for one in others)
    return any(_matches(value, one) for one in patterns)


def _reaches(statement: Mapping[str, Any], resource: str, *, whole: bool) -> bool:
    """Whether the statement covers the resource: all of what ends in `*` when `whole`, else some of it."""
    if not resource.endswith("*"):
        return _fits(statement, "Resource", resource)
    # two names that a pattern for a part of the prefix does not have both
    samples = [f"{resource[:-1]}{name}" for name in ("job_1/process_results/a", "zz-9/b")]
    fit = [_fits(statement, "Resource", sample) for sample in samples]
    return all(fit) if whole else any(fit)


def _matches(value: str, pattern: str) -> bool:
    """IAM's patterns: `*` and `?` (IAM user guide, "Resource"); a bracket is a bracket."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _tls_only(condition: Any) -> bool:
    found = condition.get("Bool") if isinstance(condition, Mapping) and len(condition) == 1 else None
    values = (
        {str(key).lower(): _listed(value) for key, value in found.items()}
        if isinstance(found, Mapping)
        else {}
    )
    return set(values) == {"aws:securetransport"} and [
        str(one).lower() for one in values["aws:securetransport"]
    ] == ["false"]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def of_bucket(entries: Iterable[OutsideBucket], bucket: str, prefix: str = "") -> list[OutsideBucket]:
    """The entries of a bucket, at or above a prefix."""
    return [one for one in entries if one.bucket == bucket and (not prefix or prefix.startswith(one.prefix))]
