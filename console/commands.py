"""`invoke deploy`, `preview`, `outputs`, `new-stack`: thin over the Pulumi CLI."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

_STACK = {"stack": "utils, or <analysis>-<stage>, for instance analysis-webdev."}


def engine_of(stack: str) -> tuple[Any, str]:
    """The CLI in this project, and the stack's name when there can be such a stack (else UserError)."""
    from console import stacks
    from console.cloud import project_root
    from console.engine import Engine

    engine = Engine(project_root())
    return engine, stacks.check(stack, engine.root, engine.stack_names)


def engine_of_deployed(stack: str) -> tuple[Any, str]:
    """The same for commands that go by what is deployed: also of a stack whose blueprint is gone or was
    renamed.
    """
    from console import stacks
    from console.cloud import project_root
    from console.engine import Engine

    engine = Engine(project_root())
    return engine, stacks.check_deployed(stack, engine.root, engine.stack_names)


def end(code: int) -> None:
    """End the task with the exit code of the CLI, unless it is 0."""
    if code != 0:
        raise Exit(code=code)


def ensure_stack(engine: Any, name: str, secrets_provider: str = "") -> bool:
    """Make an empty stack unless it is there; whether it was made. The stack that `pulumi` itself has
    selected stays selected.
    """
    if name in engine.stack_names():
        return False
    sealed = ("--secrets-provider", secrets_provider) if secrets_provider else ()
    end(engine.show("stack", "init", name, *sealed, "--no-select", "--non-interactive"))
    return True


@contextmanager
def passing_stack(engine: Any, name: str) -> Iterator[bool]:
    """The stack, for as long as the body runs where there is none yet; whether it was made for that. Its
    settings file stays as it was.
    """
    settings = engine.settings_file(name)
    before = settings.read_bytes() if settings.is_file() else None
    if name in engine.stack_names():
        yield False
        return
    made = engine.capture("stack", "init", name, "--no-select", "--non-interactive")
    end_with(made)
    try:
        yield True
    finally:
        end_with(engine.capture("stack", "rm", name, "--yes", "--preserve-config", "--non-interactive"))
        if before is None:
            settings.unlink(missing_ok=True)
        else:
            settings.write_bytes(before)


def end_with(done: "subprocess.CompletedProcess[str]") -> None:
    """End the task as a quiet call of the CLI ended, with what it said, unless that went well."""
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        raise Exit(code=done.returncode)


_NO_RIGHTS = ("Denied", "Unauthorized")


def accepted() -> None:
    """Raises UserError for credentials that AWS refuses. The engine, which looks at each resource first,
    would say it as many times.
    """
    import boto3
    from botocore.exceptions import ClientError

    from console.errors import UserError

    try:
        boto3.client("sts").get_caller_identity()
    except ClientError as error:
        raise UserError(
            f"AWS does not accept the credentials: {error}",
            "valid credentials of the account",
            "renew them or choose others (AWS_PROFILE), check with `invoke doctor`, and try again; nothing "
            "was changed",
        ) from None


def adopt_what_is_own(
    engine: Any, stack: str, known: dict[str, Any] | None = None, *, always: bool = False
) -> list[dict[str, Any]]:
    """Take into the state what is the stack's own and the state does not know, and say so. `known`: the
    state, if it was read already; `always`: look even without a hint. The resources that the state knows
    then.
    """
    from botocore.exceptions import ClientError

    from account.clients import client
    from console import adoption
    from console.cloud import project_root
    from console.first_deploy import place_of, possible_buckets

    accepted()
    make: Any = client
    state = adoption.StackState(known or engine.export(stack))
    try:
        names = possible_buckets(stack, project_root(), *place_of(engine, stack, make))
        if not always and not adoption.needed(engine, stack, state, make, *names):
            return state.resources
    except ClientError as error:
        if not any(word in error.response["Error"]["Code"] for word in _NO_RIGHTS):
            raise
        sys.stderr.write(
            f"not looked for what is {stack}'s own and not in its state, for want of rights: {error}\n"
        )
        return state.resources
    sys.stderr.write(f"looking for what is {stack}'s own and not in its state ...\n")
    adopted = adoption.adopt(engine, stack, make)
    for urn, thing in adopted.taken.items():
        sys.stderr.write(f"  {thing.type.rpartition(':')[2]} {urn.rpartition('::')[2]} is {thing.id}\n")
    count = len(adopted.taken)
    sys.stderr.write(f"{count or 'no'} resource{'' if count == 1 else 's'} taken into the state of {stack}\n")
    if adopted.left:
        several = (
            f"{', '.join(thing.id for thing in adopted.left)}: no place in the program, although the tags "
            f"are {stack}'s."
        )
        sys.stderr.write(
            f"{several} Nothing refers to them through the state; delete them by hand once "
            "nothing uses them.\n"
        )
    return list(engine.resources(stack))


_NO_REFRESH = "Do not look at the cloud first: what was changed there by hand stays so."


@task(
    help={
        **_STACK,
        "yes": "Do not ask: deploy at once, without a preview.",
        "no-refresh": _NO_REFRESH,
        "no-check": "Do not look first whether the account has what the stack needs.",
    }
)
def deploy(
    c: Context, stack: str, yes: bool = False, no_refresh: bool = False, no_check: bool = False
) -> None:
    """Create or update a stack (pulumi up --refresh). Shows the changes and asks first, unless --yes.

    The stack is made when the backend does not have it yet. `utils` comes first: all analyses read its
    outputs. First the account is asked for what this stack needs of it (`invoke doctor --account` asks for
    all). What is in the cloud afterwards is what the blueprint and this program say, whatever was deleted
    or changed there by hand; when that is so already, nothing happens. What a killed deploy has made, or a
    lost state knew, is taken into the state first (`invoke adopt`). Exit code: the engine's.
    """
    from account.clients import client
    from console import deploy_words
    from console.account_checks import gate
    from console.engine import outputs_in
    from console.first_deploy import refuse_taken

    engine, name = engine_of(stack)
    if not no_check:
        accepted()
        gate.require(name, engine.root)
    before = engine.export_if_any(name)
    if before is None and ensure_stack(engine, name):
        deploy_words.say_what_was_renamed(engine)
    else:
        deploy_words.say_what_stays(outputs_in(before), name)
    refuse_taken(engine, name, client, adopt_what_is_own(engine, name, before))
    flags = [*refreshing(no_refresh), *(("--yes", "--skip-preview", "--non-interactive") if yes else ())]
    end(engine.show("up", "--stack", name, *flags))
    sys.stderr.write(f"Next: {deploy_words.after_deploy(name, engine.root)}\n")


def refreshing(no_refresh: bool = False) -> tuple[str, ...]:
    """The flag with which the engine reads what is there before it compares."""
    return () if no_refresh else ("--refresh",)


@task(help={**_STACK, "json": "The engine's preview digest as one JSON object.", "no-refresh": _NO_REFRESH})
def preview(c: Context, stack: str, json: bool = False, no_refresh: bool = False) -> None:
    """Show what a deploy would change, and change nothing (pulumi preview --refresh).

    Before the first deploy: what it would make. The empty stack that the engine needs for that is taken away
    again.
    """
    from console import deploy_words

    engine, name = engine_of(stack)
    accepted()
    with passing_stack(engine, name) as passing:
        if passing:
            sys.stderr.write(
                f"{name} was never deployed: this is what the first deploy would make (invoke "
                f"deploy {name})\n"
            )
        else:
            deploy_words.say_what_stays(engine.outputs_if_any(name), name)
        end(
            engine.show(
                "preview",
                "--stack",
                name,
                "--non-interactive",
                *refreshing(no_refresh),
                *(("--json",) if json else ()),
            )
        )


@task(
    help={
        **_STACK,
        "format": (
            "json; env (KEY=value lines); github (name=value lines, for $GITHUB_OUTPUT); global-params (old "
            "names)."
        ),
    }
)
def outputs(c: Context, stack: str, format: str = "json") -> None:  # noqa: A002  the name of the flag
    """Print a stack's outputs, checked against their schema in docs/schema/.

    In a GitHub workflow, `--format github` makes them outputs of the step; secret ones are masked in the log
    first. Anywhere else secrets are not shown.
    """
    from console.cloud import project_root
    from console.outputs import checked, hidden, masks, rendered

    engine, name = engine_of_deployed(stack)
    found = checked(engine.outputs(name), name, project_root() / "docs" / "schema")
    step = os.environ.get("GITHUB_OUTPUT") if format == "github" else None
    if not step:
        sys.stdout.write(rendered(found, format))
        return
    secret = hidden(found)
    if secret:
        found = engine.outputs(name, secrets=True)
        sys.stdout.write(masks(found, secret))
        sys.stdout.flush()
    with open(step, "a", encoding="utf-8") as file:
        file.write(rendered(found, format))
    sys.stdout.write(f"{len(found)} outputs of {name} are outputs of this step\n")


@task(
    help={
        **_STACK,
        "secrets-provider": (
            "What seals the stack's secrets, for instance awskms://alias/pulumi. Default: the backend's."
        ),
    }
)
def new_stack(c: Context, stack: str, secrets_provider: str = "") -> None:
    """Make an empty stack in the Pulumi backend of this shell, ready for its config and a deploy.

    Nothing happens when it exists.
    """
    engine, name = engine_of(stack)
    sys.stdout.write(
        f"stack {name} {'is made' if ensure_stack(engine, name, secrets_provider) else 'exists'}\n"
    )


collection = Collection(deploy, preview, outputs, new_stack)
