"""Functions and what feeds them: queues, topics, event rules."""

import json
from collections.abc import Iterator

from console.own.model import Account, Thing, WantedResource, absent, autonamed, tagging

QUEUE, TOPIC = "aws:sqs/queue:Queue", "aws:sns/topic:Topic"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
FUNCTION, PERMISSION = "aws:lambda/function:Function", "aws:lambda/permission:Permission"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
RULE, TARGET = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"


def queues(at: Account, prefix: str) -> Iterator[Thing]:
    sqs = at.client("sqs")
    for url in at.pages("sqs", "list_queues", "QueueUrls", QueueNamePrefix=prefix):
        name = url.rpartition("/")[2]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        yield Thing(QUEUE, name, url, arn, tagging(sqs.list_queue_tags, "Tags", QueueUrl=url))


def topics(at: Account, prefix: str) -> Iterator[Thing]:
    sns = at.client("sns")
    for one in at.pages("sns", "list_topics", "Topics"):
        arn = one["TopicArn"]
        name = arn.rpartition(":")[2]
        if name.startswith(prefix):
            yield Thing(TOPIC, name, arn, arn, tagging(sns.list_tags_for_resource, "Tags", ResourceArn=arn))


def subscriptions(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Of a topic of ours, those of the address that the program names. One that nobody has confirmed shows no
    id, and is asked for anew (Amazon SNS API reference, "ListSubscriptionsByTopic")."""
    topic = wanted.home("topic")
    if topic is None:
        return
    arn, address = topic.arn or topic.id, wanted.inputs.get("endpoint")
    for one in at.pages("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn):
        if one["Endpoint"] == address and one["SubscriptionArn"].startswith("arn:"):
            yield Thing(SUBSCRIPTION, str(address), one["SubscriptionArn"], one["SubscriptionArn"])


def functions(at: Account, prefix: str) -> Iterator[Thing]:
    client = at.client("lambda")
    for one in at.pages("lambda", "list_functions", "Functions"):
        name, arn = one["FunctionName"], one["FunctionArn"]
        if name.startswith(prefix):
            yield Thing(
                FUNCTION, name, name, arn, tagging(client.list_tags, "Tags", Resource=arn), document=one
            )


def mappings(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """What takes messages of a queue of ours to a function of ours."""
    function, queue = wanted.home("functionName"), wanted.home("eventSourceArn")
    if function and queue:
        for one in at.pages(
            "lambda", "list_event_source_mappings", "EventSourceMappings", EventSourceArn=queue.arn
        ):
            if (
                one["FunctionArn"].partition(":function:")[2] == function.name
                and one.get("State") != "Deleting"
            ):
                yield Thing(MAPPING, one["UUID"], one["UUID"])


def permissions(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Statements of a function of ours."""
    function = wanted.home("function")
    if function is None:
        return
    try:
        policy = json.loads(at.client("lambda").get_policy(FunctionName=function.name)["Policy"])
    except Exception as error:
        if absent(error):
            return
        raise
    for statement in policy["Statement"]:
        sid = statement.get("Sid", "")
        if autonamed(wanted.name).fullmatch(sid):
            yield Thing(PERMISSION, sid, sid, import_id=f"{function.name}/{sid}", document=statement)


def rules(at: Account, prefix: str) -> Iterator[Thing]:
    events = at.client("events")
    for one in at.pages("events", "list_rules", "Rules", NamePrefix=prefix):
        arn = one["Arn"]
        yield Thing(
            RULE,
            one["Name"],
            one["Name"],
            arn,
            tagging(events.list_tags_for_resource, "Tags", ResourceARN=arn),
        )


def targets(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Targets of a rule of ours."""
    rule = wanted.home("rule")
    if rule is None:
        return
    for one in at.pages("events", "list_targets_by_rule", "Targets", Rule=rule.name):
        if autonamed(wanted.name).fullmatch(one["Id"]):
            yield Thing(TARGET, one["Id"], f"{rule.name}-{one['Id']}", import_id=f"{rule.name}/{one['Id']}")
