"""``dynamodb:LeadingKeys``: the partitions that a request names, in every operation that names items.

Stock MiniStack does not know the key, and an absent key satisfies ``ForAllValues``: whatever is missing here
would be allowed.
Source: DynamoDB developer guide, "Using IAM policy conditions for fine-grained access control".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from localcloud.aws import hooks, tracking
from localcloud.aws.iam.enforcement import Check
from localcloud.aws.iam.resources import document

KEYED = {"GetItem": "Key", "PutItem": "Item", "UpdateItem": "Key", "DeleteItem": "Key"}
TRANSACTED = {
    "GetItem": "Get",
    "PutItem": "Put",
    "UpdateItem": "Update",
    "DeleteItem": "Delete",
    "ConditionCheckItem": "ConditionCheck",
}
EQUALS = re.compile(r"([#\w.\-]+)\s*=\s*(:\w+)")
UNKNOWN = ""
"""Stands for a partition that a query does not name plainly: no policy allows it, and DynamoDB refuses such a
query.
"""


def on_dynamodb(request: tracking.Request, first: Check) -> list[Check]:
    """One check an item of a transaction; one check with all partitions of any other request."""
    name = first.action.partition(":")[2]
    asked, table = document(request), first.arn.partition(":table/")[2].partition("/")[0]
    if request.action in tracking.TRANSACTIONS:
        return [_with(first, [value]) for value in dict.fromkeys(_of_transaction(asked, name, table))] or [
            first
        ]
    values = list(dict.fromkeys(_of_request(asked, name, table)))
    return [_with(first, values) if values else first]


def _with(check: Check, values: list[str]) -> Check:
    return Check(check.action, check.arn, {**check.context, "dynamodb:LeadingKeys": values}, check.service)


def _of_request(asked: dict[str, Any], name: str, table: str) -> Iterator[str]:
    if name in KEYED:
        yield from _partition(asked.get(KEYED[name]), table)
    elif name == "Query":
        yield from _queried(asked, table)
    elif name in ("BatchGetItem", "BatchWriteItem"):
        batches = asked.get("RequestItems")
        for given, batch in batches.items() if isinstance(batches, dict) else ():
            if _plain(given) != table:
                continue  # it is checked by itself
            if isinstance(batch, dict):
                for key in batch.get("Keys", []):
                    yield from _partition(key, table)
            for write in batch if isinstance(batch, list) else ():
                yield from _partition((write.get("PutRequest") or {}).get("Item"), table)
                yield from _partition((write.get("DeleteRequest") or {}).get("Key"), table)


def _of_transaction(asked: dict[str, Any], name: str, table: str) -> Iterator[str]:
    items = asked.get("TransactItems")
    for item in items if isinstance(items, list) else ():
        part = item.get(TRANSACTED.get(name, "")) if isinstance(item, dict) else None
        if isinstance(part, dict) and _plain(part.get("TableName")) == table:
            yield from _partition(part.get("Item" if name == "PutItem" else "Key"), table)


def _queried(asked: dict[str, Any], table: str) -> Iterator[str]:
    key, found = _key(table, asked.get("IndexName")), False
    names, values = asked.get("ExpressionAttributeNames") or {}, asked.get("ExpressionAttributeValues") or {}
    for name, value in EQUALS.findall(str(asked.get("KeyConditionExpression", ""))):
        if names.get(name, name) == key and value in values:
            found = True
            yield _text(values[value])
    for value in ((asked.get("KeyConditions") or {}).get(key) or {}).get("AttributeValueList", []):
        found = True
        yield _text(value)
    if not found:
        yield UNKNOWN


def _partition(item: Any, table: str) -> Iterator[str]:
    value = item.get(_key(table)) if isinstance(item, dict) else None
    if isinstance(value, dict) and value:
        yield _text(value)


def _key(table: str, index: Any = None) -> str:
    """The name of the partition attribute of a table or of one of its indexes."""
    found = hooks.dynamodb._tables.get(table) or {}
    indexes = [*(found.get("GlobalSecondaryIndexes") or []), *(found.get("LocalSecondaryIndexes") or [])]
    schema = next(
        (one["KeySchema"] for one in indexes if index and one.get("IndexName") == index),
        found.get("KeySchema", []),
    )
    return next((part["AttributeName"] for part in schema if part["KeyType"] == "HASH"), "")


def _text(value: Any) -> str:
    return str(next(iter(value.values()), "")) if isinstance(value, dict) else UNKNOWN


def _plain(table: Any) -> str:
    """A request names a table by its name or its ARN."""
    return str(table).rsplit("/", 1)[-1]
