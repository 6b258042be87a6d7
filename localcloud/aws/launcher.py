"""Puts the plugins into MiniStack and runs it."""

from __future__ import annotations

from typing import Any

from localcloud.aws.admin import Admin
from localcloud.aws.server import Server
from localcloud.aws.settings import Settings


async def launch(settings: Settings) -> None:
    """Install everything, serve until told to stop."""
    admin = Admin(settings.admin_token)

    async def health(request: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "fleet_seen": admin.fleet_age(), "fleet": admin.fleet}

    admin.operations[("GET", "health")] = health
    await Server(settings, admin).run()
