"""Rules about machines and what reaches them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from checks.resource import Resource, StackResources
from checks.rule import Rule

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
INSTANCE = "aws:ec2/instance:Instance"
BUILDER = "aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)


def _tokens(resource: Resource, stack: StackResources) -> Iterator[str]:
    key = "instanceMetadataOptions" if resource.type == BUILDER else "metadataOptions"
    if resource.get(key, "httpTokens") != "required":
        yield "metadata (and so the role's credentials) for whoever asks without a token"


def _hops(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.get("metadataOptions", "httpPutResponseHopLimit") not in (1, None):
        yield "metadata for containers and proxies on the machine (a hop limit above 1)"


def _volumes(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.type == INSTANCE:
        disks: list[tuple[str | int, ...]] = [("rootBlockDevice", "encrypted")]
    else:
        disks = [
            ("blockDeviceMappings", number, "ebs", "encrypted")
            for number in range(len(resource.all("blockDeviceMappings")))
        ]
        if not disks:
            yield "volumes as the image has them, which may be unencrypted"
    for disk in disks:
        if str(resource.get(*disk)).lower() != "true":
            yield f"{'.'.join(map(str, disk[:-1]))} is not encrypted"


def _open(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.type == GROUP:
        sources = [cidr for number in range(len(resource.all("ingress"))) for key in ("cidrBlocks",
            "ipv6CidrBlocks")
                   for cidr in resource.all("ingress", number, key)]  # fmt: skip
    elif resource.get("type") in (None, "ingress"):
        sources = [
            cidr
            for key in ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
            for cidr in resource.all(key)
        ]
    else:
        sources = []
    for source in sources:
        if ipaddress.ip_network(source, strict=False).prefixlen == 0:
            yield f"ports that are open to {source}"


RULES = (
    Rule("metadata-by-token", (TEMPLATE, INSTANCE, BUILDER), "machines that give metadata by token only "
        "(IMDSv2)",
         'set `http_tokens` to "required"', _tokens),
    Rule("metadata-one-hop", (TEMPLATE, INSTANCE), "metadata for the machine itself only", "set "
        "`http_put_response_hop_limit` to 1", _hops),
    Rule("volumes-encrypted", (TEMPLATE, INSTANCE), "encrypted volumes", "name each volume and set "
        "`encrypted`", _volumes),
    Rule("no-open-ingress", (GROUP, *INGRESS), "address ranges of people who are known",
         "name the ranges (neurocaas:developerCidrs)", _open),
)  # fmt: skip
