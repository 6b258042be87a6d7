"""What request is being served, and which services it may have changed: it is answered when that is saved."""

from __future__ import annotations

import contextvars
import uuid
from dataclasses import dataclass
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.checkpoint import Checkpoint

READING = (
    "Describe",
    "Get",
    "List",
    "Head",
    "Select",
    "Query",
    "Scan",
    "BatchGet",
    "Lookup",
    "Simulate",
    "Check",
    "Filter",
)
DATA_PLANE = {
    "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
}  # fmt: skip
"""Objects are on disk already; a message may have been sent."""
PARTS = {
    "dynamodb": {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"},
    "sqs": {
        "SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
        "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "PurgeQueue",
    },
    "sts": {"AssumeRole", "AssumeRoleWithWebIdentity", "GetSessionToken", "GetFederationToken"},
}  # fmt: skip
"""Operations that change items, messages or sessions and nothing else of their service."""
SENDING = {"s3", "events", "sns", "ec2", "sqs"}
"""Services whose requests may put a message into a queue."""
UNSAVED = {"lambda:InvokeFunction", "lambda:InvokeAsync"}
"""What a function changes, it changes by requests of its own."""

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
    """Follow every request: remember it when its IAM action is determined, answer it when what it changed is
    in the journal.
    """
    original = hooks.iam_actions.extract_iam_action

    def extract(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, params: dict[str, Any]
    ) -> Any:
        action = original(service, method, path, headers, body, params)
        current.set(Request(service, action, method, path, headers, body, params))
        return action

    hooks.iam_actions.extract_iam_action = extract
    table = hooks.handlers()
    keys = hooks.state_keys()
    for service, handler in list(table.items()):
        table[service] = _marking(service, handler, keys.get(service, (service,)), checkpoint)


def _marking(
    service: str, handler: hooks.Handler, keys: tuple[str, ...], checkpoint: Checkpoint
) -> hooks.Handler:
    async def serve(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> hooks.Reply:
        try:
            answer = await handler(method, path, headers, body, query)
        except OSError as error:
            return _not_saved(service, headers, error)
        except BaseException:
            checkpoint.mark(*keys)  # it may have done a part
            raise
        request = current.get()
        action = request.action if request is not None and request.service == service else None
        try:
            await _saved(service, action, keys, checkpoint)
        except OSError as error:
            return _not_saved(service, headers, error)
        return answer

    return serve


async def _saved(service: str, action: str | None, keys: tuple[str, ...], checkpoint: Checkpoint) -> None:
    """Return when what the request may have changed is on disk. Raises OSError when it cannot be written."""
    name = (action or "").partition(":")[2]
    sent = {"sqs"} if service in SENDING else set()
    if name in PARTS.get(service, ()):
        await checkpoint.settle(parts={service, *sent})
    elif action is not None and name.startswith(READING):
        return
    elif action in UNSAVED:
        checkpoint.mark(*keys)
    elif action in DATA_PLANE:
        await checkpoint.settle(parts=sent)
    else:
        await checkpoint.settle(*keys, parts=sent)


def _not_saved(service: str, headers: dict[str, str], error: OSError) -> hooks.Reply:
    """An answer of the service's protocol that clients take for a failure of the service, and try again."""
    denied = hooks.iam_actions.access_denied_response
    _, own, body = denied(
        service, "", "", str(uuid.uuid4()), error_code="InternalError", message=str(error), headers=headers
    )
    return 500, own, body
