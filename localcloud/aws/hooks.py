"""Every name of MiniStack that we touch, in one place.

They are private names of a package that changes often, so its version is pinned exactly and
``tests/test_emulator_hooks.py`` holds one contract test per name: a new version cannot silently change what
the plugins rely on.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ministack.app as app
import ministack.core.iam_actions as iam_actions
import ministack.core.iam_evaluator as iam_evaluator
import ministack.core.lambda_runtime as lambda_runtime
import ministack.core.persistence as persistence
import ministack.core.responses as responses
import ministack.core.router as router
import ministack.services.cloudtrail as cloudtrail
import ministack.services.cloudwatch_logs as cloudwatch_logs
import ministack.services.dynamodb as dynamodb
import ministack.services.ec2 as ec2
import ministack.services.eventbridge as eventbridge
import ministack.services.iam as iam
import ministack.services.lambda_svc as lambda_svc
import ministack.services.s3 as s3
import ministack.services.sns as sns
import ministack.services.sqs as sqs
import ministack.services.ssm as ssm
import ministack.services.sts as sts
import ministack.services.tagging as tagging

Reply = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Reply]]

SCOPED = "__account_region_scoped__"
"""The mark of a store of accounts and regions in the file of a state."""

__all__ = [
    "SCOPED",
    "Handler",
    "Reply",
    "account",
    "app",
    "asgi",
    "cloudtrail",
    "cloudwatch_logs",
    "dynamodb",
    "ec2",
    "emit_event",
    "encode_state",
    "eventbridge",
    "handlers",
    "iam",
    "iam_actions",
    "iam_evaluator",
    "lambda_runtime",
    "lambda_svc",
    "leave_saving_to_us",
    "region",
    "responses",
    "router",
    "s3",
    "scope",
    "scoped_key",
    "sns",
    "sqs",
    "ssm",
    "state_document",
    "state_keys",
    "state_readers",
    "sts",
    "tagging",
]  # fmt: skip


async def asgi(scope_: Any, receive: Any, send: Any) -> None:
    """MiniStack's own ASGI application."""
    await app.app(scope_, receive, send)


def handlers() -> dict[str, Handler]:
    """The live table service name -> handler; replacing an entry takes effect at once."""
    table: dict[str, Handler] = app.SERVICE_HANDLERS
    return table


def account() -> str:
    """The account of the request being served."""
    return str(responses.get_account_id())


def region() -> str:
    """The region of the request being served."""
    return str(responses.get_region())


@contextlib.contextmanager
def scope(account_id: str, region_name: str) -> Iterator[None]:
    """Act in an account and region, as a request of it would (stores and events depend on it)."""
    account_token = responses._request_account_id.set(account_id)
    region_token = responses._request_region.set(region_name)
    try:
        yield
    finally:
        responses._request_account_id.reset(account_token)
        responses._request_region.reset(region_token)


def emit_event(
    source: str, detail_type: str, detail: str, resources: list[str], event_id: str, when: str
) -> None:
    """Put an event on the default bus of the current account and region, as only an AWS service may
    (``source`` = ``aws.…``).
    """
    eventbridge._dispatch_event(
        {
            "EventId": event_id,
            "Source": source,
            "DetailType": detail_type,
            "Detail": detail,
            "EventBusName": "default",
            "Time": when,
            "Resources": resources,
            "Account": account(),
            "Region": region(),
        }
    )


def state_readers() -> dict[str, Callable[[], Any]]:
    """State key -> function that returns a copy of the state of a service that is in use."""
    readers: dict[str, Callable[[], Any]] = app._build_persistence_save_dict()
    return readers


def state_keys() -> dict[str, tuple[str, ...]]:
    """Service name -> keys of :func:`state_readers` that its requests may change (its own module's and those
    it dispatches to).
    """
    return {
        name: (entry.get("state_key", entry["module"]), *entry.get("sub_modules", ()))
        for name, entry in app.SERVICE_REGISTRY.items()
    }


def encode_state(state: Any) -> str:
    """One service's state in the form that MiniStack's persistence reads back."""
    return json.dumps(state, default=persistence._json_default)


def state_document(key: str, text: str, more: dict[str, Any]) -> str:
    """The content of the file of one service's state (:func:`encode_state`), with the format mark that
    MiniStack checks.
    """
    marks = json.dumps({"__ministack_format__": persistence._state_format_version(key), **more})
    return f'{marks[:-1]}, "payload": {text}}}'


def scoped_key(account_id: str, region_name: str, key: str) -> str:
    """The name that an entry of a store of an account and region has in the file of its state."""
    return f"{account_id}\x00{region_name}\x00{key!r}"


def leave_saving_to_us() -> None:
    """MiniStack saves all services at a clean stop, without the mark that says which records of the journal
    are in the file.
    """
    app.save_all = lambda services: None
