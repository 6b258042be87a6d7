"""The operation of the administrative interface that shows and changes the account's properties."""

from __future__ import annotations

import functools
from typing import Any

from localcloud.account_properties import PropertiesError
from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.ec2 import images, spot_role


def install(context: Context) -> None:
    """Offer ``GET account`` and ``POST account``; give the public images their shape."""
    context.admin.operations[("GET", "account")] = functools.partial(_show, context)
    context.admin.operations[("POST", "account")] = functools.partial(_change, context)
    images.shape(context.account.now)


async def _show(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    return context.account.now.plain()


async def _change(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    before = context.account.now
    try:
        now = context.account.change(request)
    except PropertiesError as error:
        raise AdminError(400, str(error)) from error
    images.shape(now)
    if before.spot_role and not now.spot_role:
        spot_role.remove()
        context.checkpoint.mark("iam")
    return now.plain()
