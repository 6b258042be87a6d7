"""Key pairs, security groups and their rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import Tags

TAGS = Tags(service="ec2", argument="Resources[]", tag="create_tags", untag="delete_tags", keys="Tags")
"""EC2 has the same two calls for all kinds of things."""


def tag_specification(kind: str, tags: dict[str, str]) -> dict[str, Any]:
    """The argument that tags a new EC2 resource of `kind`; nothing without tags."""
    given = TAGS.given(tags)
    return {"TagSpecifications": [{"ResourceType": kind, **given}]} if given else {}


class KeyPair(Handler):
    """An imported public key. Its id is its name."""

    tags = replace(TAGS, by="keyPairId")

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("ec2"), str(inputs["keyName"])
        made = client.import_key_pair(KeyName=name, PublicKeyMaterial=inputs["publicKey"].encode())
        call.created(name)
        # not with the import: emulators drop tags there
        self.tags.change(call, made["KeyPairId"], {}, call.all_tags(inputs))
        return name

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("ec2")
        found = client.describe_key_pairs(KeyNames=[resource_id], IncludePublicKey=True)["KeyPairs"]
        if not found:
            return None
        pair = found[0]
        tags = client.describe_tags(Filters=[{"Name": "resource-id", "Values": [pair["KeyPairId"]]}])["Tags"]
        result: Properties = {
            "keyName": pair["KeyName"],
            "keyPairId": pair["KeyPairId"],
            "keyType": pair.get("KeyType") or "rsa",
            "fingerprint": pair.get("KeyFingerprint"),
            "arn": call.arn("ec2", f"key-pair/{pair['KeyName']}"),
            "tagsAll": self.tags.told(tags),
        }
        if pair.get("PublicKey"):
            result["publicKey"] = _same_key(state.get("publicKey"), pair["PublicKey"])
        return result

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ec2").delete_key_pair(KeyName=resource_id)


def _same_key(given: str | None, live: str) -> str:
    """`given` when it is the same key: EC2 changes the comment and the white space."""
    return given if given and given.split()[:2] == live.split()[:2] else live.strip()


class SecurityGroup(Handler):
    """A security group without rules: EC2's own allow-all egress rule is taken away, as the real provider
    does.
    """

    tags = TAGS

    def create(self, call: Call, inputs: Properties) -> str:
        made = call.client("ec2").create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            **({"VpcId": inputs["vpcId"]} if inputs.get("vpcId") else {}),
            **tag_specification("security-group", call.all_tags(inputs)),
        )
        group_id = call.created(made["GroupId"])
        self._revoke(call, group_id, "egress")
        return group_id

    @staticmethod
    def _revoke(call: Call, group_id: str, *directions: str) -> None:
        client = call.client("ec2")
        group = client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
        for direction in directions:
            rules = group.get("IpPermissionsEgress" if direction == "egress" else "IpPermissions")
            if rules:
                revoke = getattr(client, f"revoke_security_group_{direction}")
                revoke(GroupId=group_id, IpPermissions=rules)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("ec2").describe_security_groups(GroupIds=[resource_id])["SecurityGroups"]
        if not found:
            return None
        group = found[0]
        return {
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group.get("VpcId"),
            "ownerId": group.get("OwnerId") or call.session.account,
            "arn": group.get("SecurityGroupArn") or call.arn("ec2", f"security-group/{resource_id}"),
            "tagsAll": self.tags.told(group.get("Tags")),
        }

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if state.get("revokeRulesOnDelete"):
            self._revoke(call, resource_id, "ingress", "egress")
        call.client("ec2").delete_security_group(GroupId=resource_id)


class _SecurityGroupRule(Handler):
    """One rule of a security group. Its id is `sgr-…`."""

    egress: ClassVar[bool]
    tags = TAGS
    MEMBERS: ClassVar = {
        "ipProtocol": "IpProtocol",
        "fromPort": "FromPort",
        "toPort": "ToPort",
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "prefixListId": "PrefixListId",
        "description": "Description",
    }

    def _call(self, call: Call, verb: str, **arguments: Any) -> Any:
        direction = "egress" if self.egress else "ingress"
        return getattr(call.client("ec2"), f"{verb}_security_group_{direction}")(**arguments)

    def create(self, call: Call, inputs: Properties) -> str:
        given = {
            member: inputs[key] for key, member in self.MEMBERS.items() if inputs.get(key) not in (None, "")
        }
        described = {"Description": given.pop("Description")} if "Description" in given else {}
        for member, ranges, name in (
            ("CidrIpv4", "IpRanges", "CidrIp"),
            ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
            ("PrefixListId", "PrefixListIds", "PrefixListId"),
        ):
            if member in given:
                given[ranges] = [{name: given.pop(member), **described}]
        answer = self._call(
            call,
            "authorize",
            GroupId=inputs["securityGroupId"],
            IpPermissions=[given],
            **tag_specification("security-group-rule", call.all_tags(inputs)),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        rules = call.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[resource_id])
        found = (item for item in rules["SecurityGroupRules"] if item["IsEgress"] == self.egress)
        if (rule := next(found, None)) is None:
            return None
        result = {key: None if rule.get(name) == "" else rule.get(name) for key, name in self.MEMBERS.items()}
        if rule["IpProtocol"] == "-1":
            result["fromPort"] = result["toPort"] = None
        return {
            **result,
            "securityGroupRuleId": resource_id,
            "securityGroupId": rule["GroupId"],
            "arn": rule.get("SecurityGroupRuleArn") or call.arn("ec2", f"security-group-rule/{resource_id}"),
            "tagsAll": self.tags.told(rule.get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if all(olds.get(key) == news.get(key) for key in self.MEMBERS):
            return
        rule = {name: news[key] for key, name in self.MEMBERS.items() if news.get(key) not in (None, "")}
        call.client("ec2").modify_security_group_rules(
            GroupId=news["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": resource_id, "SecurityGroupRule": rule}],
        )

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._call(call, "revoke", GroupId=state["securityGroupId"], SecurityGroupRuleIds=[resource_id])


class SecurityGroupEgressRule(_SecurityGroupRule):
    """A rule for traffic going out."""

    egress = True


class SecurityGroupIngressRule(_SecurityGroupRule):
    """A rule for traffic coming in."""

    egress = False
