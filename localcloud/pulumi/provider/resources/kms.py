"""Keys and their aliases."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

DELETION_DAYS = 30
"""How long a deleted key can be called back when the resource does not say."""


def _too_new(error: BaseException) -> bool:
    """A principal of the key's policy is not known yet."""
    return code(error) == "MalformedPolicyDocumentException"


class Key(Handler):
    """A key. Its id is the key id; delete schedules the deletion."""

    def create(self, call: Call, inputs: Properties) -> str:
        client = call.client("kms")
        arguments: dict[str, Any] = {
            "KeyUsage": inputs.get("keyUsage") or "ENCRYPT_DECRYPT",
            "KeySpec": inputs.get("customerMasterKeySpec") or "SYMMETRIC_DEFAULT",
            "BypassPolicyLockoutSafetyCheck": bool(inputs.get("bypassPolicyLockoutSafetyCheck")),
        }
        optional = {"description": "Description", "policy": "Policy", "multiRegion": "MultiRegion"}
        arguments.update({name: inputs[key] for key, name in optional.items() if inputs.get(key)})
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags, "TagKey", "TagValue")
        made = call.retry(lambda: client.create_key(**arguments), _too_new, seconds=120)
        key_id = call.created(made["KeyMetadata"]["KeyId"])
        self._rotate(call, key_id, inputs)
        if inputs.get("isEnabled") is False:
            client.disable_key(KeyId=key_id)
        return key_id

    @staticmethod
    def _rotate(call: Call, key_id: str, inputs: Properties) -> None:
        if inputs.get("enableKeyRotation"):
            period = (
                {"RotationPeriodInDays": inputs["rotationPeriodInDays"]}
                if inputs.get("rotationPeriodInDays")
                else {}
            )
            call.client("kms").enable_key_rotation(KeyId=key_id, **period)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("kms")
        found = client.describe_key(KeyId=resource_id)["KeyMetadata"]
        if found["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            return None
        symmetric = found.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
        rotation = client.get_key_rotation_status(KeyId=resource_id) if symmetric else {}
        return {
            "keyId": found["KeyId"],
            "arn": found["Arn"],
            "description": found.get("Description") or None,
            "keyUsage": found["KeyUsage"],
            "customerMasterKeySpec": found.get("KeySpec") or "SYMMETRIC_DEFAULT",
            "isEnabled": found["Enabled"],
            "multiRegion": bool(found.get("MultiRegion")),
            "policy": client.get_key_policy(KeyId=resource_id, PolicyName="default")["Policy"],
            "enableKeyRotation": bool(rotation.get("KeyRotationEnabled")),
            "rotationPeriodInDays": rotation.get("RotationPeriodInDays")
            if rotation.get("KeyRotationEnabled")
            else None,
            "tagsAll": from_pairs(
                client.list_resource_tags(KeyId=resource_id).get("Tags"), "TagKey", "TagValue"
            ),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("kms")
        enabled = news.get("isEnabled") is not False
        if enabled and olds.get("isEnabled") is False:  # the other calls need an enabled key
            client.enable_key(KeyId=resource_id)
        rotation = ("enableKeyRotation", "rotationPeriodInDays")
        if any(news.get(key) != olds.get(key) for key in rotation if key in news):
            self._rotate(call, resource_id, news)
            if not news.get("enableKeyRotation"):
                client.disable_key_rotation(KeyId=resource_id)
        if (news.get("description") or "") != (olds.get("description") or ""):
            client.update_key_description(KeyId=resource_id, Description=news.get("description") or "")
        if news.get("policy") and news["policy"] != olds.get("policy"):
            bypass = bool(news.get("bypassPolicyLockoutSafetyCheck"))
            call.retry(
                lambda: client.put_key_policy(
                    KeyId=resource_id,
                    PolicyName="default",
                    Policy=news["policy"],
                    BypassPolicyLockoutSafetyCheck=bypass,
                ),
                _too_new,
                seconds=120,
            )
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(KeyId=resource_id, TagKeys=gone)
        if new:
            client.tag_resource(KeyId=resource_id, Tags=pairs(new, "TagKey", "TagValue"))
        if not enabled and olds.get("isEnabled") is not False:
            client.disable_key(KeyId=resource_id)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        days = state.get("deletionWindowInDays") or DELETION_DAYS
        try:
            call.client("kms").schedule_key_deletion(KeyId=resource_id, PendingWindowInDays=days)
        except Exception as error:
            if code(error) != "KMSInvalidStateException" or "pending deletion" not in str(error):
                raise


class Alias(Handler):
    """Another name of a key. Its id is the name, with ``alias/`` before it."""

    def create(self, call: Call, inputs: Properties) -> str:
        call.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("kms")
        pages = client.get_paginator("list_aliases").paginate()
        found = next(
            (item for page in pages for item in page["Aliases"] if item["AliasName"] == resource_id), None
        )
        if found is None:
            return None
        target = client.describe_key(KeyId=found["TargetKeyId"])["KeyMetadata"]
        known = state.get("targetKeyId")
        return {
            "name": found["AliasName"],
            "arn": found["AliasArn"],
            "targetKeyId": known if known in (target["KeyId"], target["Arn"]) else target["KeyId"],
            "targetKeyArn": target["Arn"],
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        call.client("kms").update_alias(AliasName=resource_id, TargetKeyId=news["targetKeyId"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("kms").delete_alias(AliasName=resource_id)
