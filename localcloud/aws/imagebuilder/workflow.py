"""What a build shows of its progress: workflow executions and their steps, as the default workflows of the
service have them.
"""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.imagebuilder.registry import now

STEPS = {
    "BUILD": (
        ("LaunchBuildInstance", "LaunchInstance"),
        ("ApplyBuildComponents", "ExecuteComponents"),
        ("RunSanitizeScript", "SanitizeInstance"),
        ("CreateOutputAMI", "CreateImage"),
        ("TerminateBuildInstance", "TerminateInstance"),
    ),
    "TEST": (
        ("LaunchTestInstance", "LaunchInstance"),
        ("ApplyTestComponents", "ExecuteComponents"),
        ("TerminateTestInstance", "TerminateInstance"),
    ),
    "DISTRIBUTION": (("DistributeImage", "DistributeImage"),),
}
NAMES = {"BUILD": "build-image", "TEST": "test-image", "DISTRIBUTION": "distribute-image"}
WORKING = {"BUILDING": "BUILD", "TESTING": "TEST", "DISTRIBUTING": "DISTRIBUTION"}
"""Image status -> the workflow that runs then."""
COMPONENT_STEPS = {
    "BUILD": "ApplyBuildComponents",
    "TEST": "ApplyTestComponents",
    "DISTRIBUTION": "DistributeImage",
}
MESSAGE_CHARACTERS = 500

Execution = dict[str, Any]


def _start(kind: str) -> Execution:
    once = {"status": "PENDING", "attemptNumber": 1, "maxAttempts": 1}
    steps = [
        {"stepExecutionId": f"step-{uuid.uuid4()}", "name": name, "action": action, **once}
        for name, action in STEPS[kind]
    ]
    return {
        "workflowBuildVersionArn": f"arn:aws:imagebuilder:{hooks.region()}:aws:workflow/{kind.lower()}/{NAMES[kind]}/1.0.0/1",  # noqa: E501
        "workflowExecutionId": f"wf-{uuid.uuid4()}",
        "type": kind,
        "status": "RUNNING",
        "startTime": now(),
        "steps": steps,
    }


def advance(executions: list[Execution], status: str, message: str) -> None:
    """Bring the executions to where an image of this status is. ``message`` goes to the step at work."""
    kind = WORKING.get(status)
    if kind is not None and not any(e["type"] == kind for e in executions):
        _finish(executions, "COMPLETED", "")
        executions.append(_start(kind))
    if kind is not None:
        current = executions[-1]
        position = [step["name"] for step in current["steps"]].index(COMPONENT_STEPS[kind])
        for step in current["steps"][:position]:
            _end(step, "COMPLETED")
        at_work = current["steps"][position]
        at_work["status"] = "RUNNING"
        at_work.setdefault("startTime", now())
        if message:
            at_work["message"] = message[:MESSAGE_CHARACTERS]
    elif status == "AVAILABLE":
        _finish(executions, "COMPLETED", "")
    elif status in ("FAILED", "CANCELLED"):
        _finish(executions, status, message)


def _finish(executions: list[Execution], status: str, message: str) -> None:
    for execution in executions:
        if execution["status"] != "RUNNING":
            continue
        execution["status"] = status
        execution["endTime"] = now()
        for step in execution["steps"]:
            if status == "COMPLETED":
                _end(step, "COMPLETED")
            elif step["status"] == "RUNNING":
                _end(step, status)
                if message:
                    step["message"] = message[:MESSAGE_CHARACTERS]
            elif step["status"] == "PENDING":
                step["status"] = "SKIPPED"


def _end(step: dict[str, Any], status: str) -> None:
    if step["status"] in ("PENDING", "RUNNING"):
        step.setdefault("startTime", now())
        step["status"], step["endTime"] = status, now()


def shown(execution: Execution) -> dict[str, Any]:
    """An execution with its counters."""
    counted = {
        "totalStepsSucceeded": "COMPLETED",
        "totalStepsFailed": "FAILED",
        "totalStepsSkipped": "SKIPPED",
    }
    return {
        **execution,
        "totalStepCount": len(execution["steps"]),
        **{
            name: sum(step["status"] == status for step in execution["steps"])
            for name, status in counted.items()
        },
    }
