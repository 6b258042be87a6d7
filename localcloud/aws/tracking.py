"""What request is being served, and which services it may have changed."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.checkpoint import Checkpoint

READING = ("Describe", "Get", "List", "Head", "Select", "Query", "Scan", "BatchGet", "Lookup", "Simulate", "Check", "Filter")
DATA_PLANE = {
    "s3:PutObject", "s3:DeleteObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
}  # fmt: skip
"""Objects are on disk already; the rest of what S3 keeps about them is saved in the regular pass."""

TRANSACTIONS = {"dynamodb:TransactWriteItems", "dynamodb:TransactGetItems"}
"""No actions of IAM: each of their items is checked as what it does."""


@dataclass(frozen=True)
class Request:
    """One API request, as the IAM layer saw it."""

    service: str
    action: str | None
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    params: dict[str, Any]


current: contextvars.ContextVar[Request | None] = contextvars.ContextVar("localcloud_request", default=None)


def install(checkpoint: Checkpoint) -> None:
    """Follow every request: remember it when its IAM action is determined, mark its service when its handler returns."""
    original = hooks.iam_actions.extract_iam_action

    def extract(service: str, method: str, path: str, headers: dict[str, str], body: bytes, params: dict[str, Any]) -> Any:
        action = original(service, method, path, headers, body, params)
        current.set(Request(service, action, method, path, headers, body, params))
        return action

    hooks.iam_actions.extract_iam_action = extract
    table = hooks.handlers()
    keys = hooks.state_keys()
    for service, handler in list(table.items()):
        table[service] = _marking(service, handler, keys.get(service, (service,)), checkpoint)


def _marking(service: str, handler: hooks.Handler, keys: tuple[str, ...], checkpoint: Checkpoint) -> hooks.Handler:
    async def serve(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> hooks.Reply:
        try:
            return await handler(method, path, headers, body, query)
        finally:
            request = current.get()
            action = request.action if request is not None and request.service == service else None
            if action in DATA_PLANE:
                checkpoint.mark("sqs")  # a notification may have been queued
            elif action is None or not action.partition(":")[2].startswith(READING):
                checkpoint.mark(*keys)

    return serve
