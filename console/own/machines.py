"""What machines are started from: key pairs, security groups, launch templates."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from console.own.model import Account, Thing, WantedResource, pairs, tagging

KEY_PAIR = "aws:ec2/keyPair:KeyPair"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def key_pairs(at: Account, prefix: str) -> Iterator[Thing]:
    for one in at.client("ec2").describe_key_pairs(IncludePublicKey=True)["KeyPairs"]:
        name, filters = one["KeyName"], [{"Name": "resource-id", "Values": [one["KeyPairId"]]}]
        if name.startswith(prefix):
            ask = tagging(at.client("ec2").describe_tags, "Tags", Filters=filters)
            yield Thing(KEY_PAIR, name, name, tags=ask, document=one.get("PublicKey"))


def security_groups(at: Account, prefix: str) -> Iterator[Thing]:
    for one in at.pages("ec2", "describe_security_groups", "SecurityGroups"):
        if one["GroupName"].startswith(prefix):
            yield Thing(
                SECURITY_GROUP, one["GroupName"], one["GroupId"], tags=partial(pairs, one.get("Tags"))
            )


def launch_templates(at: Account, prefix: str) -> Iterator[Thing]:
    for one in at.pages("ec2", "describe_launch_templates", "LaunchTemplates"):
        name = one["LaunchTemplateName"]
        if name.startswith(prefix):
            yield Thing(LAUNCH_TEMPLATE, name, one["LaunchTemplateId"], tags=partial(pairs, one.get("Tags")))


def egress(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    yield from _rules(at, wanted, EGRESS, outgoing=True)


def ingress(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    yield from _rules(at, wanted, INGRESS, outgoing=False)


_SAME = {
    "ipProtocol": "IpProtocol",
    "fromPort": "FromPort",
    "toPort": "ToPort",
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
}


def _rules(at: Account, wanted: WantedResource, kind: str, *, outgoing: bool) -> Iterator[Thing]:
    """Rules of a security group of ours that let the same through: EC2 takes no second one."""
    group = wanted.home("securityGroupId")
    if group is None:
        return

    def value(of: Any) -> str | None:
        return None if of is None else str(int(of)) if isinstance(of, float) else str(of)

    for one in at.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group.id]}]
    )["SecurityGroupRules"]:
        if bool(one.get("IsEgress")) is outgoing and all(
            value(wanted.inputs[ours]) == value(one.get(theirs))
            for ours, theirs in _SAME.items()
            if ours in wanted.inputs
        ):
            yield Thing(kind, one["SecurityGroupRuleId"], one["SecurityGroupRuleId"])
