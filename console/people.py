"""`invoke credentials`, `rotate-keys`, `people` and `invite`: how the people of groups.yaml come in."""

import os
import sys
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

_FORM = {
    "format": (
        "env: for a shell to evaluate; json: for credential_process and for web pages; profile: a section "
        "of ~/.aws/credentials."
    ),
    "out": "A new file, outside version control, that only you can read (mode 0400).",
}


@task(
    help={
        **_FORM,
        "group": "A session with the rights of this group's analysts.",
        "lead": "With --group: with the rights of its leads.",
        "role": "A session of any role that you may take: its name, or its ARN.",
        "user": "The access key of a user for whom groups.yaml asks for one. Handed out once; needs --out.",
        "hours": "How long a session lasts: 0.25 to 12.",
        "profile": "Name of the section with --format profile.",
    }
)
def credentials(
    c: Context,
    group: str = "",
    lead: bool = False,
    role: str = "",
    user: str = "",
    hours: float = 12.0,
    format: str = "env",  # noqa: A002  the name of the flag
    profile: str = "neurocaas",
    out: str = "",
) -> None:
    """Credentials for a person: a session of a group or a role, or the access key of a user.

    A session is what its group's policy allows, for 12 hours, and then nothing: `eval "$(invoke credentials
    --group lab1)"`.
    """
    import boto3

    from blueprints import groups
    from console import credentials as given
    from console.cloud import project_root
    from console.errors import UserError
    from neurocaas.protocol.roles import lead_role, session_role

    given.check_format(format)
    named = [flag for flag, value in (("--group", group), ("--role", role), ("--user", user)) if value]
    if len(named) != 1 or (lead and not group):
        got = " and ".join(named) if named else "--lead alone" if lead else "no --group, --role or --user"
        raise UserError(
            got, "one of --group (with or without --lead), --role, --user", "say whose credentials you want"
        )
    if user:
        path = _file(out)
        _with_key(user)
        iam = boto3.client("iam")
        made = given.first_key(iam, user, _where(iam), lambda new: _write(path, new, format, profile))
        _note(
            f"{path}: access key {made.access_key_id} of {user}. Give it to nobody else; its secret is "
            "shown nowhere again."
        )
        return
    target = _file(out) if out else None
    sts = boto3.client("sts")
    if role:
        wanted, whose = role, "roles whose trust and whose taker's policy both allow it"
    else:
        known = groups.load(project_root()).groups
        if known and group not in known:
            raise UserError(
                f"group {group}",
                f"the groups of {groups.FILE}: {', '.join(sorted(known))}",
                "correct the name",
            )
        wanted = (lead_role if lead else session_role)(str(sts.meta.region_name), group)
        whose = f"the {'leads' if lead else 'members'} of {group}, and administrators"
    taken = given.session(sts, wanted, _where(sts), hours=hours, whose=whose)
    if target:
        _write(target, taken, format, profile)
    else:
        sys.stdout.write(taken.text(format, profile))
    _note(f"{target or 'credentials'}: {wanted}, until {taken.expires:%Y-%m-%d %H:%M %Z}")


@task(
    help={
        **_FORM,
        "user": "A user of groups.yaml.",
        "overlap": "Leave the old key on, until the next rotation.",
        "revoke": "Delete the user's keys and make none.",
        "profile": "Name of the section with --format profile.",
    }
)
def rotate_keys(
    c: Context,
    user: str,
    overlap: bool = False,
    revoke: bool = False,
    format: str = "profile",  # noqa: A002  the name of the flag
    profile: str = "neurocaas",
    out: str = "",
) -> None:
    """Give a user a new access key (--out FILE), and switch the old one off.

    A key that is off is deleted by the next rotation.
    """
    import boto3

    from console import credentials as given

    given.check_format(format)
    iam = boto3.client("iam")
    if revoke:
        told = given.revoke(iam, user) or [f"{user} has no access key"]
    else:
        path = _file(out)
        _with_key(user)
        made, told = given.rotate(
            iam, user, _where(iam), lambda new: _write(path, new, format, profile), overlap=overlap
        )
        told.insert(
            0, f"{path}: access key {made.access_key_id} of {user}. Its secret is shown nowhere again."
        )
    for line in told:
        _note(line)


def _file(out: str) -> Path:
    """Where the secret goes. Raises a message for no file, or one that is not safe."""
    from account.secret_file import new_file
    from console.errors import UserError

    if not out:
        got = "no --out: a key would end up in the terminal's memory or in a log"
        raise UserError(
            got, "a new file outside version control", "add --out ~/.aws/neurocaas-key, or another new file"
        )
    return new_file(out, example="~/.aws/neurocaas-key")


def _write(path: Path, made: Any, form: str, profile: str) -> None:
    from account.secret_file import create

    create(path, made.text(form, profile))


def _with_key(user: str) -> None:
    """Raises UserError for a user for whom groups.yaml does not ask for an access key."""
    from blueprints import groups
    from blueprints.finding import some
    from console.cloud import project_root
    from console.errors import UserError

    known = groups.load(project_root()).users
    if user not in known:
        raise UserError(
            f"user {user}", f"the users of {groups.FILE}: {some(known)}", "correct the name, or add the user"
        )
    if not known[user].access_key:
        raise UserError(
            f"user {user}, for whom {groups.FILE} asks for no access key",
            "users with access_key: true (here: "
            f"{some(name for name, one in known.items() if one.access_key)})",
            f"a session does without: `invoke credentials --group GROUP`. Or write `{user}: {{access_key: "
            f"true}}` there",
        )


def _where(client: Any) -> dict[str, str]:
    from console import credentials as given

    return given.whereabouts(client, os.environ.get("AWS_ENDPOINT_URL"))


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


@task(
    help={
        "group": "Only the people of this group.",
        "permission-set": "Only the policy that the permission set of Identity Center needs, as JSON.",
        "json": "One JSON object for a program.",
    }
)
def people(c: Context, group: str = "", permission_set: bool = False, json: bool = False) -> None:
    """Who is in groups.yaml, by which ways they come in, and what each of them types.

    What leads have asked for since counts (`neurocaas members`), and what of it is not done is told. Who is
    in a group and has no way in is told. `invoke invite GROUP` writes it to them.
    """
    from console import invitations

    if permission_set:
        sys.stdout.write(invitations.policy(_service(), _directory()))
        return
    rows = invitations.rows(_as_it_is(), _service(), _group(group))
    sys.stdout.write(invitations.as_json(rows) if json else invitations.table(rows))


@task(
    help={
        "group": "The group, as in groups.yaml.",
        "user": "Only for this member.",
        "json": "One JSON object for a program: each member's name, address and text.",
    }
)
def invite(c: Context, group: str, user: str = "", json: bool = False) -> None:
    """Write to each member of a group what they type to come in: a text to be sent, without a secret."""
    from console import invitations

    directory = _as_it_is()
    texts = invitations.texts(directory, _service(), _group(group), user)
    sys.stdout.write(invitations.as_json(texts) if json else invitations.letters(texts))


def _directory() -> Any:
    from blueprints import groups
    from console.cloud import project_root

    return groups.load(project_root())


def _as_it_is() -> Any:
    """groups.yaml with what leads have asked for since, as the next deploy does it. Where these credentials
    may not read that, the file alone; it is told."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from blueprints import groups
    from neurocaas.protocol import members

    directory = _directory()
    try:
        pages = boto3.client("ssm").get_paginator("get_parameters_by_path")
        found = pages.paginate(Path=members.PARAMETERS, Recursive=True)
        texts = {one["Name"]: one["Value"] for page in found for one in page["Parameters"]}
    except (BotoCoreError, ClientError) as error:
        _note(f"what leads have asked for is not read: {error}")
        return directory
    merged, notes = groups.with_changes(directory, members.all_changes(directory.groups, texts))
    for note in notes:
        _note(note)
    return merged


def _group(name: str) -> str:
    from blueprints.finding import some
    from blueprints.groups import FILE
    from console.errors import UserError

    known = _directory().groups
    if name and name not in known:
        raise UserError(f"group {name}", f"the groups of {FILE}: {some(known)}", "correct the name")
    return name


def _service() -> Any:
    """Where the service is: what the deployed `utils` says, whose roles these are."""
    from blueprints.ways import Service
    from console.commands import engine_of_deployed

    engine, name = engine_of_deployed("utils")
    found = engine.outputs(name)
    partition = str(found["kms_key_arn"]).split(":")[1]
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return Service(str(found["account"]), str(found["region"]), partition, endpoint)


collection = Collection(credentials, rotate_keys, people, invite)
