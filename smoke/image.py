"""The step that bakes an image, with its golden test in the build."""

from __future__ import annotations

import io
from typing import Any

from image_builder import golden
from image_builder.baking import Baking, Options
from image_builder.pipeline import Target
from image_builder.progress import log_of
from image_builder.report import BakeReport
from smoke.bench import Bench, SmokeError


def bake(bench: Bench) -> str:
    """Build, test and publish the image, and write its id into the run's blueprint."""
    target = Target.from_outputs(bench.place.stack, bench.outputs)
    spoken = io.StringIO()
    baking = Baking(
        bench.place.project, target, bench.make, BakeReport(spoken), Options(keep=False, unverified=True)
    )
    try:
        done = baking.run(baking.preview())
    finally:
        bench.place.logs.mkdir(parents=True, exist_ok=True)
        (bench.place.logs / "bake.log").write_text(spoken.getvalue())
    image = bench.make("imagebuilder").get_image(imageBuildVersionArn=done["build_arn"])["image"]
    if not image.get("outputResources", {}).get("amis"):
        raise SmokeError("a build without an image")
    lines = _log(bench, image)
    bench.answers.judge("build-log", bool(lines), f"{len(lines)} lines in the stream of the build's version")
    if lines:
        numbers = golden.from_log(lines)
        said = "its numbers are in the build's log" if numbers else "its numbers are not in the build's log"
        bench.answers.judge("golden-in-build", numbers is not None, said)
    return f"baked in {done['seconds']:.0f} s"


def _log(bench: Bench, image: Any) -> list[str]:
    """The lines of the build's log; none where it is not found."""
    request, logs, lines = log_of(image), bench.make("logs"), list[str]()
    while True:
        try:
            page = logs.get_log_events(**request)
        except logs.exceptions.ResourceNotFoundException:
            return lines
        lines += [line for event in page["events"] for line in str(event["message"]).splitlines()]
        token = page.get("nextForwardToken")
        if not page["events"] or token == request.get("nextToken"):
            return lines
        request["nextToken"] = token
