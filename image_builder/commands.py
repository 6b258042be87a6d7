"""`invoke bake-ami`: bake an analysis's machine image and write its id into the blueprint."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(
    name="bake-ami",
    help={
        "stack": "The analysis's stack, for instance dti-webdev.",
        "analysis": "The analysis's name, in place of --stack; its webdev stack is meant.",
        "plan": "Say what would be done, and do nothing.",
        "force": "Build even when the recorded image is of this recipe.",
        "cancel": "Stop the build of this recipe that is under way.",
        "json": "One JSON object on standard output; progress goes to standard error.",
    },
)
def bake_ami(
    c: Context,
    stack: str = "",
    analysis: str = "",
    plan: bool = False,
    force: bool = False,
    cancel: bool = False,
    json: bool = False,
) -> None:
    """Bake the machine image of an analysis from its provision/ folder.

    Starts the stack's Image Builder pipeline, shows its steps as they go, and writes the id of the new image into
    blueprints/<analysis>/blueprint.yaml. Does nothing when the recorded image is of the same recipe. Interrupted with Ctrl-C, the
    build goes on; the same command takes it up again.
    """
    import boto3

    from image_builder import bake

    stack = stack or (f"{analysis}-webdev" if analysis else "")
    if not stack:
        raise bake.BakeError("no stack\n  allowed: the stack of an analysis\n  do: name one: `invoke bake-ami --stack dti-webdev`")
    root = _root()
    target = bake.Target.from_outputs(stack, stack_outputs(root, stack))
    session = boto3.Session(region_name=target.region)
    imagebuilder, logs = session.client("imagebuilder"), session.client("logs")
    recorded = recorded_image(root, target)
    todo = bake.plan(target, recorded, imagebuilder, force=force)
    report = Report(sys.stderr if json else sys.stdout)
    if cancel:
        _cancel(todo, imagebuilder, report)
        return
    report.say(f"{stack}: {todo.why}")
    result: dict[str, Any] = {"stack": stack, "analysis": target.analysis, "action": todo.action, "image_id": todo.image_id}
    if not plan:
        result |= run(root, target, todo, imagebuilder, logs, report)
        if result["image_id"] != recorded:
            report.say(
                f"{result['image_id']} is recorded in blueprints/{target.analysis}/blueprint.yaml; to use it: `invoke deploy {stack}`"
            )
    if json:
        sys.stdout.write(dumps(result))


def run(root: Path, target: Any, todo: Any, imagebuilder: Any, logs: Any, report: "Report") -> dict[str, Any]:
    """Do what a plan says, record the image in the blueprint, and return what was done."""
    import blueprints
    from image_builder import bake

    image_id, build_arn, seconds = todo.image_id, todo.build_arn, 0.0
    if todo.action in ("build", "resume"):
        problems = bake.preflight(target, imagebuilder)
        if problems:
            raise bake.BakeError("\n".join(problems))
        build_arn = build_arn or bake.start(target, imagebuilder)
        report.say(f"build {build_arn.rpartition('image/')[2]}")
        try:
            with report:
                baked = bake.follow(target, build_arn, imagebuilder, logs, report.event)
        except KeyboardInterrupt:
            raise Exit(
                f"stopped watching; the build goes on\n  to take it up again: `invoke bake-ami --stack {target.stack}`\n"
                f"  to cancel it: `invoke bake-ami --stack {target.stack} --cancel`",
                code=130,
            ) from None
        image_id, seconds = baked.image_id, baked.seconds
        report.say(f"{image_id} baked in {seconds:.0f} s")
    if todo.action != "nothing":
        blueprints.record_image(root, target.analysis, target.account, target.region, image_id)
    return {"image_id": image_id, "build_arn": build_arn, "seconds": round(seconds, 1)}


class Report:
    """A bake on a terminal (steps with their times, and the log's last line under them) or as plain lines."""

    def __init__(self, out: Any) -> None:
        self._out, self._begun, self._live = out, time.monotonic(), out.isatty()
        self._pending = False

    def __enter__(self) -> "Report":
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def say(self, text: str) -> None:
        self._clear()
        self._out.write(text + "\n")
        self._out.flush()

    def event(self, event: Any) -> None:
        at = f"{time.monotonic() - self._begun:7.1f} s"
        if event.kind == "state":
            self.say(f"{at}  {event.status}  {event.text}".rstrip())
        elif event.kind == "step":
            self.say(f"{at}    {event.name}: {event.status}  {event.text}".rstrip())
        elif self._live:
            self._clear()
            self._out.write(f"{at}      {event.text}"[: shutil.get_terminal_size().columns - 1])
            self._out.flush()
            self._pending = True
        else:
            self.say(f"{at}      {event.text}")

    def _clear(self) -> None:
        if self._pending:
            self._out.write("\r\x1b[K")
            self._pending = False


def stack_outputs(root: Path, stack: str) -> Mapping[str, Any]:
    """The stack's outputs by the Pulumi CLI. Raises BakeError when there are none."""
    from image_builder.bake import BakeError

    try:
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--non-interactive", "--stack", stack],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise BakeError("there is no pulumi on PATH\n  allowed: the Pulumi CLI\n  do: `invoke local.up`, or `invoke setup`") from None
    outputs: Mapping[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    if not outputs:
        said = (done.stderr.strip().splitlines() or ["it was never deployed"])[-1]
        raise BakeError(
            f"stack '{stack}' has no outputs: {said}\n  allowed: a stack that has been deployed\n  do: deploy it: `invoke deploy {stack}`"
        )
    return outputs


def recorded_image(root: Path, target: Any) -> str | None:
    """The image that the blueprint names for the target's account and region."""
    import blueprints

    blueprint = blueprints.load(target.analysis, target.stack.rpartition("-")[2], root)
    return blueprint.image.baked(target.account, target.region)


def dumps(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _cancel(todo: Any, imagebuilder: Any, report: Report) -> None:
    from image_builder import bake

    if todo.action != "resume":
        report.say("no build of this recipe is under way")
        return
    bake.cancel(todo.build_arn, imagebuilder)
    report.say(f"asked to cancel {todo.build_arn.rpartition('image/')[2]}; the blueprint is unchanged")


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


collection = Collection(bake_ami)
