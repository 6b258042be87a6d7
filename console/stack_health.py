"""`invoke doctor STACK`: is what a stack needs to answer a submission there, as the last deploy has made it?

The state says what there must be, the account what there is. Nothing is changed. One line a kind of thing;
where something is wrong, every difference is told (what was got, what is allowed), and what to do.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from account import developer_key
from console.adoption import StackState, strays
from console.health import Check, Surroundings, bad, good, note
from console.own import images, machines, messages, people, storage, watching
from console.own.model import Account, Owner, absent

NOTIFICATION = "aws:s3/bucketNotification:BucketNotification"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
Resource = Mapping[str, Any]
Difference = tuple[str, str]
"""What was got, and what is allowed."""
Judge = Callable[[Account, Resource], Iterator[Difference]]


def of_stacks(names: Sequence[str], around: Surroundings) -> list[Check]:
    """The checks of stacks in the cloud that the shell names; UserError for names that can be none."""
    from account.clients import client
    from console import stacks
    from console.cloud import add_pulumi, choose, lay_over, running_local
    from console.engine import Engine

    chosen = [stacks.check(name, around.root) for name in names]
    choice = choose(around.environ, running_local(around.root), want_local=False, home=around.home)
    lay_over(os.environ, choice.variables)
    add_pulumi(os.environ)
    sys.stderr.write(f"cloud: {choice.name}\n")
    make: Any = client
    engine = Engine(around.root)
    return [check for name in chosen for check in checks(engine, name, make)]


def checks(engine: Any, stack: str, make: Callable[..., Any]) -> Iterator[Check]:
    """What is said of a stack; of an analysis, what it needs of `utils` as well."""
    documents = {
        name: StackState(engine.export(name))
        for name in dict.fromkeys((stack, "utils"))
        if name in engine.stack_names()
    }
    for name in dict.fromkeys((stack, "utils")):
        state = documents.get(name)
        if state is None or not any(one["type"].startswith("aws:") for one in state.resources):
            yield bad(f"{name}: state", "got: no resources; allowed: a deployed stack", _deploy(name))
        else:
            yield from _of_stack(name, state, Account(make, state.region()))


def _deploy(stack: str) -> str:
    return f"invoke deploy {stack}"


def _of_stack(stack: str, state: StackState, at: Account) -> Iterator[Check]:
    if state.pending:
        count = len(state.pending)
        yield bad(
            f"{stack}: state",
            f"got: {count} unfinished operations of a killed deploy; allowed: none",
            f"invoke unlock {stack}",
        )
    for label, kinds in KINDS:
        there = [one for kind in kinds for one in state.living.values() if one["type"] == kind]
        if there:
            yield _judged(f"{stack}: {label}", stack, [(one, JUDGES[one["type"]]) for one in there], at)
    settings = _settings(at, state)
    if settings is not None:
        yield _judged(f"{stack}: machines", stack, [(settings, launches)], at)
        yield _image(stack, settings, at)
    left = strays(at, Owner(stack), state)
    if left:
        names = ", ".join(thing.id for thing in left)
        yield note(
            f"{stack}: beside",
            f"the tags are {stack}'s, and no state knows them: {names}",
            f"invoke adopt {stack}",
        )


def _judged(name: str, stack: str, things: list[tuple[Resource, Judge]], at: Account) -> Check:
    wrong = [
        f"got: {got}; allowed: {allowed}" for one, judge in things for got, allowed in _asked(judge, at, one)
    ]
    if wrong:
        return bad(name, ". ".join(wrong), _deploy(stack))
    count = len(things)
    return good(name, things[0][0].get("id", "as deployed") if count == 1 else f"{count}, all as deployed")


def _asked(judge: Judge, at: Account, one: Resource) -> list[Difference]:
    """What a judge says. That a thing is not there may be answered by any of its calls."""
    try:
        return list(judge(at, one))
    except Exception as error:
        if absent(error, "ResourceNotFoundException", "AWS.SimpleQueueService.NonExistentQueue"):
            return [(f"no {one['type'].rpartition(':')[2]} {one['id']}", "that it exists")]
        raise


def bucket(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("s3").head_bucket(Bucket=one["id"])
    yield from ()


def notification(at: Account, one: Resource) -> Iterator[Difference]:
    found = (
        at.client("s3").get_bucket_notification_configuration(Bucket=one["id"]).get("QueueConfigurations")
        or ()
    )
    there = {_rule(rule["QueueArn"], rule["Events"], _filters(rule)) for rule in found}
    for rule in one["inputs"].get("queues") or ():
        filters = {"prefix": rule.get("filterPrefix") or "", "suffix": rule.get("filterSuffix") or ""}
        if _rule(rule["queueArn"], rule["events"], filters) not in there:
            which = f"{filters['prefix']}*{filters['suffix']}"
            yield (
                f"bucket {one['id']} tells nobody of {which}",
                f"a notification for it to {rule['queueArn'].rpartition(':')[2]}",
            )


def _rule(queue: str, events: list[str], filters: Mapping[str, str]) -> tuple[Any, ...]:
    return queue, tuple(sorted(events)), filters["prefix"], filters["suffix"]


def _filters(rule: Mapping[str, Any]) -> dict[str, str]:
    found = ((rule.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    return {"prefix": "", "suffix": "", **{one["Name"].lower(): one["Value"] for one in found}}


def queue(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("sqs").get_queue_attributes(QueueUrl=one["id"], AttributeNames=["QueueArn"])
    yield from ()


def queue_policy(at: Account, one: Resource) -> Iterator[Difference]:
    found = (
        at.client("sqs").get_queue_attributes(QueueUrl=one["id"], AttributeNames=["Policy"]).get("Attributes")
        or {}
    )
    if _parsed(found.get("Policy")) != _parsed(one["inputs"]["policy"]):
        yield (
            f"another policy of queue {one['id'].rpartition('/')[2]}",
            "the one that lets only our sources send",
        )


def _parsed(policy: Any) -> Any:
    return json.loads(policy) if isinstance(policy, str) and policy else policy


def mapping(at: Account, one: Resource) -> Iterator[Difference]:
    found = at.client("lambda").get_event_source_mapping(UUID=one["id"])
    if found.get("State") not in ("Enabled", "Enabling", "Updating", "Creating"):
        yield (
            f"event source mapping {one['id']} is {found.get('State')}",
            "Enabled: nothing else takes messages of the queue",
        )
    if found["EventSourceArn"] != one["inputs"]["eventSourceArn"]:
        yield (
            f"event source mapping {one['id']} reads {found['EventSourceArn']}",
            one["inputs"]["eventSourceArn"],
        )


def function(at: Account, one: Resource) -> Iterator[Difference]:
    found = at.client("lambda").get_function(FunctionName=one["id"])
    made, inputs = found["Configuration"], one["inputs"]
    if made.get("State", "Active") not in ("Active", "Inactive"):
        yield (
            f"function {one['id']} is {made['State']}: {made.get('StateReason', 'no reason is given')}",
            "Active",
        )
    if made.get("LastUpdateStatus") == "Failed":
        yield (
            f"the last update of function {one['id']} failed: {made.get('LastUpdateStatusReason', '')}",
            "Successful",
        )
    if (found.get("Concurrency") or {}).get("ReservedConcurrentExecutions") == 0:
        yield f"function {one['id']} may not run: its reserved concurrency is 0", "none reserved"
    there, wanted = (
        (made.get("Environment") or {}).get("Variables") or {},
        (inputs.get("environment") or {}).get("variables") or {},
    )
    for name in sorted({*there, *wanted}):
        if there.get(name) != wanted.get(name):
            yield f"{name} of function {one['id']} is {there.get(name)!r}", repr(wanted.get(name))
    if made["Role"] != inputs["role"]:
        yield f"function {one['id']} has the role {made['Role']}", inputs["role"]
    yield from _settings_object(at, one["id"], there)


def _settings_object(at: Account, name: str, variables: Mapping[str, str]) -> Iterator[Difference]:
    """A manager reads its settings before all else, and refuses others than the deployed ones."""
    place, key, digest = (variables.get(f"NEUROCAAS_SETTINGS_{part}") for part in ("BUCKET", "KEY", "SHA256"))
    if not (place and key and digest):
        return
    text = _object(at, place, key)
    if text is None:
        yield f"no settings of {name}: s3://{place}/{key}", "that they exist"
    elif hashlib.sha256(text).hexdigest() != digest:
        yield f"s3://{place}/{key} is not the document that {name} was deployed with", f"SHA-256 {digest}"


def _object(at: Account, place: str, key: str) -> bytes | None:
    try:
        body: bytes = at.client("s3").get_object(Bucket=place, Key=key)["Body"].read()
    except Exception as error:
        if absent(error):
            return None
        raise
    return body


def deployed_object(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("s3").head_object(Bucket=one["inputs"]["bucket"], Key=one["inputs"]["key"])
    yield from ()


def permission(at: Account, one: Resource) -> Iterator[Difference]:
    policy = json.loads(at.client("lambda").get_policy(FunctionName=one["inputs"]["function"])["Policy"])
    if one["id"] not in {statement.get("Sid") for statement in policy["Statement"]}:
        yield (
            f"{one['inputs']['principal']} may not call {one['inputs']['function']}",
            f"the permission {one['id']}",
        )


def role(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("iam").get_role(RoleName=one["id"])
    yield from ()


def role_policy(at: Account, one: Resource) -> Iterator[Difference]:
    name, _, policy = one["id"].partition(":")
    found = at.client("iam").get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    if people.decoded(found) != people.decoded(one["inputs"]["policy"]):
        yield f"other rights of role {name} than deployed", f"the policy {policy} as deployed"


def profile(at: Account, one: Resource) -> Iterator[Difference]:
    found = at.client("iam").get_instance_profile(InstanceProfileName=one["id"])["InstanceProfile"]
    roles = [each["RoleName"] for each in found["Roles"]]
    if roles != [one["inputs"]["role"]]:
        yield (
            f"instance profile {one['id']} has {', '.join(roles) or 'no role'}",
            f"the role {one['inputs']['role']}",
        )


def template(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("ec2").describe_launch_templates(LaunchTemplateIds=[one["id"]])
    yield from ()


def key_pair(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("ec2").describe_key_pairs(KeyNames=[one["id"]])
    names = [developer_key.PRIVATE, developer_key.PUBLIC]
    missing = at.client("ssm").get_parameters(Names=names)["InvalidParameters"]
    if missing:
        do = "the deploy makes both where neither is there"
        yield f"of the key of {one['id']} there is no {' and no '.join(missing)}", f"both halves; {do}"


def security_group(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("ec2").describe_security_groups(GroupIds=[one["id"]])
    yield from ()


def table(at: Account, one: Resource) -> Iterator[Difference]:
    status = at.client("dynamodb").describe_table(TableName=one["id"])["Table"]["TableStatus"]
    if status not in ("ACTIVE", "UPDATING"):
        yield f"table {one['id']} is {status}", "ACTIVE"


def parameter(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("ssm").get_parameter(Name=one["id"])
    yield from ()


def key(at: Account, one: Resource) -> Iterator[Difference]:
    found = at.client("kms").describe_key(KeyId=one["id"])["KeyMetadata"]["KeyState"]
    if found == "PendingDeletion":
        do = f"aws kms cancel-key-deletion --key-id {one['id']}, before all that it seals is lost"
        yield f"key {one['id']} is going to be deleted", f"Enabled ({do})"
    elif found != "Enabled":
        yield f"key {one['id']} is {found}", "Enabled"


def topic(at: Account, one: Resource) -> Iterator[Difference]:
    at.client("sns").get_topic_attributes(TopicArn=one["id"])
    yield from ()


def subscription(at: Account, one: Resource) -> Iterator[Difference]:
    """One that waits for its link is well: `invoke notify` tells who does."""
    found = at.client("sns").get_subscription_attributes(SubscriptionArn=one["id"])["Attributes"]
    wanted = one["inputs"].get("filterPolicy")
    if wanted and _parsed(found.get("FilterPolicy")) != _parsed(wanted):
        yield f"subscription {one['id']} has another filter policy", str(wanted)


def rule(at: Account, one: Resource) -> Iterator[Difference]:
    found = at.client("events").describe_rule(Name=one["id"])
    if found.get("State") != "ENABLED":
        yield f"rule {one['id']} is {found.get('State')}", "ENABLED"
    for ours, theirs, read in (
        ("eventPattern", "EventPattern", _parsed),
        ("scheduleExpression", "ScheduleExpression", str),
    ):
        if one["inputs"].get(ours) and read(found.get(theirs)) != read(one["inputs"][ours]):
            yield f"rule {one['id']} has another {theirs}", str(one["inputs"][ours])


def target(at: Account, one: Resource) -> Iterator[Difference]:
    wanted = one["inputs"]
    found = at.pages("events", "list_targets_by_rule", "Targets", Rule=wanted["rule"])
    if not any((each["Id"], each["Arn"]) == (wanted["targetId"], wanted["arn"]) for each in found):
        yield (
            f"rule {wanted['rule']} does not reach {wanted['arn'].rpartition(':')[2]}",
            f"the target {wanted['targetId']}",
        )


def log_group(at: Account, one: Resource) -> Iterator[Difference]:
    if not any(thing.name == one["id"] for thing in watching.log_groups(at, one["id"])):
        yield f"no log group {one['id']}", "that it exists: without, nothing says when its lines go"


def alarm(at: Account, one: Resource) -> Iterator[Difference]:
    found = next(
        (each for each in at.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[one["id"]])),
        None,
    )
    if found is None:
        yield f"no alarm {one['id']}", "that it exists"
    elif not found.get("ActionsEnabled", True):
        yield f"alarm {one['id']} tells nobody", "its actions enabled"


def pipeline(at: Account, one: Resource) -> Iterator[Difference]:
    if not any(thing.id == one["id"] for thing in images.pipelines(at, "")):
        yield f"no image pipeline {one['id']}", "that it exists"


def launches(at: Account, settings: Resource) -> Iterator[Difference]:
    """The launch templates of the settings, and what a machine of each is given."""
    ec2 = at.client("ec2")
    for name, group in sorted(settings["groups"].items()):
        asked = {
            "LaunchTemplateId": group["launch_template_id"],
            "Versions": [str(group["launch_template_version"])],
        }
        try:
            (found,) = ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"]
        except Exception as error:
            if not absent(error):
                raise
            yield (
                (
                    f"group {name} has no launch template {asked['LaunchTemplateId']}, version "
                    f"{asked['Versions'][0]}"
                ),
                "that it exists",
            )
            continue
        held = (found["LaunchTemplateData"].get("IamInstanceProfile") or {}).get("Name")
        if held and not any(thing.name == held for thing in people.profiles(at, held)):
            yield f"the machines of group {name} have no instance profile {held}", "that it exists"


def _settings(at: Account, state: StackState) -> Resource | None:
    """The document that the manager works by, as it is there now."""
    for one in state.living.values():
        variables = (
            (one["inputs"].get("environment") or {}).get("variables") or {}
            if one["type"] == messages.FUNCTION
            else {}
        )
        if "NEUROCAAS_SETTINGS_KEY" in variables:
            text = _object(at, variables["NEUROCAAS_SETTINGS_BUCKET"], variables["NEUROCAAS_SETTINGS_KEY"])
            return dict(json.loads(text)) if text else None
    return None


def _image(stack: str, settings: Resource, at: Account) -> Check:
    name, image = f"{stack}: image", str((settings.get("image") or {}).get("id") or "")
    bake = f"invoke bake-ami --stack {stack}, then {_deploy(stack)}"
    if not (settings.get("image") or {}).get("ready"):
        return bad(name, "got: no baked image; allowed: one, as the blueprint says", bake)
    found = image
    try:
        if image.startswith("resolve:ssm:"):
            found = at.client("ssm").get_parameter(Name=image.removeprefix("resolve:ssm:"))["Parameter"][
                "Value"
            ]
        if at.client("ec2").describe_images(ImageIds=[found])["Images"]:
            return good(name, found)
    except Exception as error:
        if not absent(error, "InvalidAMIID.Unavailable"):
            raise
    return bad(name, f"got: no image {found}; allowed: an image that this account may start", bake)


JUDGES: Mapping[str, Judge] = {
    storage.BUCKET: bucket,
    NOTIFICATION: notification,
    OBJECT: deployed_object,
    messages.QUEUE: queue,
    QUEUE_POLICY: queue_policy,
    messages.MAPPING: mapping,
    messages.FUNCTION: function,
    messages.PERMISSION: permission,
    people.ROLE: role,
    people.ROLE_POLICY: role_policy,
    people.PROFILE: profile,
    machines.LAUNCH_TEMPLATE: template,
    machines.KEY_PAIR: key_pair,
    machines.SECURITY_GROUP: security_group,
    storage.TABLE: table,
    storage.PARAMETER: parameter,
    storage.KEY: key,
    messages.TOPIC: topic,
    messages.SUBSCRIPTION: subscription,
    messages.RULE: rule,
    messages.TARGET: target,
    watching.LOG_GROUP: log_group,
    watching.ALARM: alarm,
    images.PIPELINE: pipeline,
}
KINDS = (
    ("bucket", (storage.BUCKET,)),
    ("notifications", (NOTIFICATION,)),
    ("queues", (messages.QUEUE, QUEUE_POLICY)),
    ("event source", (messages.MAPPING,)),
    ("functions", (messages.FUNCTION, messages.PERMISSION)),
    ("objects", (OBJECT,)),
    ("roles", (people.ROLE, people.ROLE_POLICY, people.PROFILE)),
    ("templates", (machines.LAUNCH_TEMPLATE, machines.KEY_PAIR, machines.SECURITY_GROUP)),
    ("ledger", (storage.TABLE,)),
    ("keys", (storage.KEY, storage.PARAMETER)),
    ("topic", (messages.TOPIC, messages.SUBSCRIPTION)),
    ("schedule", (messages.RULE, messages.TARGET)),
    ("logs and alarms", (watching.LOG_GROUP, watching.ALARM)),
    ("image pipeline", (images.PIPELINE,)),
)
"""The lines of the report and what each is about, in the order of a submission's way."""
