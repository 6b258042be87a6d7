"""A request that changes objects is answered when they are on disk and their events are sent, which say who
has made it.

Stock MiniStack sends events by a thread, some time later, answers 200 for an object that it could not write,
and names nobody.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

from localcloud.aws import hooks

_unwritten: contextvars.ContextVar[list[OSError] | None] = contextvars.ContextVar(
    "localcloud_s3_unwritten", default=None
)
_pending: contextvars.ContextVar[list[Callable[[], None]] | None] = contextvars.ContextVar(
    "localcloud_s3_events", default=None
)


_caller: contextvars.ContextVar[str] = contextvars.ContextVar("localcloud_s3_caller", default="")


def principal_of(headers: dict[str, str], query: dict[str, list[str]]) -> str:
    """Who makes a request, as S3's events name them: `AWS:AIDA…` for a user, `AWS:AROA…:SESSION` for the
    session of a role, the account's own id for its root user, `Anonymous` for nobody (S3 user guide, "Event
    message structure"; IAM user guide, "Unique identifiers").
    """
    key = hooks.router.extract_access_key_id(headers, query)
    if not key:
        return "Anonymous"
    found = hooks.iam_evaluator.resolve_credential(key, hooks.account())
    identifier = str(getattr(found, "principal_id", ""))
    return f"AWS:{identifier}" if identifier.startswith(("AIDA", "AROA")) else identifier or "Anonymous"


def install() -> None:
    """Collect the events of a request, and send them when its handler is done. Install before what waits for
    their messages to be saved.
    """
    later, write_original, table = hooks.s3._fire_s3_event_async, hooks.s3._atomic_write, hooks.handlers()
    original = table["s3"]

    def write(file: str, data: Any, **more: Any) -> None:
        try:
            write_original(file, data, **more)
        except OSError as error:
            unwritten = _unwritten.get()
            if unwritten is not None:
                unwritten.append(error)
            raise  # its caller logs it and goes on

    def fire(
        bucket: str,
        key: str,
        event: str,
        size: int = 0,
        etag: str = "",
        deletion_type: str | None = None,
        **more: Any,
    ) -> None:
        pending = _pending.get()
        if pending is None:  # not in a request: a timer of S3's own
            later(bucket, key, event, size, etag, deletion_type, **more)
        elif bucket in hooks.s3._bucket_notifications:
            more["sequencer"] = hooks.s3._next_event_sequencer(event)
            who = {"userIdentity": {"principalId": _caller.get()}}
            more["record_extra"] = {**(more.get("record_extra") or {}), **who}
            pending.append(
                functools.partial(
                    hooks.s3._fire_s3_event, bucket, key, event, size, etag, deletion_type, **more
                )
            )

    async def serve(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> hooks.Reply:
        events: list[Callable[[], None]] = []
        unwritten: list[OSError] = []
        tokens = _pending.set(events), _unwritten.set(unwritten), _caller.set(principal_of(headers, query))
        try:
            answer = await original(method, path, headers, body, query)
        finally:
            _pending.reset(tokens[0])
            _unwritten.reset(tokens[1])
            _caller.reset(tokens[2])
        if unwritten:
            raise OSError(
                f"The object cannot be written: {unwritten[0]}. See that the disk of the local "
                "cloud has room."
            )
        for event in events:
            event()
        return answer

    hooks.s3._atomic_write = write
    hooks.s3._fire_s3_event_async = fire
    table["s3"] = serve
