"""`bake.json` beside the blueprint: where its images come from and what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from image_builder import golden, manifest
from image_builder.commits import CommitState
from image_builder.progress import log_of, moment
from image_builder.versions import GENERATOR

FILE = "bake.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class WorkflowStep:
    """One step of the service's workflows. `seconds` is None when the service names no end."""

    workflow: str
    name: str
    status: str
    seconds: float | None


def steps(imagebuilder: Any, build_arn: str) -> list[WorkflowStep]:
    """The steps of a build that ran, in their order, with their times."""
    found = []
    executions = imagebuilder.list_workflow_executions(imageBuildVersionArn=build_arn)["workflowExecutions"]
    for execution in sorted(executions, key=lambda one: str(one.get("startTime", ""))):
        for step in imagebuilder.list_workflow_step_executions(
            workflowExecutionId=execution["workflowExecutionId"]
        )["steps"]:
            if step.get("startTime"):
                seconds = _seconds(step["startTime"], step.get("endTime"))
                found.append(
                    WorkflowStep(
                        str(execution.get("type", "")),
                        str(step.get("name", "")),
                        str(step.get("status", "")),
                        seconds,
                    )
                )
    return found


def log_lines(logs: Any, image: Mapping[str, Any]) -> list[str]:
    """The log of a build (`image`: GetImage's answer); none when it is gone."""
    lines: list[str] = []
    request = log_of(image)
    while True:
        try:
            page = logs.get_log_events(**request)
        except logs.exceptions.ResourceNotFoundException:
            return []
        lines += [line for event in page["events"] for line in str(event["message"]).splitlines()]
        token = page.get("nextForwardToken")
        if not page["events"] or token == request.get("nextToken"):
            return lines
        request["nextToken"] = token


def entry(
    *,
    image_id: str,
    target: Mapping[str, str],
    git: CommitState,
    scripts: Mapping[str, str] | None,
    parent: str,
    verified: str,
    imagebuilder: Any,
    logs: Any,
    build_arn: str,
    purpose: str,
    advise: Callable[[manifest.Manifest], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """What is written down about one image. `target` has stack, pipeline_arn and recipe_sha256; `scripts`:
    path -> SHA-256, None when they are not those of the folder; `parent` is the blueprint's name for it;
    `advise` looks for known vulnerabilities of what is installed."""
    image = imagebuilder.get_image(imageBuildVersionArn=build_arn)["image"]
    recipe = image.get("imageRecipe", {})
    done = steps(imagebuilder, build_arn)
    log = log_lines(logs, image)
    installed = manifest.from_log(log)
    return {
        "image_id": image_id,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "purpose": purpose,
        **target,
        "git": asdict(git),
        "verified": verified,
        "scripts": None if scripts is None else dict(scripts),
        "generator": GENERATOR,
        "build_arn": build_arn,
        "recipe_arn": recipe.get("arn"),
        "component_arns": [component["componentArn"] for component in recipe.get("components", [])],
        "parent": {
            "blueprint": parent,
            "recipe": recipe.get("parentImage"),
            "ami": (image.get("tags") or {}).get("neurocaas:parent"),
        },
        "steps": [asdict(step) for step in done],
        "golden": golden.from_log(log),
        "seconds": round(sum(step.seconds or 0.0 for step in done), 1),
        "tools": installed.tools if installed else None,
        "used_kib": installed.used_kib if installed else None,
        "packages": installed.packages if installed else None,
        "advisories": dict(advise(installed)) if installed and advise else None,
    }


def read(folder: Path) -> dict[str, Any]:
    """The entries of a blueprint's `bake.json` by "<account>/<region>"; none when there is no file that this
    version understands.
    """
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.get("schema_version") != SCHEMA_VERSION:
        return {}
    return dict(stored.get("images", {}))


def write(folder: Path, place: str, what: Mapping[str, Any]) -> Path:
    """Put the entry of one place ("<account>/<region>") into `bake.json`; those of other places stay."""
    target = folder / FILE
    document = {"schema_version": SCHEMA_VERSION, "images": {**read(folder), place: what}}
    temporary = target.with_name(f".{FILE}.new")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(target)
    return target


def _seconds(start: Any, end: Any) -> float | None:
    return round((moment(end) - moment(start)).total_seconds(), 3) if end else None
