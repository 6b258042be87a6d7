"""AuthorizeSecurityGroupIngress and …Egress refuse a rule that is there already."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.protocol import ec2query

STORED = {
    "AuthorizeSecurityGroupIngress": "IpPermissions",
    "AuthorizeSecurityGroupEgress": "IpPermissionsEgress",
}
PEERS = (
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)


def install() -> None:
    """Wrap MiniStack's handlers."""
    for name in STORED:
        hooks.ec2._ACTION_MAP[name] = functools.partial(_authorize, name, hooks.ec2._ACTION_MAP[name])


def _flat(permissions: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """One tuple a rule: protocol, ports, kind of peer, peer."""
    for permission in permissions:
        protocol = str(permission.get("IpProtocol"))
        ports = (None, None) if protocol == "-1" else (permission.get("FromPort"), permission.get("ToPort"))
        for member, field in PEERS:
            for peer in permission.get(member) or []:
                yield (
                    protocol,
                    *(None if port is None else int(port) for port in ports),
                    member,
                    peer.get(field),
                )


def _authorize(name: str, original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    request = ec2query.parse(name, params)
    group = hooks.ec2._security_groups.get(request.get("GroupId"))
    if group is not None:
        present = set(_flat(group.get(STORED[name], [])))
        for rule in _flat(request.get("IpPermissions", [])):
            if rule in present:
                peer, protocol, low, high = rule[4], rule[0], rule[1], rule[2]
                text = (
                    f'the specified rule "peer: {peer}, {protocol.upper()}, from port: {low}, to port: '
                    f'{high}, ALLOW" already exists'
                )
                return ec2query.Ec2Error("InvalidPermission.Duplicate", text).reply()
    return original(params)
