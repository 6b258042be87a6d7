"""The web server: our administrative interface before MiniStack, on loopback, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve  # type: ignore[import-not-found]
from hypercorn.config import Config  # type: ignore[import-not-found]

from localcloud.aws import admin as admin_module
from localcloud.aws import hooks
from localcloud.aws.settings import LOOPBACK, Settings

PUBLIC_PATHS = ("/_ministack/health",)


class Server:
    """One emulator process."""

    def __init__(self, settings: Settings, admin: admin_module.Admin) -> None:
        self._settings = settings
        self._admin = admin

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Routes: ours, MiniStack's; MiniStack's own unauthenticated interface (reset, configuration, …) is
        closed.
        """
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith(admin_module.PREFIX):
                await self._admin(scope, receive, send)
                return
            if path.startswith("/_") and path not in PUBLIC_PATHS:
                await send(
                    {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]}
                )
                await send({"type": "http.response.body", "body": b""})
                return
        await hooks.asgi(scope, receive, send)

    async def run(self, stop: asyncio.Event, *background: Any) -> None:
        """Serve until SIGTERM or SIGINT (which set ``stop``). ``background`` are coroutine functions that
        take the stop event.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        config = Config()
        config.bind = [f"{LOOPBACK}:{self._settings.port}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 1
        config.loglevel = "WARNING"
        config.accesslog = None
        tasks = [asyncio.create_task(run(stop)) for run in background]
        await hypercorn_serve(self.application, config, shutdown_trigger=stop.wait)
        stop.set()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException):
                logging.getLogger(__name__).error("background task failed", exc_info=outcome)
