"""Credentials for people: a session of a role for up to 12 hours, or a long-lived access key that is shown to
nobody but its file.

What a session may do is what its role's policy says. An access key is made by IAM when it is asked for and is
not kept anywhere: not in the program, not in its state, not in a log.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.errors import UserError
from neurocaas.protocol.members import sessions_of_caller

FORMATS = ("env", "json", "profile")
HOURS = 12
"""Longest session of a role (IAM user guide, "Modify a role maximum session duration")."""
CHAINED_HOURS = 1
"""Longest session of a role that is taken by the session of another role (IAM user guide, "Role
chaining").
"""
KEYS_OF_A_USER = 2
"""IAM user guide, "IAM and AWS STS quotas"."""


@dataclass(frozen=True)
class Credentials:
    """`where` is the region and, for another cloud than AWS, the endpoint; `expires` None for an access
    key.
    """

    access_key_id: str
    secret_access_key: str
    where: Mapping[str, str]
    session_token: str | None = None
    expires: datetime | None = None

    def text(self, form: str, profile: str) -> str:
        """For a shell to evaluate, for `credential_process` of the AWS tools and for programs, or as a
        section of ~/.aws/credentials.
        """
        if form == "json":
            document = {
                "Version": 1,
                "AccessKeyId": self.access_key_id,
                "SecretAccessKey": self.secret_access_key,
                "SessionToken": self.session_token,
                "Expiration": self.expires.isoformat() if self.expires else None,
                "Region": self.where["region"],
                "Endpoint": self.where.get("endpoint_url"),
            }
            return (
                json.dumps({name: value for name, value in document.items() if value is not None}, indent=2)
                + "\n"
            )
        values = {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token or "",
            **self.where,
        }
        if form == "profile":
            return f"[{profile}]\n" + "".join(
                f"{name} = {value}\n" for name, value in values.items() if value
            )
        variables = {
            name.upper(): value for name, value in values.items() if value and name not in self.where
        }
        # boto3 reads the second name only, other tools the first.
        variables |= {"AWS_REGION": self.where["region"], "AWS_DEFAULT_REGION": self.where["region"]}
        if endpoint := self.where.get("endpoint_url"):
            variables["AWS_ENDPOINT_URL"] = endpoint
        before = ["AWS_PROFILE", *([] if self.session_token else ["AWS_SESSION_TOKEN"])]
        return "".join(
            [
                *(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()),
                f"unset {' '.join(before)}\n",
            ]
        )


def check_format(form: str) -> None:
    if form not in FORMATS:
        raise UserError(f"--format {form}", ", ".join(FORMATS), "choose one of them")


def whereabouts(client: Any, endpoint: str | None) -> dict[str, str]:
    """Where the credentials are good: the client's region, and the endpoint that the shell names."""
    return {"region": str(client.meta.region_name), **({"endpoint_url": endpoint} if endpoint else {})}


def role_arn(role: str, caller: Mapping[str, Any]) -> str:
    """The ARN of a role of the caller's account, from its name; an ARN stays as it is."""
    if role.startswith("arn:"):
        return role
    partition, account = str(caller["Arn"]).split(":")[1], caller["Account"]
    return f"arn:{partition}:iam::{account}:role/{role}"


def session(sts: Any, role: str, where: Mapping[str, str], *, hours: float, whose: str) -> Credentials:
    """A session of a role (name or ARN). `whose`: who may take it, for the message. Raises UserError when it
    is refused.
    """
    from botocore.exceptions import ClientError

    if not 0.25 <= hours <= HOURS:
        raise UserError(f"--hours {hours:g}", f"0.25 to {HOURS}", "choose a time between them")
    caller = sts.get_caller_identity()
    arn, seconds = role_arn(role, caller), int(hours * 3600)
    for name in sessions_of_caller(str(caller["Arn"])):
        try:
            answer = sts.assume_role(RoleArn=arn, RoleSessionName=name, DurationSeconds=seconds)
        except ClientError as error:
            code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            if code == "ValidationError" and "DurationSeconds" in said:
                do = f"ask for less with --hours (a session that takes another role has {CHAINED_HOURS} hour)"
                raise UserError(
                    f"{hours:g} hours of {arn}: {said}", "the role's longest session", do
                ) from None
            if code not in ("AccessDenied", "AccessDeniedException", "NoSuchEntity"):
                raise
        else:
            taken = answer["Credentials"]
            return Credentials(
                taken["AccessKeyId"],
                taken["SecretAccessKey"],
                where,
                taken["SessionToken"],
                taken["Expiration"],
            )
    raise UserError(
        f"{caller['Arn']} may not take the role {arn}",
        whose,
        "check the name and the region; an administrator sees and changes who is in a group in groups.yaml",
    )


def keys_of(iam: Any, user: str) -> list[dict[str, Any]]:
    """The user's access keys, oldest first: AccessKeyId, Status, CreateDate. Raises UserError for a user that
    is not there.
    """
    from botocore.exceptions import ClientError

    try:
        found: list[dict[str, Any]] = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        raise UserError(
            f"user {user}, who is not in IAM", "a user that is there", "make it: `invoke deploy utils`"
        ) from None
    return sorted(found, key=lambda key: (key["CreateDate"], key["AccessKeyId"]))


def described(key: Mapping[str, Any]) -> str:
    """One line that tells a key without its secret."""
    return f"{key['AccessKeyId']} ({key['Status'].lower()}, of {key['CreateDate']:%Y-%m-%d})"


def first_key(
    iam: Any, user: str, where: Mapping[str, str], keep: Callable[[Credentials], None]
) -> Credentials:
    """The user's only access key, handed to `keep`. Raises UserError when there is one already: a secret is
    given out once.
    """
    there = keys_of(iam, user)
    if there:
        raise UserError(
            f"{user} has an access key: {', '.join(map(described, there))}",
            "a user without one: the secret of a key is handed out once, when it is made",
            f"use it, or have another: `invoke rotate-keys {user} --out FILE`",
        )
    return _made(iam, user, where, keep)


def rotate(
    iam: Any, user: str, where: Mapping[str, str], keep: Callable[[Credentials], None], *, overlap: bool
) -> tuple[Credentials, list[str]]:
    """A new access key; what there was is switched off, or stays as it is with `overlap`. Of two keys the
    older one is deleted to make room, one that is switched off first. Returns the new key and a line for each
    old one."""
    there = keys_of(iam, user)
    told = []
    if len(there) >= KEYS_OF_A_USER:
        gone = min(there, key=lambda key: (key["Status"] == "Active", key["CreateDate"]))
        iam.delete_access_key(UserName=user, AccessKeyId=gone["AccessKeyId"])
        there.remove(gone)
        told.append(f"{described(gone)} is deleted")
    made = _made(iam, user, where, keep)
    for key in there:
        if key["Status"] == "Active" and not overlap:
            iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
            told.append(f"{described(key)} is switched off")
        else:
            told.append(f"{described(key)} stays as it is, until the next rotation")
    return made, told


def revoke(iam: Any, user: str) -> list[str]:
    """Delete all access keys of a user. Returns a line for each."""
    told = []
    for key in keys_of(iam, user):
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        told.append(f"{described(key)} is deleted")
    return told


def _made(iam: Any, user: str, where: Mapping[str, str], keep: Callable[[Credentials], None]) -> Credentials:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    made = Credentials(key["AccessKeyId"], key["SecretAccessKey"], where)
    try:
        keep(made)
    except OSError:
        # Nobody has seen the secret, so nobody could ever use the key.
        iam.delete_access_key(UserName=user, AccessKeyId=made.access_key_id)
        raise
    return made
