"""What a running build has to tell: its state, the steps of its workflows, and the lines of its log, each
told once.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from image_builder.manifest import is_manifest

_TAIL = 40
_NO_NEWS = ("PENDING", "SKIPPED")


@dataclass(frozen=True)
class BuildEvent:
    """`kind` is "state" (text: the new state of the build), "step" (name, status and message of a workflow
    step) or "log".
    """

    kind: str
    text: str
    name: str = ""
    status: str = ""


class BuildWatch:
    """Reads one build repeatedly. `tail` holds the last 40 log lines."""

    def __init__(self, build_arn: str, imagebuilder: Any, logs: Any) -> None:
        self._arn, self._imagebuilder, self._logs = build_arn, imagebuilder, logs
        self._state = ""
        self._steps: dict[str, tuple[str, str]] = {}
        self._token: str | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL)

    @property
    def tail(self) -> list[str]:
        return list(self._tail)

    def news(self, image: Mapping[str, Any]) -> list[BuildEvent]:
        """What is new since the last call: state first, then steps, then log lines. `image` is GetImage's
        answer.
        """
        return [*self._new_state(image), *self._new_steps(), *self._new_lines(log_of(image))]

    def _new_state(self, image: Mapping[str, Any]) -> list[BuildEvent]:
        state = str(image["state"]["status"])
        if state == self._state:
            return []
        self._state = state
        return [BuildEvent("state", str(image["state"].get("reason") or ""), status=state)]

    def _new_steps(self) -> list[BuildEvent]:
        events: list[BuildEvent] = []
        request: dict[str, Any] = {"imageBuildVersionArn": self._arn}
        for execution in _pages(self._imagebuilder.list_workflow_executions, request, "workflowExecutions"):
            if execution.get("retried"):
                continue
            for step in _pages(
                self._imagebuilder.list_workflow_step_executions,
                {"workflowExecutionId": execution["workflowExecutionId"]},
                "steps",
            ):
                now = (str(step.get("status", "")), str(step.get("message") or ""))
                if now[0] in _NO_NEWS:
                    continue
                if self._steps.get(step["stepExecutionId"]) != now:
                    self._steps[step["stepExecutionId"]] = now
                    events.append(BuildEvent("step", now[1], name=str(step.get("name", "")), status=now[0]))
        return events

    def _new_lines(self, request: dict[str, Any]) -> list[BuildEvent]:
        """Log lines that have arrived; none while the group or the stream does not exist yet."""
        events: list[BuildEvent] = []
        while True:
            if self._token:
                request["nextToken"] = self._token
            try:
                page = self._logs.get_log_events(**request)
            except self._logs.exceptions.ResourceNotFoundException:
                return events
            for entry in page["events"]:
                for line in str(entry["message"]).splitlines():
                    if is_manifest(line):
                        continue
                    self._tail.append(line)
                    events.append(BuildEvent("log", line))
            token = page.get("nextForwardToken")
            if not page["events"] or token == self._token:
                self._token = token
                return events
            self._token = token


def log_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """The request to CloudWatch for the log of a build (`GetLogEvents`); `image` is GetImage's answer.

    `arn:…:image/NAME/1.0.3/1` logs to stream 1.0.3/1 of the group that its pipeline names, else of
    /aws/imagebuilder/NAME (user guide, "Monitor logs with CloudWatch Logs"). In a group of several recipes
    that stream can have an older build's lines before its own.
    """
    name, version, build = str(image["arn"]).rpartition("image/")[2].split("/")
    group = (image.get("loggingConfiguration") or {}).get("logGroupName") or f"/aws/imagebuilder/{name}"
    request = {"logGroupName": group, "logStreamName": f"{version}/{build}", "startFromHead": True}
    if created := image.get("dateCreated"):
        request["startTime"] = int(moment(created).timestamp() * 1000)
    return request


def moment(value: Any) -> datetime:
    """A time of the service: ISO text, in some SDKs a datetime."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _pages(call: Any, request: dict[str, Any], key: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while True:
        page = call(**request)
        found += page.get(key, [])
        if not page.get("nextToken"):
            return found
        request = {**request, "nextToken": page["nextToken"]}
