"""What the ledger asks of DynamoDB: conditions, transactions, batches and ranges, each under the caller's
policy.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.tests.homes import Client

pytestmark = pytest.mark.local

CONDITION = "attribute_not_exists(pk)"


class Table:
    """A table with two keys, and a user whose policy a test sets."""

    def __init__(self, client: Client) -> None:
        self.name = f"ledger-{uuid.uuid4().hex[:10]}"
        self.arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{self.name}"
        self.root, self._iam = client("dynamodb"), client("iam")
        self.root.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        self._iam.create_user(UserName=self.name)
        key = self._iam.create_access_key(UserName=self.name)["AccessKey"]
        self.user = client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def allow(self, *actions: str, partitions: list[str] | None = None) -> None:
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": [f"dynamodb:{action}" for action in actions],
            "Resource": self.arn,
        }
        if partitions is not None:
            statement["Condition"] = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": partitions}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=document)

    def put(self, pk: str, sk: str, client: Any = None, **arguments: Any) -> Any:
        return (client or self.root).put_item(TableName=self.name, Item=item(pk, sk), **arguments)


def item(pk: str, sk: str, **more: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in {"pk": pk, "sk": sk, **more}.items()}


def error(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value


def refused(call: Callable[[], Any]) -> bool:
    """Refused by the policy. Any other error is one of the test."""
    try:
        call()
    except ClientError as problem:
        if problem.response["Error"]["Code"] == "AccessDeniedException":
            return True
        raise
    return False


@pytest.fixture
def table(client: Client) -> Table:
    return Table(client)


def test_a_refused_condition_shows_what_is_there(table: Table) -> None:
    table.allow("PutItem", "UpdateItem", "DeleteItem")
    wanted = {"ConditionExpression": CONDITION, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    table.user.put_item(TableName=table.name, Item=item("claim", "a", by="first"), **wanted)
    calls: list[Callable[[], Any]] = [
        lambda: table.user.put_item(TableName=table.name, Item=item("claim", "a", by="second"), **wanted),
        lambda: table.user.delete_item(TableName=table.name, Key=item("claim", "a"), **wanted),
        lambda: table.user.update_item(
            TableName=table.name,
            Key=item("claim", "a"),
            UpdateExpression="SET #by = :s",
            ExpressionAttributeNames={"#by": "by"},
            ExpressionAttributeValues={":s": {"S": "second"}},
            **wanted,
        ),
    ]
    for call in calls:
        problem = error(call)
        assert problem.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert problem.response["Item"] == item("claim", "a", by="first")  # type: ignore[typeddict-item]
    plain = error(lambda: table.put("claim", "a", table.user, ConditionExpression=CONDITION))
    assert "Item" not in plain.response


def test_a_transaction_is_all_or_nothing_and_says_which_part_failed(table: Table) -> None:
    table.allow("PutItem", "UpdateItem", "ConditionCheckItem")
    table.put("claim", "taken")

    def claim(*names: str, **more: Any) -> Any:
        puts = [
            {
                "Put": {
                    "TableName": table.name,
                    "Item": item("claim", name, by="second"),
                    "ConditionExpression": CONDITION,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            }
            for name in names
        ]
        return table.user.transact_write_items(TransactItems=puts, **more)

    problem = error(lambda: claim("free", "taken"))
    assert problem.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = problem.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"] == item("claim", "taken")
    assert "Item" not in table.root.get_item(TableName=table.name, Key=item("claim", "free"))
    claim("free", "other", ClientRequestToken="once")
    claim("free", "other", ClientRequestToken="once")  # the same request again is answered as before
    assert table.root.get_item(TableName=table.name, Key=item("claim", "free"))["Item"] == item(
        "claim", "free", by="second"
    )


def test_a_batch_brings_what_is_there(table: Table) -> None:
    table.allow("BatchGetItem")
    for name in ("a", "b"):
        table.put("answer", name)
    keys = [item("answer", name) for name in ("a", "b", "none")]
    answer = table.user.batch_get_item(RequestItems={table.name: {"Keys": keys, "ConsistentRead": True}})
    assert sorted(found["sk"]["S"] for found in answer["Responses"][table.name]) == ["a", "b"]
    assert answer["UnprocessedKeys"] == {}


@pytest.mark.parametrize(
    ("condition", "values", "found"),
    [
        ("begins_with(sk, :a)", {":a": "bucket/g1/"}, ["bucket/g1/1", "bucket/g1/2", "bucket/g1/3"]),
        (
            "sk BETWEEN :a AND :b",
            {":a": "bucket/g1/2", ":b": "bucket/g2/1"},
            ["bucket/g1/2", "bucket/g1/3", "bucket/g2/1"],
        ),
        ("sk > :a", {":a": "bucket/g1/3"}, ["bucket/g2/1", "other/g1/1"]),
        ("sk <= :a", {":a": "bucket/g1/2"}, ["bucket/g1/1", "bucket/g1/2"]),
        ("sk = :a", {":a": "other/g1/1"}, ["other/g1/1"]),
    ],
)
def test_a_query_over_a_range_of_sort_keys(
    table: Table, condition: str, values: dict[str, str], found: list[str]
) -> None:
    table.allow("Query")
    for name in ("bucket/g1/1", "bucket/g1/2", "bucket/g1/3", "bucket/g2/1", "other/g1/1"):
        table.put("claim", name)
        table.put("answer", name)

    def query(**more: Any) -> Any:
        expressions = {name: {"S": value} for name, value in {":pk": "claim", **values}.items()}
        return table.user.query(
            TableName=table.name,
            KeyConditionExpression=f"pk = :pk AND {condition}",
            ExpressionAttributeValues=expressions,
            **more,
        )

    assert [one["sk"]["S"] for one in query()["Items"]] == found
    assert [one["sk"]["S"] for one in query(ScanIndexForward=False)["Items"]] == found[::-1]
    page = query(Limit=1)
    assert [one["sk"]["S"] for one in page["Items"]] == found[:1]
    rest = query(ExclusiveStartKey=page["LastEvaluatedKey"])["Items"]
    assert [one["sk"]["S"] for one in rest] == found[1:]


def test_each_operation_needs_its_own_permission(table: Table) -> None:
    """A transaction and its items are no permissions of their own: each part is what it does."""
    table.put("claim", "a")
    put = {"Put": {"TableName": table.name, "Item": item("claim", "b")}}
    check = {
        "ConditionCheck": {
            "TableName": table.name,
            "Key": item("claim", "a"),
            "ConditionExpression": "attribute_exists(pk)",
        }
    }
    query = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "claim"}}}
    operations: dict[str, Callable[[], Any]] = {
        "GetItem": lambda: table.user.get_item(TableName=table.name, Key=item("claim", "a")),
        "BatchGetItem": lambda: table.user.batch_get_item(
            RequestItems={table.name: {"Keys": [item("claim", "a")]}}
        ),
        "Query": lambda: table.user.query(TableName=table.name, **query),
        "PutItem": lambda: table.user.transact_write_items(TransactItems=[put]),
        "ConditionCheckItem": lambda: table.user.transact_write_items(TransactItems=[check]),
    }
    for allowed in operations:
        table.allow(allowed)
        assert {name for name, call in operations.items() if not refused(call)} == {allowed}
    table.allow("PutItem")
    assert refused(lambda: table.user.transact_write_items(TransactItems=[put, check]))


def test_leading_keys_of_every_operation(table: Table) -> None:
    """``dynamodb:LeadingKeys`` has the partition of every item that a request names; one foreign one is too
    many.
    """
    table.allow(
        "PutItem",
        "BatchWriteItem",
        "BatchGetItem",
        "Query",
        "ConditionCheckItem",
        "GetItem",
        partitions=["mine", "ours"],
    )

    def write(*partitions: str) -> Any:
        puts = [{"Put": {"TableName": table.name, "Item": item(pk, uuid.uuid4().hex)}} for pk in partitions]
        return table.user.transact_write_items(TransactItems=puts)

    def query(condition: str, **more: Any) -> Any:
        values = {":v": {"S": "mine"}, ":w": {"S": "theirs"}, ":s": {"S": "a"}}
        used = {name: value for name, value in values.items() if name in condition}
        return table.user.query(
            TableName=table.name, KeyConditionExpression=condition, ExpressionAttributeValues=used, **more
        )

    def batch_get(*partitions: str) -> Any:
        return table.user.batch_get_item(
            RequestItems={table.name: {"Keys": [item(pk, "a") for pk in partitions]}}
        )

    def batch_write(*partitions: str) -> Any:
        puts = [{"PutRequest": {"Item": item(pk, uuid.uuid4().hex)}} for pk in partitions]
        return table.user.batch_write_item(RequestItems={table.name: puts})

    def read(*partitions: str) -> Any:
        gets = [{"Get": {"TableName": table.name, "Key": item(pk, "a")}} for pk in partitions]
        return table.user.transact_get_items(TransactItems=gets)

    for call in (write, batch_get, batch_write, read):
        assert not refused(lambda call=call: call("mine", "ours"))  # type: ignore[misc]
        assert refused(lambda call=call: call("theirs"))  # type: ignore[misc]
        assert refused(lambda call=call: call("mine", "theirs"))  # type: ignore[misc]
    assert not refused(lambda: query("pk = :v"))
    assert not refused(lambda: query("#p=:v AND begins_with(sk, :s)", ExpressionAttributeNames={"#p": "pk"}))
    assert refused(lambda: query("pk = :w"))
    assert refused(lambda: query("begins_with(sk, :s) AND (#p = :w)", ExpressionAttributeNames={"#p": "pk"}))
    legacy = {"pk": {"AttributeValueList": [{"S": "theirs"}], "ComparisonOperator": "EQ"}}
    assert refused(lambda: table.user.query(TableName=table.name, KeyConditions=legacy))
