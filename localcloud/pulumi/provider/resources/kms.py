"""Keys and their aliases."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags

DELETION_DAYS = 30
"""How long a deleted key can be called back when the resource does not say."""


class Key(Named):
    """A key. Its id is the key id; delete schedules the deletion."""

    service = "kms"
    calls = ("create_key", "describe_key", "", "schedule_key_deletion")
    key, made, found = "KeyId", "KeyMetadata.KeyId", "KeyMetadata"
    sent = members("description policy keyUsage", customerMasterKeySpec="KeySpec")
    told = members("keyId arn", isEnabled="Enabled")
    tags = Tags(service="kms", argument="KeyId", listing="list_resource_tags", names=("TagKey", "TagValue"))

    def passing(self, error: BaseException) -> bool:
        """A principal of the key's policy is not known yet."""
        return code(error) == "MalformedPolicyDocumentException"

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        if inputs.get("enableKeyRotation"):
            call.client("kms").enable_key_rotation(KeyId=resource_id)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = super().read(call, resource_id, state)
        return None if found is None or found.pop("keyState").startswith("Pending") else found

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        client, key = call.client("kms"), found["KeyId"]
        rotation = client.get_key_rotation_status(KeyId=key)
        rotates = bool(rotation.get("KeyRotationEnabled"))
        return {
            **super().properties(call, found, state),
            "keyState": found["KeyState"],
            "multiRegion": bool(found.get("MultiRegion")),
            "policy": client.get_key_policy(KeyId=key, PolicyName="default")["Policy"],
            "enableKeyRotation": rotates,
            "rotationPeriodInDays": rotation.get("RotationPeriodInDays") if rotates else None,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("kms")
        if bool(news.get("enableKeyRotation")) != bool(olds.get("enableKeyRotation")):
            rotate = client.enable_key_rotation if news["enableKeyRotation"] else client.disable_key_rotation
            rotate(KeyId=resource_id)
        if (news.get("description") or "") != (olds.get("description") or ""):
            client.update_key_description(KeyId=resource_id, Description=news.get("description") or "")
        if news.get("policy") and news["policy"] != olds.get("policy"):
            arguments = {"KeyId": resource_id, "PolicyName": "default", "Policy": news["policy"]}
            self._call(call, "put_key_policy", arguments)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        days = state.get("deletionWindowInDays") or DELETION_DAYS
        try:
            call.client("kms").schedule_key_deletion(KeyId=resource_id, PendingWindowInDays=days)
        except Exception as error:
            if code(error) != "KMSInvalidStateException" or "pending deletion" not in str(error):
                raise


class Alias(Handler):
    """Another name of a key. Its id is the name, with `alias/` before it."""

    def create(self, call: Call, inputs: Properties) -> str:
        call.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("kms")
        aliases = (
            item for page in client.get_paginator("list_aliases").paginate() for item in page["Aliases"]
        )
        found = next((item for item in aliases if item["AliasName"] == resource_id), None)
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
