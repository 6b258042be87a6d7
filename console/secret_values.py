"""`invoke secret` and `secrets`: the values of an analysis's secrets, in the parameter store."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

_STACK = {"stack": "The stack: <analysis>-<stage>."}


@task(
    help={
        **_STACK,
        "name": "Name of the secret, as in the blueprint's `secrets`.",
        "remove": "Take the stored value away.",
    }
)
def secret(c: Context, stack: str, name: str, remove: bool = False) -> None:
    """Store the value of a secret, in place of the one that it has.

    The value is asked for without being shown, or read from standard input: it is no argument, which other
    users of this computer and the shell's history would see. Only machines of this stack can read it; a job
    reads it when its script starts.
    """
    import boto3

    from console.commands import engine_of
    from console.errors import UserError
    from console.secret_store import stored
    from neurocaas.protocol.secrets import parameter_name

    engine, stack = engine_of(stack)
    ssm, named = boto3.client("ssm"), _named(stack, engine.root)
    known = sorted(stored(ssm, stack)) if remove else named
    if name not in known:
        where = "stored" if remove else "named by the blueprint"
        allowed = f"a secret that is {where}: {', '.join(known) or 'there is none'}"
        raise UserError(name, allowed, "correct the name, or add it to `secrets` of the blueprint and deploy")
    if remove:
        ssm.delete_parameter(Name=parameter_name(stack, name))
        return
    key = engine.outputs("utils")["kms_key_arn"]
    ssm.put_parameter(
        Name=parameter_name(stack, name),
        Value=_value(name),
        Type="SecureString",
        KeyId=key,
        Overwrite=True,
    )


@task(help={**_STACK, "json": "One JSON document."})
def secrets(c: Context, stack: str, json: bool = False) -> None:
    """Show which secrets a stack has, and since when each has its value; never a value."""
    import json as document

    import boto3

    from console.commands import engine_of
    from console.secret_store import stored

    engine, stack = engine_of(stack)
    found = _facts(_named(stack, engine.root), stored(boto3.client("ssm"), stack))
    if json:
        sys.stdout.write(document.dumps({"stack": stack, "secrets": found}, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(stack, found)))


def _named(stack: str, root: Any) -> tuple[str, ...]:
    from blueprints import load, parse_stack_name
    from console.errors import UserError

    if stack == "utils":
        raise UserError(stack, "the stack of an analysis", "name it, for instance dti-prod")
    name = parse_stack_name(stack)
    return load(name.analysis, name.stage, root).secrets


def _value(name: str) -> str:
    """What was typed, or came on standard input without its last end of line. Raises InvalidInput for what
    cannot be a value, which is not shown."""
    from getpass import getpass

    from neurocaas.protocol.problems import InvalidInput
    from neurocaas.protocol.secrets import value_problem

    typed = getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read()
    value = typed.removesuffix("\n").removesuffix("\r")
    problem = value_problem(name, value)
    if problem is not None:
        raise InvalidInput([problem])
    return value


def _facts(named: Sequence[str], stored: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of each secret that the blueprint names or that is stored: whether it is named, since when it has its
    value."""
    every = sorted({*named, *stored})
    return [{"name": name, "named": name in named, "stored": stored.get(name)} for name in every]


def _lines(stack: str, found: Sequence[Mapping[str, Any]]) -> list[str]:
    if not found:
        return [f"the blueprint of {stack} names no secrets"]
    said = []
    for one in found:
        what = (
            f"stored {one['stored']}" if one["stored"] else f"no value: invoke secret {stack} {one['name']}"
        )
        spare = (
            ""
            if one["named"]
            else f"; the blueprint does not name it: invoke secret {stack} {one['name']} --remove"
        )
        said.append(f"{one['name']}: {what}{spare}")
    return said


collection = Collection(secret, secrets)
