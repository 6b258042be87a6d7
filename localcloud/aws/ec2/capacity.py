"""How many machines EC2 has: any number, unless a test or a demonstration says less.

``POST /_localcloud/capacity`` with ``{"instance_type", "market", "zone", "machines"}`` sets how many more
machines there are where all that is given matches (``market``: ``spot`` or ``on-demand``); ``machines: null``
takes the limit away, ``{}`` all limits.
"""

from __future__ import annotations

import functools
from typing import Any

from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.protocol.ec2query import Ec2Error

_FIELDS = ("instance_type", "market", "zone")
_MARKETS = ("on-demand", "spot")
_ONE_TIME = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}


def install(context: Context) -> None:
    context.admin.operations[("POST", "capacity")] = functools.partial(_set, context)


def market(arguments: dict[str, Any]) -> str:
    """Where a launch buys its machines. Raises Ec2Error for what EC2 does not sell, or we do not have."""
    options = arguments.get("InstanceMarketOptions")
    if not options:
        return "on-demand"
    if options.get("MarketType") != "spot":
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({options.get('MarketType')}) for parameter MarketType is invalid.",
        )
    for name, value in options.get("SpotOptions", {}).items():
        if name in _ONE_TIME and value != _ONE_TIME[name]:
            raise Ec2Error("Unsupported", f"Spot machines with {name}={value} are not offered here.")
    return "spot"


def take(context: Context, instance_type: str, market: str, zone: str, low: int, high: int) -> int:
    """Take up to ``high`` machines, and say how many there were. Raises InsufficientInstanceCapacity below
    ``low``.
    """
    wanted = {"instance_type": instance_type, "market": market, "zone": zone}
    limits = [
        limit for limit in _limits(context) if all(limit[name] in (None, wanted[name]) for name in _FIELDS)
    ]
    count: int = min([high, *(limit["machines"] for limit in limits)])
    if count < low:
        raise Ec2Error(
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you "
            f"requested ({zone}).",
            500,
        )
    for limit in limits:
        limit["machines"] -= count
    return count


def _limits(context: Context) -> list[dict[str, Any]]:
    limits: list[dict[str, Any]] = context.store.section("ec2-capacity").setdefault("limits", [])
    return limits


async def _set(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    where = {name: request.get(name) for name in _FIELDS}
    machines = request.get("machines")
    if where["market"] not in (None, *_MARKETS):
        raise AdminError(400, f"{where['market']!r} is not a market. Markets: {', '.join(_MARKETS)}.")
    if machines is not None and (not isinstance(machines, int) or machines < 0):
        raise AdminError(400, f"{machines!r} is not a number of machines.")
    limits = _limits(context)
    limits[:] = [limit for limit in limits if request and any(limit[name] != where[name] for name in _FIELDS)]
    if machines is not None:
        limits.append({**where, "machines": machines})
    context.store.touch()
    return {"limits": limits}
