"""Tables."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import Unsettled, code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import Tags

SETTLE_SECONDS = 600.0
CAPACITY = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
"""What a table with provisioned capacity begins with: no program gives another."""


class Table(Handler):
    """A table. Its id is its name; keys replace, everything else changes in place."""

    tags = Tags(service="dynamodb", argument="ResourceArn", by="arn", listing="list_tags_of_resource")

    request, sent = ("dynamodb", "create_table"), {"name": "TableName", "billingMode": "BillingMode"}

    def create(self, call: Call, inputs: Properties) -> str:
        name = str(inputs["name"])
        keys = [(inputs["hashKey"], "HASH"), (inputs.get("rangeKey"), "RANGE")]
        arguments: dict[str, Any] = {
            "TableName": name,
            "AttributeDefinitions": [
                {"AttributeName": item["name"], "AttributeType": item["type"]}
                for item in inputs["attributes"]
            ],
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys if key],
            **_billing(inputs),
            "DeletionProtectionEnabled": bool(inputs.get("deletionProtectionEnabled")),
            **self.tags.given(call.all_tags(inputs)),
        }
        if (inputs.get("serverSideEncryption") or {}).get("enabled"):
            arguments["SSESpecification"] = _encryption(inputs["serverSideEncryption"])
        call.client("dynamodb").create_table(**arguments)
        call.created(name)
        self._settle(call, name)
        self._recovery(call, name, {}, inputs)
        return name

    @staticmethod
    def _settle(call: Call, name: str) -> None:
        def look() -> None:
            status = call.client("dynamodb").describe_table(TableName=name)["Table"]["TableStatus"]
            if status != "ACTIVE":
                raise Unsettled(f"the table {name} is not active after {SETTLE_SECONDS:.0f} s: {status}")

        call.settle(look, seconds=SETTLE_SECONDS)

    @staticmethod
    def _recovery(call: Call, name: str, olds: Properties, news: Properties) -> None:
        """Point-in-time recovery has a call of its own."""
        old, new = olds.get("pointInTimeRecovery") or {}, news.get("pointInTimeRecovery") or {}
        if bool(new.get("enabled")) == bool(old.get("enabled")) and (
            not new.get("enabled") or same(old, new)
        ):
            return
        wanted: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(new.get("enabled"))}
        if new.get("recoveryPeriodInDays"):
            wanted["RecoveryPeriodInDays"] = new["recoveryPeriodInDays"]
        call.retry(
            lambda: call.client("dynamodb").update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification=wanted
            ),
            lambda error: code(error) == "ContinuousBackupsUnavailableException",
            seconds=60,
        )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("dynamodb")
        table = client.describe_table(TableName=resource_id)["Table"]
        ttl = client.describe_time_to_live(TableName=resource_id).get("TimeToLiveDescription") or {}
        backups = client.describe_continuous_backups(TableName=resource_id)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        keys = {item["KeyType"]: item["AttributeName"] for item in table["KeySchema"]}
        mode = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
        throughput = (table.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else {}
        encryption = table.get("SSEDescription") or {}
        encrypted = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
        return {
            "name": table["TableName"],
            "arn": table["TableArn"],
            "attributes": [
                {"name": item["AttributeName"], "type": item["AttributeType"]}
                for item in table["AttributeDefinitions"]
            ],
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "billingMode": mode,
            "readCapacity": throughput.get("ReadCapacityUnits", 0),
            "writeCapacity": throughput.get("WriteCapacityUnits", 0),
            "streamEnabled": bool((table.get("StreamSpecification") or {}).get("StreamEnabled")),
            "tableClass": (table.get("TableClassSummary") or {}).get("TableClass") or "STANDARD",
            "deletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
            "ttl": {
                "enabled": ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"),
                "attributeName": ttl.get("AttributeName") or "",
            },
            "pointInTimeRecovery": {
                "enabled": recovery.get("PointInTimeRecoveryStatus") == "ENABLED",
                "recoveryPeriodInDays": recovery.get("RecoveryPeriodInDays"),
            },
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": encryption.get("KMSMasterKeyArn")}
            if encrypted
            else None,
            "tagsAll": self.tags.read(call, table["TableArn"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        for step in self._steps(olds, news):
            call.client("dynamodb").update_table(TableName=resource_id, **step)
            self._settle(call, resource_id)
        self._recovery(call, resource_id, olds, news)

    @staticmethod
    def _steps(olds: Properties, news: Properties) -> list[dict[str, Any]]:
        """The updates to make one after another: DynamoDB takes one kind of change a call."""
        steps: list[dict[str, Any]] = []
        if (news.get("billingMode") or "PROVISIONED") != olds.get("billingMode"):
            steps.append(_billing(news))
        old, new = (each.get("serverSideEncryption") or {"enabled": False} for each in (olds, news))
        if not same(old, new) and (old.get("enabled") or new.get("enabled")):
            steps.append({"SSESpecification": _encryption(new)})
        if bool(news.get("deletionProtectionEnabled")) != bool(olds.get("deletionProtectionEnabled")):
            steps.append({"DeletionProtectionEnabled": bool(news.get("deletionProtectionEnabled"))})
        return steps

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("dynamodb")
        client.delete_table(TableName=resource_id)

        def look() -> None:
            client.describe_table(TableName=resource_id)
            raise Unsettled(f"the table {resource_id} is still being deleted")

        call.settle(look, seconds=SETTLE_SECONDS)


def _billing(inputs: Properties) -> dict[str, Any]:
    mode = inputs.get("billingMode") or "PROVISIONED"
    return {"BillingMode": mode, **({"ProvisionedThroughput": CAPACITY} if mode == "PROVISIONED" else {})}


def _encryption(wanted: Properties) -> dict[str, Any]:
    if not wanted.get("enabled"):
        return {"Enabled": False}
    key = {"KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted.get("kmsKeyArn") else {}
    return {"Enabled": True, "SSEType": "KMS", **key}
