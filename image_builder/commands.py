"""`invoke bake-ami`: bake an analysis's machine image and write its id into the blueprint."""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from image_builder.baking import Baking, Preview
    from image_builder.pipeline import Plan, Target
    from image_builder.preflight import ClientMaker

HELP = {
    "stack": "The analysis's stack, for instance dti-webdev; utils for the project's base image.",
    "analysis": (
        "The analysis's name, in place of --stack; its webdev stack is meant. base: the project's base image."
    ),
    "json": "One JSON object on standard output; progress goes to standard error.",
}


@task(
    name="bake-ami",
    help={
        **HELP,
        "base": "The project's base image, in place of an analysis: the same as --stack utils.",
        "plan": (
            "Look at everything, say what would be done, and do nothing. Exit status 1 when there are "
            "problems."
        ),
        "force": "Build even when the recorded image is of this recipe.",
        "resume": "Only take up a build that is under way (without the flag that happens by itself).",
        "cancel": "Stop the build of this recipe that is under way.",
        "unverified": (
            "Bake a recording although no replay has proved it; the image's tag neurocaas:verified then "
            "says no."
        ),
        "commit": "Commit the blueprint's folder before and after (--no-commit: write the files only).",
        "message": "What the image is for: a line of the second commit and of bake.json.",
    },
)
def bake_ami(
    c: Context,
    stack: str = "",
    analysis: str = "",
    base: bool = False,
    plan: bool = False,
    force: bool = False,
    resume: bool = False,
    cancel: bool = False,
    unverified: bool = False,
    commit: bool = True,
    message: str = "",
    json: bool = False,
) -> None:
    """Bake the machine image of an analysis, or the project's base image, from its provision/ folder.

    Looks for everything that would fail later, starts the stack's Image Builder pipeline, shows its steps as
    they go, and writes the id of the new image into blueprints/<analysis>/blueprint.yaml and where it comes
    from into bake.json, in two git commits of that folder. Does nothing when the recorded image is of the
    same recipe. Interrupted with Ctrl-C, the build goes on; the same command takes it up again. A failed or
    cancelled build leaves the blueprint as it was.
    """
    from image_builder import pipeline
    from image_builder.baking import Baking, Options
    from image_builder.report import BakeReport

    target = target_of(stack, analysis, base=base)
    report = BakeReport(sys.stderr if json else sys.stdout)
    options = Options(
        force=force,
        resume=resume,
        unverified=unverified,
        commit=commit,
        purpose=message,
        advisories="AWS_ENDPOINT_URL" not in os.environ,  # a bake here asks nothing of the network
    )
    baking = Baking(_root(), target, clients_of(target.region), report, options)
    if cancel:
        _cancel(pipeline.plan(target, None, baking.clients("imagebuilder"), force=True), baking)
        return
    preview = baking.preview()
    report.say(f"{target.stack}: {preview.plan.why}")
    for note in preview.notes:
        report.say(f"  note: {note}")
    result: dict[str, Any] = {
        "stack": target.stack,
        "analysis": target.analysis,
        "action": preview.plan.action,
    }
    if plan:
        for problem in preview.problems:
            report.say(f"  problem: {problem}")
        result |= {
            "image_id": preview.plan.image_id,
            "problems": preview.problems,
            "notes": preview.notes,
            "verified": preview.verified,
        }
    else:
        result |= _run(baking, preview)
        if result["image_id"] != preview.recorded:
            report.say(f"{result['image_id']} is recorded in {baking.imaged.file} and bake.json")
            for made in result["commits"]:
                report.say(f"  commit {made}")
        if preview.plan.action == "nothing" or result["image_id"] != preview.recorded:
            report.say(_next(target))
    if json:
        sys.stdout.write(dumps(result))
    if plan and preview.problems:
        raise Exit(code=1)


def _run(baking: Baking, preview: Preview) -> dict[str, Any]:
    stack = baking.target.stack
    try:
        return baking.run(preview)
    except KeyboardInterrupt:
        raise Exit(
            "stopped watching; the build goes on, and the blueprint is unchanged\n"
            f"  to take it up again: `invoke bake-ami --stack {stack}`\n  to cancel it: `invoke bake-ami "
            f"--stack {stack} --cancel`",
            code=130,
        ) from None


def target_of(stack: str, analysis: str, *, base: bool = False) -> Target:
    """What the outputs of the stack (or of the analysis's webdev stack) say about its image."""
    from blueprints.model import UTILS
    from image_builder import pipeline

    if base and (stack or analysis) and stack_of(stack, analysis) != UTILS:
        raise pipeline.BakeError(f"--base and {stack or analysis}", "one image", "leave one of the two out")
    stack = UTILS if base else stack_of(stack, analysis)
    if not stack:
        raise pipeline.BakeError(
            "no stack",
            "the stack of an analysis, or --base",
            "name one: `invoke bake-ami --stack dti-webdev`",
        )
    return pipeline.Target.from_outputs(stack, stack_outputs(_root(), stack))


def stack_of(stack: str, analysis: str) -> str:
    """The stack that has an image: the one that is named, else that of the analysis; empty when neither
    is.
    """
    from blueprints.model import UTILS
    from blueprints.parents import BASE

    return stack or (UTILS if analysis == BASE else f"{analysis}-webdev" if analysis else "")


def _next(target: Target) -> str:
    """What brings a new image to where it is used."""
    import blueprints
    from blueprints.parents import BASE
    from neurocaas.protocol.problems import InvalidInput

    if target.analysis != BASE:
        return f"to use it: `invoke deploy {target.stack}`"
    users = []
    for name in blueprints.names(_root()):
        with suppress(InvalidInput):  # that one's own commands say what is wrong with it
            if blueprints.load(name, blueprints.Stage.WEBDEV, _root()).image.parent == BASE:
                users.append(name)
    if not users:
        return f"to use it: write `parent: {BASE}` below `image` in a blueprint"
    return (
        f"to use it, for each of {', '.join(users)}: `invoke deploy STACK`, then `invoke bake-ami --stack "
        "STACK`"
    )


def stack_outputs(root: Path, stack: str) -> Mapping[str, Any]:
    """The stack's outputs by the Pulumi CLI. Raises BakeError when there are none."""
    from blueprints.outputs import NO_CLI, NoOutputs, arguments, outputs_of
    from image_builder.pipeline import BakeError

    try:
        command = ["pulumi", *arguments(stack)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        return outputs_of(stack, done)
    except FileNotFoundError:
        raise BakeError(*NO_CLI) from None
    except NoOutputs as error:
        raise BakeError(*error.parts) from None


def clients_of(region: str) -> ClientMaker:
    """A maker of boto3 clients for a region."""
    import boto3

    from account.clients import client

    return cast("ClientMaker", partial(client, session=boto3.Session(region_name=region)))


def dumps(value: Any) -> str:
    return json_module.dumps(value, indent=2) + "\n"


def _cancel(todo: Plan, baking: Baking) -> None:
    from image_builder import pipeline

    if todo.action != "resume" or todo.build_arn is None:
        baking.report.say("no build of this recipe is under way")
        return
    pipeline.cancel(todo.build_arn, baking.clients("imagebuilder"))
    baking.report.say(f"asked to cancel {todo.build_arn.rpartition('image/')[2]}; the blueprint is unchanged")


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


collection = Collection(bake_ami)
