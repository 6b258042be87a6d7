"""Baking: start an analysis's Image Builder pipeline, follow it, and pick the image that came out.

`plan` says what is to be done, `start` and `follow` do it. Nothing here writes to the blueprint or to a
terminal.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blueprints.parents import BASE
from image_builder.progress import BuildEvent, BuildWatch
from neurocaas.protocol.problems import UserFacingError
from neurocaas.protocol.tags import ANALYSIS_TAG, STACK_TAG

RECIPE_TAG = "recipe_sha256"
"""Tag on an Image Builder image: the digest of the recipe that it was built from."""

_BUILT, _LOST = "AVAILABLE", ("FAILED", "CANCELLED")
_DEAD = (*_LOST, "DELETED", "DISABLED", "DEPRECATED")
SHORTEST_WAIT, LONGEST_WAIT = 0.5, 5.0


class BakeError(UserFacingError):
    """A bake that cannot start or did not end well."""


@dataclass(frozen=True)
class Target:
    """What the outputs of a stack say about its image. `analysis` is `base` for that of `utils`."""

    stack: str
    analysis: str
    account: str
    region: str
    pipeline_arn: str
    recipe_sha256: str

    @classmethod
    def from_outputs(cls, stack: str, outputs: Mapping[str, Any]) -> "Target":
        """Raises BakeError for the outputs of a stack without an image pipeline."""
        pipeline = outputs.get("image_pipeline_arn")
        if not pipeline:
            raise BakeError(
                f"stack '{stack}' has no image pipeline",
                "the stack of an analysis with a provision/ folder, or utils, which has the base image",
                f"choose one of these; was it deployed? `invoke deploy {stack}`",
            )
        return cls(
            stack,
            str(outputs.get("analysis", BASE)),  # the stack `utils` has the base image
            str(outputs["account"]),
            str(outputs["region"]),
            str(pipeline),
            str(outputs["image_recipe_sha256"]),
        )


@dataclass(frozen=True)
class Plan:
    """What a bake would do. `action` is "nothing" (the recorded image is of this recipe), "record" (an image
    of this recipe exists, the blueprint does not name it), "resume" (one is being built) or "build"."""

    action: str
    why: str
    image_id: str | None = None
    build_arn: str | None = None


@dataclass(frozen=True)
class Baked:
    """A finished build: the image for the target's account and region."""

    image_id: str
    build_arn: str
    seconds: float


def plan(target: Target, recorded: str | None, imagebuilder: Any, *, force: bool = False) -> Plan:
    """Compare the stack's recipe with the images that the pipeline has built. `recorded` is the blueprint's
    image, if it names one for this account and region. `force` builds in any case, unless a build is under
    way."""
    usable, made_by, building = None, None, None
    for image in images(target, imagebuilder):
        if (image.get("tags") or {}).get(RECIPE_TAG) != target.recipe_sha256:
            continue
        status = image["state"]["status"]
        if status == _BUILT:
            found = pick(image, target)
            if usable is None or found == recorded:
                usable, made_by = found, image["arn"]
        elif status not in _DEAD:
            building = image["arn"]
    if building:
        return Plan("resume", "a build of this recipe is under way", build_arn=building)
    if force:
        return Plan("build", "asked for by --force")
    if usable and usable == recorded:
        return Plan("nothing", f"{recorded} was built from this recipe", recorded)
    if usable:
        return Plan(
            "record",
            f"{usable} was built from this recipe, and the blueprint does not name it",
            usable,
            made_by,
        )
    return Plan("build", f"no image of this recipe yet (the blueprint names {recorded or 'none'})")


def start(target: Target, imagebuilder: Any, more_tags: Mapping[str, str] | None = None) -> str:
    """Start the pipeline and return the ARN of the build, which carries its recipe and `more_tags` as
    tags.
    """
    tags = {
        RECIPE_TAG: target.recipe_sha256,
        ANALYSIS_TAG: target.analysis,
        STACK_TAG: target.stack,
        **(more_tags or {}),
    }
    started = imagebuilder.start_image_pipeline_execution(imagePipelineArn=target.pipeline_arn, tags=tags)
    return str(started["imageBuildVersionArn"])


def follow(
    target: Target,
    build_arn: str,
    imagebuilder: Any,
    logs: Any,
    on_event: Callable[[BuildEvent], None],
    *,
    clock: Any = time,
) -> Baked:
    """Watch a build until it ends, and report its steps and log lines. Raises BakeError when it failed or was
    cancelled.

    Asks every 0.5 s while things happen and up to every 5 s while nothing does: Image Builder has no event
    that a client can wait for.
    """
    begun, wait = clock.monotonic(), SHORTEST_WAIT
    watch = BuildWatch(build_arn, imagebuilder, logs)
    while True:
        image = imagebuilder.get_image(imageBuildVersionArn=build_arn)["image"]
        events = watch.news(image)
        for event in events:
            on_event(event)
        status = image["state"]["status"]
        if status == _BUILT:
            for event in watch.news(image):  # what was logged while the state changed
                on_event(event)
            return Baked(pick(image, target), build_arn, clock.monotonic() - begun)
        if status in _LOST:
            raise failure(target, image, watch.tail)
        wait = SHORTEST_WAIT if events else min(wait * 1.5, LONGEST_WAIT)
        clock.sleep(wait)


def pick(image: Mapping[str, Any], target: Target) -> str:
    """The AMI of the target's account and region among those that a build has distributed. Raises BakeError
    when there is none.
    """
    amis = image.get("outputResources", {}).get("amis", [])
    for ami in amis:
        if ami.get("region") == target.region and ami.get("accountId") in (target.account, None):
            return str(ami["image"])
    there = ", ".join(f"{ami.get('accountId')}/{ami.get('region')}" for ami in amis) or "nothing"
    raise BakeError(
        f"the build {image.get('arn')} made no image for {target.account}/{target.region}",
        f"a distribution to that account and region (it went to {there})",
        f"add the region to the stack's distribution, then `invoke deploy {target.stack}`",
    )


_FULL = ("No space left on device", " is full ")
_AT = re.compile(r"::error file=(?P<script>[^,:]+),line=(?P<line>\d+)::(?P<command>.*)")
"""What the documents' preamble prints for the command that failed, see `image_builder.documents`."""


def failure(target: Target, image: Mapping[str, Any], tail: list[str]) -> BakeError:
    """Where and why a build failed: step, component, phase, script line and the end of the log, with what to
    do next.
    """
    state = image["state"]
    if state["status"] == "CANCELLED":
        return BakeError(
            f"the build {image.get('arn')} was cancelled",
            "a build that runs to its end",
            f"start it again: `invoke bake-ami --stack {target.stack}`",
        )
    context = state.get("failureContext") or {}
    component = context.get("componentFailure") or {}
    message = str(
        component.get("errorMessage") or state.get("reason") or "the service gave no reason"
    ).strip()
    said = [f"the image of '{target.analysis}' was not built; the blueprint is unchanged"]
    at, step = _where(component), context.get("failedStep") or context.get("stepExecutionId")
    if at or step:
        said.append(f"  at: {at or f'step {step}'}")
    place = next((found for line in [*message.splitlines(), *tail] if (found := _AT.search(line))), None)
    if place:
        folder = "" if place["script"].startswith("/") else f"blueprints/{target.analysis}/provision/"
        said.append(f"  line: {folder}{place['script']}:{place['line']}: {place['command']}")
    said += [f"  why: {message.splitlines()[0]}", *(f"       {line}" for line in message.splitlines()[1:])]
    if rest := [line for line in tail if line not in message.splitlines()]:
        said += ["  last log lines:", *(f"    {line}" for line in rest[-15:])]
    again, deploy = f"`invoke bake-ami --stack {target.stack}`", f"`invoke deploy {target.stack}`"
    if (at or place) and not any(full in message for full in _FULL):
        do = f"correct blueprints/{target.analysis}/provision/, then {deploy} and {again}"
    else:
        do = f"see to what is said above, then start it again: {again}"
    return BakeError("\n".join(said), "", do)


def _where(component: Mapping[str, Any]) -> str:
    """The place in the component documents that failed, as far as the service tells it; "" when it was none
    of them.
    """
    arn, action = (
        str(component.get("componentArn") or "").rpartition("component/")[2],
        component.get("action"),
    )
    parts = [
        f"{name} {value}"
        for name, value in (("component", arn), ("phase", component.get("phaseName")))
        if value
    ]
    if component.get("stepName"):
        parts.append(f"step {component['stepName']}" + (f" ({action})" if action else ""))
    return ", ".join(parts)


def cancel(build_arn: str, imagebuilder: Any) -> None:
    """Ask Image Builder to stop a build; its machine is terminated by the service."""
    imagebuilder.cancel_image_creation(imageBuildVersionArn=build_arn)


def images(target: Target, imagebuilder: Any) -> list[Mapping[str, Any]]:
    """All images that the pipeline has built or is building, as ListImagePipelineImages tells them."""
    found: list[Mapping[str, Any]] = []
    request: dict[str, str] = {"imagePipelineArn": target.pipeline_arn}
    while True:
        page = imagebuilder.list_image_pipeline_images(**request)
        found += page.get("imageSummaryList", [])
        if not page.get("nextToken"):
            return found
        request["nextToken"] = page["nextToken"]
