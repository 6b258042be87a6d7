"""Tables."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import Unsettled, code, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

SETTLE_SECONDS = 600.0


class Table(Handler):
    """A table. Its id is its name; keys and local indexes replace, everything else changes in place."""

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("dynamodb"), str(inputs["name"])
        arguments: dict[str, Any] = {
            "TableName": name,
            "AttributeDefinitions": _attributes(inputs),
            "KeySchema": _keys(inputs["hashKey"], inputs.get("rangeKey")),
            "BillingMode": inputs.get("billingMode") or "PROVISIONED",
            "DeletionProtectionEnabled": bool(inputs.get("deletionProtectionEnabled")),
        }
        if arguments["BillingMode"] == "PROVISIONED":
            arguments["ProvisionedThroughput"] = _throughput(inputs)
        if inputs.get("globalSecondaryIndexes"):
            arguments["GlobalSecondaryIndexes"] = [
                _index(item, inputs) for item in inputs["globalSecondaryIndexes"]
            ]
        if inputs.get("localSecondaryIndexes"):
            arguments["LocalSecondaryIndexes"] = [
                _index(item, inputs, local=True) for item in inputs["localSecondaryIndexes"]
            ]
        if inputs.get("streamEnabled"):
            arguments["StreamSpecification"] = {
                "StreamEnabled": True,
                "StreamViewType": inputs["streamViewType"],
            }
        if (inputs.get("serverSideEncryption") or {}).get("enabled"):
            arguments["SSESpecification"] = _encryption(inputs["serverSideEncryption"])
        if inputs.get("tableClass"):
            arguments["TableClass"] = inputs["tableClass"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags)
        client.create_table(**arguments)
        call.created(name)
        self._settle(call, name)
        self._extras(call, name, {}, inputs)
        return name

    @staticmethod
    def _settle(call: Call, name: str) -> None:
        def look() -> None:
            table = call.client("dynamodb").describe_table(TableName=name)["Table"]
            states = [
                table["TableStatus"],
                *(index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes") or ()),
            ]
            if any(state != "ACTIVE" for state in states):
                raise Unsettled(
                    f"the table {name} is not active after {SETTLE_SECONDS:.0f} s: {', '.join(states)}"
                )

        call.settle(look, seconds=SETTLE_SECONDS)

    @staticmethod
    def _extras(call: Call, name: str, olds: Properties, news: Properties) -> None:
        """Expiry and point-in-time recovery have calls of their own."""
        client = call.client("dynamodb")
        old_ttl, ttl = olds.get("ttl") or {}, news.get("ttl") or {}
        if bool(ttl.get("enabled")) != bool(old_ttl.get("enabled")) or (
            ttl.get("enabled") and not same(old_ttl, ttl)
        ):
            attribute = ttl.get("attributeName") or old_ttl.get("attributeName")
            client.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": bool(ttl.get("enabled")), "AttributeName": attribute},
            )
        old_recovery, recovery = olds.get("pointInTimeRecovery") or {}, news.get("pointInTimeRecovery") or {}
        if bool(recovery.get("enabled")) != bool(old_recovery.get("enabled")) or (
            recovery.get("enabled") and not same(old_recovery, recovery)
        ):
            wanted: dict[str, Any] = {"PointInTimeRecoveryEnabled": bool(recovery.get("enabled"))}
            if recovery.get("recoveryPeriodInDays"):
                wanted["RecoveryPeriodInDays"] = recovery["recoveryPeriodInDays"]
            call.retry(
                lambda: client.update_continuous_backups(
                    TableName=name, PointInTimeRecoverySpecification=wanted
                ),
                lambda error: code(error) == "ContinuousBackupsUnavailableException",
                seconds=60,
            )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("dynamodb")
        try:
            table = client.describe_table(TableName=resource_id)["Table"]
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        ttl = client.describe_time_to_live(TableName=resource_id).get("TimeToLiveDescription") or {}
        backups = client.describe_continuous_backups(TableName=resource_id)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        keys = {item["KeyType"]: item["AttributeName"] for item in table["KeySchema"]}
        provisioned = (table.get("BillingModeSummary") or {}).get(
            "BillingMode", "PROVISIONED"
        ) == "PROVISIONED"
        throughput = table.get("ProvisionedThroughput") or {}
        encryption = table.get("SSEDescription") or {}
        stream = table.get("StreamSpecification") or {}
        return {
            "name": table["TableName"],
            "arn": table["TableArn"],
            "attributes": [
                {"name": a["AttributeName"], "type": a["AttributeType"]}
                for a in table["AttributeDefinitions"]
            ],
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "billingMode": "PROVISIONED" if provisioned else "PAY_PER_REQUEST",
            "readCapacity": throughput.get("ReadCapacityUnits") if provisioned else 0,
            "writeCapacity": throughput.get("WriteCapacityUnits") if provisioned else 0,
            "globalSecondaryIndexes": [
                _index_back(i, provisioned) for i in table.get("GlobalSecondaryIndexes") or ()
            ]
            or None,
            "localSecondaryIndexes": [_local_index_back(i) for i in table.get("LocalSecondaryIndexes") or ()]
            or None,
            "streamEnabled": bool(stream.get("StreamEnabled")),
            "streamViewType": stream.get("StreamViewType"),
            "streamArn": table.get("LatestStreamArn"),
            "streamLabel": table.get("LatestStreamLabel"),
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
            if encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
            else None,
            "tagsAll": from_pairs(client.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        for step in self._steps(olds, news):
            call.client("dynamodb").update_table(TableName=resource_id, **step)
            self._settle(call, resource_id)
        self._extras(call, resource_id, olds, news)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            call.client("dynamodb").untag_resource(ResourceArn=olds["arn"], TagKeys=gone)
        if new:
            call.client("dynamodb").tag_resource(ResourceArn=olds["arn"], Tags=pairs(new))

    @staticmethod
    def _steps(olds: Properties, news: Properties) -> list[dict[str, Any]]:
        """The updates to make one after another: DynamoDB takes one kind of change a call, and one index."""
        steps: list[dict[str, Any]] = []
        provisioned = (news.get("billingMode") or "PROVISIONED") == "PROVISIONED"
        capacity = provisioned and any(
            news.get(key) != olds.get(key) for key in ("readCapacity", "writeCapacity")
        )
        if (news.get("billingMode") or "PROVISIONED") != olds.get("billingMode") or capacity:
            throughput = {"ProvisionedThroughput": _throughput(news)} if provisioned else {}
            steps.append({"BillingMode": news.get("billingMode") or "PROVISIONED", **throughput})
        if bool(news.get("streamEnabled")) != bool(olds.get("streamEnabled")):
            view = {"StreamViewType": news["streamViewType"]} if news.get("streamEnabled") else {}
            steps.append({"StreamSpecification": {"StreamEnabled": bool(news.get("streamEnabled")), **view}})
        if not same(
            olds.get("serverSideEncryption") or {"enabled": False},
            news.get("serverSideEncryption") or {"enabled": False},
        ):
            wanted = news.get("serverSideEncryption") or {}
            if wanted.get("enabled") or (olds.get("serverSideEncryption") or {}).get("enabled"):
                steps.append({"SSESpecification": _encryption(wanted)})
        if news.get("tableClass") and news["tableClass"] != olds.get("tableClass"):
            steps.append({"TableClass": news["tableClass"]})
        if bool(news.get("deletionProtectionEnabled")) != bool(olds.get("deletionProtectionEnabled")):
            steps.append({"DeletionProtectionEnabled": bool(news.get("deletionProtectionEnabled"))})
        return steps + _index_steps(olds, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("dynamodb")
        client.delete_table(TableName=resource_id)

        def look() -> None:
            client.describe_table(TableName=resource_id)
            raise Unsettled(f"the table {resource_id} is still being deleted")

        call.settle(look, seconds=SETTLE_SECONDS)


def _attributes(inputs: Properties) -> list[dict[str, str]]:
    return [{"AttributeName": item["name"], "AttributeType": item["type"]} for item in inputs["attributes"]]


def _keys(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else keys


def _throughput(inputs: Properties) -> dict[str, int]:
    return {
        "ReadCapacityUnits": inputs.get("readCapacity") or 1,
        "WriteCapacityUnits": inputs.get("writeCapacity") or 1,
    }


def _encryption(wanted: Properties) -> dict[str, Any]:
    if not wanted.get("enabled"):
        return {"Enabled": False}
    return {
        "Enabled": True,
        "SSEType": "KMS",
        **({"KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted.get("kmsKeyArn") else {}),
    }


def _index(item: Properties, table: Properties, *, local: bool = False) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": item["projectionType"]}
    if item.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = item["nonKeyAttributes"]
    keys = (
        _keys(table["hashKey"], item["rangeKey"]) if local else _keys(item["hashKey"], item.get("rangeKey"))
    )
    result: dict[str, Any] = {"IndexName": item["name"], "KeySchema": keys, "Projection": projection}
    if not local and (table.get("billingMode") or "PROVISIONED") == "PROVISIONED":
        result["ProvisionedThroughput"] = _throughput(item)
    return result


def _index_back(index: dict[str, Any], provisioned: bool) -> Properties:
    keys = {item["KeyType"]: item["AttributeName"] for item in index["KeySchema"]}
    throughput = index.get("ProvisionedThroughput") or {}
    found = {
        "name": index["IndexName"],
        "hashKey": keys["HASH"],
        "rangeKey": keys.get("RANGE"),
        "projectionType": index["Projection"]["ProjectionType"],
        "nonKeyAttributes": index["Projection"].get("NonKeyAttributes") or None,
        "readCapacity": throughput.get("ReadCapacityUnits") if provisioned else None,
        "writeCapacity": throughput.get("WriteCapacityUnits") if provisioned else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _local_index_back(index: dict[str, Any]) -> Properties:
    found = _index_back(index, provisioned=False)
    del found["hashKey"]
    return found


def _index_steps(olds: Properties, news: Properties) -> list[dict[str, Any]]:
    """Drop and make global indexes; a changed one is dropped and made again."""
    old = {item["name"]: item for item in olds.get("globalSecondaryIndexes") or ()}
    new = {item["name"]: item for item in news.get("globalSecondaryIndexes") or ()}
    changed = [
        name
        for name in old
        if name in new and not all(same(old[name].get(key), value) for key, value in new[name].items())
    ]
    drops = [name for name in old if name not in new or name in changed]
    makes = [name for name in new if name not in old or name in changed]
    steps: list[dict[str, Any]] = [
        {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]} for name in drops
    ]
    return steps + [
        {
            "AttributeDefinitions": _attributes(news),
            "GlobalSecondaryIndexUpdates": [{"Create": _index(new[name], news)}],
        }
        for name in makes
    ]
