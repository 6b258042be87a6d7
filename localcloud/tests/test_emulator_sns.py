"""Subscriptions of SNS: asked, confirmed, filtered, and one for each address."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local
FILTER = {"FilterPolicy": json.dumps({"$or": [{"group": ["a"]}, {"group": ["b"], "event": ["x"]}]})}


@pytest.fixture
def sns(client: Client) -> Any:
    return client("sns")


@pytest.fixture
def topic(sns: Any) -> str:
    return str(sns.create_topic(Name=f"t-{uuid.uuid4().hex[:10]}")["TopicArn"])


def subscribe(sns: Any, topic: str, address: str, **more: Any) -> str:
    made = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint=address, ReturnSubscriptionArn=True, **more
    )
    return str(made["SubscriptionArn"])


def mail(cloud: Cloud, address: str) -> list[dict[str, Any]]:
    return list(cloud.admin("GET", f"mail?to={address}", None)["messages"])


def states(sns: Any, topic: str) -> list[str]:
    return [
        one["SubscriptionArn"] for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    ]


def send(sns: Any, topic: str, text: str, **attributes: str) -> None:
    sns.publish(
        TopicArn=topic,
        Subject="s",
        Message=text,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def test_an_address_is_asked_and_then_sent_what_its_policy_lets_through(
    emulator: Cloud, sns: Any, topic: str
) -> None:
    address = f"{uuid.uuid4().hex}@x.example"
    arn = subscribe(sns, topic, address, Attributes=FILTER)
    assert states(sns, topic) == ["PendingConfirmation"]
    send(sns, topic, "too early", group="a")
    (asked,) = mail(emulator, address)
    assert sns.confirm_subscription(**asked["confirm"])["SubscriptionArn"] == arn
    assert states(sns, topic) == [arn]
    for group, event in (("a", "y"), ("b", "x"), ("b", "y"), ("c", "x")):
        send(sns, topic, f"{group}{event}", group=group, event=event)
    send(sns, topic, "nobody's")
    assert [one["text"] for one in mail(emulator, address)[1:]] == ["ay", "bx"]


def test_an_address_has_one_subscription_and_is_asked_again(emulator: Cloud, sns: Any, topic: str) -> None:
    address = f"{uuid.uuid4().hex}@x.example"
    first = subscribe(sns, topic, address, Attributes=FILTER)
    assert subscribe(sns, topic, address, Attributes=FILTER) == first
    assert len(mail(emulator, address)) == 2
    plain = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address, Attributes=FILTER)
    assert plain["SubscriptionArn"] == "pending confirmation"
    with pytest.raises(ClientError, match="already exists with different attributes"):
        subscribe(sns, topic, address, Attributes={"FilterPolicy": '{"group": ["z"]}'})


def test_what_nobody_has_confirmed_is_not_unsubscribed(sns: Any, topic: str) -> None:
    arn = subscribe(sns, topic, "a@x.example")
    with pytest.raises(ClientError, match="pending confirmation"):
        sns.unsubscribe(SubscriptionArn=arn)


def test_a_policy_that_is_no_json_is_refused(sns: Any, topic: str) -> None:
    with pytest.raises(ClientError, match="FilterPolicy"):
        subscribe(sns, topic, "a@x.example", Attributes={"FilterPolicy": "{"})


def test_a_set_has_a_size_in_conditions(client: Client) -> None:
    db, name = client("dynamodb"), f"t-{uuid.uuid4().hex[:10]}"
    db.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )

    def add(text: str) -> None:
        db.update_item(
            TableName=name,
            Key={"pk": {"S": "a"}},
            UpdateExpression="ADD #set :one",
            ConditionExpression="attribute_not_exists(#set) OR size(#set) < :most",
            ExpressionAttributeNames={"#set": "set"},
            ExpressionAttributeValues={":one": {"SS": [text]}, ":most": {"N": "2"}},
        )

    for text in ("a", "a", "b"):
        add(text)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        add("c")
