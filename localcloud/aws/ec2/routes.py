"""The default network has a way out, as an account's default network has on AWS: a route to its internet
gateway.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from localcloud.aws import hooks

_EVERYWHERE = "0.0.0.0/0"


def install() -> None:
    """Wrap MiniStack's handler; its own default network has no such route."""
    hooks.ec2._ACTION_MAP["DescribeRouteTables"] = functools.partial(
        _describe, hooks.ec2._ACTION_MAP["DescribeRouteTables"]
    )


def _describe(original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    default = {vpc["VpcId"] for vpc in hooks.ec2._vpcs.values() if vpc.get("IsDefault")}
    default.add(hooks.ec2._DEFAULT_VPC_ID)  # also where the account has made it an ordinary one
    gateways = {
        attachment["VpcId"]: gateway["InternetGatewayId"]
        for gateway in hooks.ec2._internet_gateways.values()
        for attachment in gateway.get("Attachments", [])
    }
    for table in hooks.ec2._route_tables.values():
        main = any(association.get("Main") for association in table.get("Associations", []))
        out = any(route.get("DestinationCidrBlock") == _EVERYWHERE for route in table["Routes"])
        if main and not out and table["VpcId"] in default & gateways.keys():
            gateway = gateways[table["VpcId"]]
            way = {
                "DestinationCidrBlock": _EVERYWHERE,
                "GatewayId": gateway,
                "State": "active",
                "Origin": "CreateRoute",
            }
            table["Routes"].append(way)
    return original(params)
