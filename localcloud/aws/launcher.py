"""Puts the plugins into MiniStack and runs it."""

from __future__ import annotations

import asyncio
import collections
import functools
import time
from typing import Any

from localcloud.aws import plugins
from localcloud.aws.account import Account
from localcloud.aws.admin import LONGEST_POLL_SECONDS, Admin
from localcloud.aws.checkpoint import Checkpoint
from localcloud.aws.context import Context
from localcloud.aws.ec2 import limits, reclaim, snapshots
from localcloud.aws.ec2 import service as ec2_service
from localcloud.aws.iam.sessions import Sessions
from localcloud.aws.imagebuilder.builds import Builds
from localcloud.aws.imagebuilder.service import ImageBuilder
from localcloud.aws.journal import Journal
from localcloud.aws.parts import Items, Messages
from localcloud.aws.runcommand import RunCommand
from localcloud.aws.server import Server
from localcloud.aws.settings import Settings
from localcloud.aws.store import Store

FLEET_SILENCE_SECONDS = 10.0


async def launch(settings: Settings) -> None:
    """Install everything, serve until told to stop."""
    store = Store(settings.paths.plugin_state)
    items, sessions = Items(), Sessions()
    parts = (items, Messages(), sessions)
    checkpoint = Checkpoint(
        store, settings.paths.emulator_state, Journal(settings.paths.emulator_journal), parts
    )
    admin = Admin(settings.admin_token, functools.partial(checkpoint.settle, "ec2", "ssm", parts=("sqs",)))
    account = Account(settings.properties, store)
    context = Context(settings, store, admin, checkpoint, account)
    stop = asyncio.Event()
    imagebuilder = ImageBuilder(context)
    commands = RunCommand(context)
    plugins.install(plugins.Parts(context, items, sessions, imagebuilder, commands))
    admin.operations[("GET", "health")] = functools.partial(_health, context, imagebuilder.builds)
    admin.operations[("GET", "changes")] = functools.partial(
        _changes, context, imagebuilder.builds, commands, stop
    )
    orphans = functools.partial(_finish, context, imagebuilder.builds)
    await Server(settings, admin).run(stop, checkpoint.run, orphans)


async def _finish(context: Context, builds: Builds, stop: asyncio.Event) -> None:
    """End spot machines whose notice is over, and machines that EC2 ends while they start; and what was told
    to end when no fleet has asked for ten seconds (or none was started).
    """
    while not stop.is_set():
        reclaim.end_due(context)
        limits.end_failed(context)
        age = context.admin.fleet_age()
        if age is None or age > FLEET_SILENCE_SECONDS:
            ec2_service.finish_without_fleet(context)
            builds.cancel_without_fleet()
        await asyncio.wait({asyncio.ensure_future(stop.wait())}, timeout=0.5)


async def _health(context: Context, builds: Builds, request: dict[str, Any]) -> dict[str, Any]:
    states = collections.Counter(instance["state"] for instance in ec2_service.fleet_view(seconds=0))
    checkpoint = context.checkpoint
    return {
        "ok": True,
        "version": context.store.version,
        "fleet_seen": context.admin.fleet_age(),
        "instances": dict(states),
        "builds": dict(collections.Counter(build["state"] for build in builds.for_fleet())),
        "checkpoint": {"count": checkpoint.count, "seconds": round(checkpoint.seconds, 4)},
    }


async def _changes(
    context: Context, builds: Builds, commands: RunCommand, stop: asyncio.Event, request: dict[str, Any]
) -> dict[str, Any]:
    admin = context.admin
    admin.fleet_seen = time.monotonic()
    timeout = min(float(request.get("timeout", 0)), LONGEST_POLL_SECONDS)
    deadline = time.monotonic() + timeout
    while True:
        # A waiting fleet is a living fleet: its heartbeat goes on while its poll is held.
        step = min(2.0, deadline - time.monotonic())
        if step <= 0 or context.store.version > int(request.get("since", -1)) or stop.is_set():
            break
        await context.store.wait(int(request.get("since", -1)), step, stop)
        admin.fleet_seen = time.monotonic()
    await context.checkpoint.settle("ec2")  # no machine starts that a killed emulator would not know of
    return {
        "version": context.store.version,
        "instances": ec2_service.fleet_view(),
        "builds": builds.for_fleet(),
        "commands": commands.for_fleet(),
        "copies": list(snapshots.copies(context).values()),
    }
