"""The administrative interface for the fleet and for ``local.up``: ``/_localcloud/…`` on the same port, with
a bearer token.

========  =======================
============================================================================== method    path
meaning ========  =======================
============================================================================== GET       ``health``
``{"ok", "version", "fleet_seen"}``; ``fleet_seen`` = seconds since its last poll or null GET
``changes?since&timeout``  long poll: instances, builds, commands, image copies, as soon as the version
exceeds ``since`` POST      ``instances``            a new state of an instance POST      ``capacity``
how many machines EC2 has left (see ``localcloud.aws.ec2.capacity``) POST      ``reclaim``              take a
spot machine back (see ``localcloud.aws.ec2.reclaim``) POST      ``builds``               progress or end of
an image build POST      ``images``               an image of a machine's disk is there, or cannot be made
POST      ``commands``             the end of a command that was run in a machine GET       ``mail``
what SNS has sent to e-mail addresses (see ``localcloud.aws.subscriptions``) ========
=======================  ==============================================================================
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

PREFIX = "/_localcloud/"
LONGEST_POLL_SECONDS = 60.0


class AdminError(Exception):
    """A request that cannot be served: HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Admin:
    """Serves the interface; ``operations`` maps ``(method, name)`` to a coroutine that takes query and body
    as one dict.

    ``saved`` returns when what an operation may have changed is on disk; then it is answered.
    """

    def __init__(self, token: str, saved: Callable[[], Awaitable[None]]) -> None:
        self._token = token
        self._saved = saved
        self.operations: dict[tuple[str, str], Operation] = {}
        self.fleet_seen: float | None = None

    def fleet_age(self) -> float | None:
        """Seconds since the fleet's last poll, or None before the first."""
        return None if self.fleet_seen is None else time.monotonic() - self.fleet_seen

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI entry for paths under :data:`PREFIX`."""
        status, reply = await self._serve(scope, receive)
        body = json.dumps(reply).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _serve(self, scope: Any, receive: Any) -> tuple[int, dict[str, Any]]:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
            return 401, {"error": "This interface needs the admin token of cloud.json as a bearer token."}
        operation = self.operations.get((scope["method"], scope["path"].removeprefix(PREFIX)))
        if operation is None:
            return 404, {"error": f"There is no {scope['method']} {scope['path']}."}
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            request: dict[str, Any] = {
                name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()
            }
            request |= json.loads(body) if body else {}
            answer = await operation(request)
            if scope["method"] == "POST":
                await self._saved()
            return 200, answer
        except AdminError as error:
            return error.status, {"error": str(error)}
        except OSError as error:
            return 507, {"error": str(error)}
        except (KeyError, ValueError, TypeError) as error:
            return 400, {"error": f"Malformed request: {error!r}"}
