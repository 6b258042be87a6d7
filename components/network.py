"""The network side of machines: what may come in (nothing), what may go out (HTTPS)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child


@dataclass(frozen=True, kw_only=True)
class MachineNetworkArgs:
    """`developer_cidrs`: address ranges that may reach port 22; default none. The whole internet is
    refused. `vpc_id`: None for the account's default VPC.
    """

    developer_cidrs: Sequence[str] = ()
    vpc_id: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        for cidr in self.developer_cidrs:
            try:
                network = ipaddress.ip_network(cidr)
            except ValueError as error:
                raise ValueError(f"developerCidrs: {error}; allowed: ranges such as 192.0.2.0/24") from error
            if network.prefixlen == 0:
                raise ValueError(
                    f"developerCidrs: {cidr} is the whole internet; allowed: the addresses of your laboratory"
                )


@dataclass(frozen=True, kw_only=True)
class ClosedNetworkArgs:
    """`prefix_list`: id of the addresses that machines reach, by HTTPS."""

    vpc_id: pulumi.Input[str]
    prefix_list: pulumi.Input[str]


class ClosedNetwork(pulumi.ComponentResource):
    """A security group: nothing in, and out to the addresses of one prefix list alone."""

    security_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: ClosedNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:network:ClosedNetwork", name, {}, opts)
        group = aws.ec2.SecurityGroup(
            name,
            description="Machines of closed analyses: nothing in, S3 out",
            revoke_rules_on_delete=True,
            vpc_id=args.vpc_id,
            opts=child(self),
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-out-s3",
            security_group_id=group.id,
            description="S3",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            prefix_list_id=args.prefix_list,
            opts=child(self),
        )
        self.security_group_id = group.id
        self.register_outputs({"security_group_id": self.security_group_id})


class MachineNetwork(pulumi.ComponentResource):
    """A security group. Out: 443 (AWS services, package servers) and 80 (apt mirrors are
    signed, not encrypted).

    Name servers and the metadata service of the VPC are not subject to security groups (VPC user guide,
    "Security groups").
    """

    security_group_id: pulumi.Output[str]
    security_group_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: MachineNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:network:MachineNetwork", name, {}, opts)
        group = aws.ec2.SecurityGroup(
            name,
            description="Machines of NeuroCAAS: nothing in, HTTPS out",
            revoke_rules_on_delete=True,
            vpc_id=args.vpc_id,
            opts=child(self),
        )
        for port, what in ((443, "HTTPS"), (80, "apt mirrors")):
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-out-{port}",
                security_group_id=group.id,
                description=what,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4="0.0.0.0/0",
                opts=child(self),
            )
        for number, cidr in enumerate(args.developer_cidrs):
            version = ipaddress.ip_network(cidr).version
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-ssh-{number}",
                security_group_id=group.id,
                description="SSH of developers",
                ip_protocol="tcp",
                from_port=22,
                to_port=22,
                cidr_ipv4=cidr if version == 4 else None,
                cidr_ipv6=cidr if version == 6 else None,
                opts=child(self),
            )
        self.security_group_id, self.security_group_name = group.id, group.name
        self.register_outputs({"security_group_id": self.security_group_id})
