"""Key pairs, security groups and their rules."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import ProviderError, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs


def tag_specification(kind: str, tags: dict[str, str]) -> dict[str, Any]:
    """The argument that tags a new EC2 resource of ``kind``; nothing without tags."""
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs(tags)}]} if tags else {}


def update_tags(call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
    """Bring the tags of an EC2 resource from ``olds`` to ``news``."""
    new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
    if gone:
        call.client("ec2").delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in gone])
    if new:
        call.client("ec2").create_tags(Resources=[resource_id], Tags=pairs(new))


class KeyPair(Handler):
    """An imported public key. Its id is its name."""

    def create(self, call: Call, inputs: Properties) -> str:
        client, tags = call.client("ec2"), call.all_tags(inputs)
        made = client.import_key_pair(
            KeyName=inputs["keyName"], PublicKeyMaterial=inputs["publicKey"].encode()
        )
        call.created(inputs["keyName"])
        if tags:  # not with the import: emulators drop tags there
            client.create_tags(Resources=[made["KeyPairId"]], Tags=pairs(tags))
        return str(inputs["keyName"])

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
            "tagsAll": from_pairs(tags),
        }
        if pair.get("PublicKey"):
            result["publicKey"] = _same_key(state.get("publicKey"), pair["PublicKey"])
        return result

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        update_tags(call, olds["keyPairId"], olds, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ec2").delete_key_pair(KeyName=resource_id)


def _same_key(given: str | None, live: str) -> str:
    """``given`` when it is the same key: EC2 changes the comment and the white space."""
    return given if given and given.split()[:2] == live.split()[:2] else live.strip()


class SecurityGroup(Handler):
    """A security group without rules: EC2's own allow-all egress rule is taken away, as the real provider
    does.
    """

    def create(self, call: Call, inputs: Properties) -> str:
        client = call.client("ec2")
        arguments: dict[str, Any] = {"GroupName": inputs["name"], "Description": inputs["description"]}
        if inputs.get("vpcId"):
            arguments["VpcId"] = inputs["vpcId"]
        group_id = call.created(
            client.create_security_group(
                **arguments, **tag_specification("security-group", call.all_tags(inputs))
            )["GroupId"]
        )
        found = client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
        if found.get("IpPermissionsEgress"):
            client.revoke_security_group_egress(GroupId=group_id, IpPermissions=found["IpPermissionsEgress"])
        return group_id

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("ec2").describe_security_groups(GroupIds=[resource_id])["SecurityGroups"]
        if not found:
            return None
        group = found[0]
        owner = group.get("OwnerId") or call.session.account
        return {
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group.get("VpcId"),
            "ownerId": owner,
            "arn": group.get("SecurityGroupArn") or call.arn("ec2", f"security-group/{resource_id}"),
            "tagsAll": from_pairs(group.get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        update_tags(call, resource_id, olds, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("ec2")
        if state.get("revokeRulesOnDelete"):
            group = client.describe_security_groups(GroupIds=[resource_id])["SecurityGroups"][0]
            if group.get("IpPermissions"):
                client.revoke_security_group_ingress(
                    GroupId=resource_id, IpPermissions=group["IpPermissions"]
                )
            if group.get("IpPermissionsEgress"):
                client.revoke_security_group_egress(
                    GroupId=resource_id, IpPermissions=group["IpPermissionsEgress"]
                )
        client.delete_security_group(GroupId=resource_id)


class _SecurityGroupRule(Handler):
    """One rule of a security group. Its id is ``sgr-…``."""

    egress: bool

    @property
    def _direction(self) -> str:
        return "egress" if self.egress else "ingress"

    def create(self, call: Call, inputs: Properties) -> str:
        permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
        for key, name in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            if inputs.get(key) is not None:
                permission[name] = inputs[key]
        description = {"Description": inputs["description"]} if inputs.get("description") else {}
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **description}]
        if inputs.get("cidrIpv6"):
            permission["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"], **description}]
        if inputs.get("prefixListId"):
            permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **description}]
        if inputs.get("referencedSecurityGroupId"):
            permission["UserIdGroupPairs"] = [
                {**_group_reference(inputs["referencedSecurityGroupId"]), **description}
            ]
        authorize = getattr(call.client("ec2"), f"authorize_security_group_{self._direction}")
        answer = authorize(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[permission],
            **tag_specification("security-group-rule", call.all_tags(inputs)),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[resource_id])[
            "SecurityGroupRules"
        ]
        rule = next((item for item in found if item["IsEgress"] == self.egress), None)
        if rule is None:
            return None
        all_ports = rule["IpProtocol"] == "-1"
        referenced = rule.get("ReferencedGroupInfo") or {}
        return {
            "securityGroupRuleId": resource_id,
            "securityGroupId": rule["GroupId"],
            "arn": rule.get("SecurityGroupRuleArn") or call.arn("ec2", f"security-group-rule/{resource_id}"),
            "ipProtocol": rule["IpProtocol"],
            "fromPort": None if all_ports else rule.get("FromPort"),
            "toPort": None if all_ports else rule.get("ToPort"),
            "cidrIpv4": rule.get("CidrIpv4") or None,
            "cidrIpv6": rule.get("CidrIpv6") or None,
            "prefixListId": rule.get("PrefixListId") or None,
            "referencedSecurityGroupId": referenced.get("GroupId") or None,
            "description": rule.get("Description") or None,
            "tagsAll": from_pairs(rule.get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        members = {
            "ipProtocol": "IpProtocol",
            "fromPort": "FromPort",
            "toPort": "ToPort",
            "cidrIpv4": "CidrIpv4",
            "cidrIpv6": "CidrIpv6",
            "prefixListId": "PrefixListId",
            "referencedSecurityGroupId": "ReferencedGroupId",
            "description": "Description",
        }
        if any(olds.get(key) != news.get(key) for key in members):
            rule = {name: news[key] for key, name in members.items() if news.get(key) not in (None, "")}
            call.client("ec2").modify_security_group_rules(
                GroupId=news["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": resource_id, "SecurityGroupRule": rule}],
            )
        update_tags(call, resource_id, olds, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        revoke = getattr(call.client("ec2"), f"revoke_security_group_{self._direction}")
        try:
            revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[resource_id])
        except Exception as error:
            if not is_not_found(error):
                raise


class SecurityGroupEgressRule(_SecurityGroupRule):
    """A rule for traffic going out."""

    egress = True


class SecurityGroupIngressRule(_SecurityGroupRule):
    """A rule for traffic coming in."""

    egress = False


def _group_reference(reference: str) -> dict[str, str]:
    """``sg-…``, or ``ACCOUNT/sg-…`` for a group of a peer."""
    account, slash, group = reference.rpartition("/")
    if not group.startswith("sg-"):
        raise ProviderError(
            f"got the security group {reference!r}; sg-… or ACCOUNT/sg-… is needed; pass the group's id"
        )
    return {"GroupId": group, **({"UserId": account} if slash else {})}
