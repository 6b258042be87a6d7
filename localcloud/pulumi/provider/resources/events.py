"""EventBridge rules and their targets."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import ProviderError
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

DEFAULT_BUS = "default"


def _bus(value: str | None) -> str:
    return value or DEFAULT_BUS


class EventRule(Handler):
    """A rule. Its id is its name, with ``BUS/`` before it on another bus than the default one."""

    def create(self, call: Call, inputs: Properties) -> str:
        tags = call.all_tags(inputs)
        call.client("events").put_rule(**self._arguments(inputs), **({"Tags": pairs(tags)} if tags else {}))
        bus = _bus(inputs.get("eventBusName"))
        return str(inputs["name"]) if bus == DEFAULT_BUS else f"{bus}/{inputs['name']}"

    @staticmethod
    def _arguments(inputs: Properties) -> dict[str, Any]:
        state = inputs.get("state") or ("DISABLED" if inputs.get("isEnabled") is False else "ENABLED")
        optional = {
            "description": "Description",
            "eventPattern": "EventPattern",
            "scheduleExpression": "ScheduleExpression",
            "roleArn": "RoleArn",
        }
        given = {name: inputs[key] for key, name in optional.items() if inputs.get(key)}
        return {
            "Name": inputs["name"],
            "EventBusName": _bus(inputs.get("eventBusName")),
            "State": state,
            **given,
        }

    @staticmethod
    def _where(resource_id: str) -> tuple[str, str]:
        bus, _, name = resource_id.rpartition("/")
        return bus or DEFAULT_BUS, name

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("events")
        bus, name = self._where(resource_id)
        found = client.describe_rule(Name=name, EventBusName=bus)
        return {
            "name": found["Name"],
            "arn": found["Arn"],
            "eventBusName": bus,
            "description": found.get("Description") or None,
            "eventPattern": found.get("EventPattern") or None,
            "scheduleExpression": found.get("ScheduleExpression") or None,
            "roleArn": found.get("RoleArn") or None,
            "state": found.get("State") or "ENABLED",
            "isEnabled": found.get("State") != "DISABLED",
            "tagsAll": from_pairs(client.list_tags_for_resource(ResourceARN=found["Arn"]).get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("events")
        client.put_rule(**self._arguments(news))
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(ResourceARN=olds["arn"], TagKeys=gone)
        if new:
            client.tag_resource(ResourceARN=olds["arn"], Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("events")
        bus, name = self._where(resource_id)
        # DeleteRule answers success for rules that never were
        client.describe_rule(Name=name, EventBusName=bus)
        targets_in_use = "Rule can't be deleted since it has targets"
        call.retry(
            lambda: client.delete_rule(Name=name, EventBusName=bus, Force=bool(state.get("forceDestroy"))),
            lambda error: targets_in_use in str(error),
            seconds=30,
        )


_PLAIN = {"input": "Input", "inputPath": "InputPath", "roleArn": "RoleArn"}


class EventTarget(Handler):
    """Where a rule's events go. Its id is ``RULE-TARGET``, with ``BUS-`` before it on another bus than the
    default one.
    """

    def create(self, call: Call, inputs: Properties) -> str:
        self._put(call, inputs)
        bus = _bus(inputs.get("eventBusName"))
        return f"{'' if bus == DEFAULT_BUS else bus + '-'}{inputs['rule']}-{inputs['targetId']}"

    @staticmethod
    def _put(call: Call, inputs: Properties) -> None:
        target: dict[str, Any] = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
        target.update({name: inputs[key] for key, name in _PLAIN.items() if inputs.get(key)})
        if inputs.get("inputTransformer"):
            transformer = inputs["inputTransformer"]
            paths = {"InputPathsMap": transformer["inputPaths"]} if transformer.get("inputPaths") else {}
            target["InputTransformer"] = {"InputTemplate": transformer["inputTemplate"], **paths}
        if (inputs.get("deadLetterConfig") or {}).get("arn"):
            target["DeadLetterConfig"] = {"Arn": inputs["deadLetterConfig"]["arn"]}
        if inputs.get("retryPolicy"):
            names = {
                "maximumEventAgeInSeconds": "MaximumEventAgeInSeconds",
                "maximumRetryAttempts": "MaximumRetryAttempts",
            }
            target["RetryPolicy"] = {
                name: inputs["retryPolicy"][key]
                for key, name in names.items()
                if inputs["retryPolicy"].get(key) is not None
            }
        if (inputs.get("sqsTarget") or {}).get("messageGroupId"):
            target["SqsParameters"] = {"MessageGroupId": inputs["sqsTarget"]["messageGroupId"]}
        answer = call.client("events").put_targets(
            Rule=inputs["rule"], EventBusName=_bus(inputs.get("eventBusName")), Targets=[target]
        )
        _refuse_failures(answer)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        imported: Properties = {}
        if state.get("targetId"):
            bus, rule, target_id = _bus(state.get("eventBusName")), state["rule"], state["targetId"]
        else:
            parts = resource_id.split("/")
            if len(parts) not in (2, 3):
                raise ProviderError(
                    f"got the id {resource_id!r}; RULE/TARGET or BUS/RULE/TARGET is needed "
                    "for an import; write it so"
                )
            rule, target_id = parts[-2:]
            bus = parts[0] if len(parts) == 3 else DEFAULT_BUS
            imported = {"id": f"{'' if bus == DEFAULT_BUS else bus + '-'}{rule}-{target_id}"}
        pages = (
            call.client("events").get_paginator("list_targets_by_rule").paginate(Rule=rule, EventBusName=bus)
        )
        found = next(
            (target for page in pages for target in page["Targets"] if target["Id"] == target_id), None
        )
        if found is None:
            return None
        transformer, letters, retry = (
            found.get(name) or {} for name in ("InputTransformer", "DeadLetterConfig", "RetryPolicy")
        )
        return {
            **imported,
            **{key: found.get(name) or None for key, name in _PLAIN.items()},
            "rule": rule,
            "targetId": target_id,
            "eventBusName": bus,
            "arn": found["Arn"],
            "inputTransformer": {
                "inputTemplate": transformer["InputTemplate"],
                "inputPaths": transformer.get("InputPathsMap") or {},
            }
            if transformer
            else None,
            "deadLetterConfig": {"arn": letters["Arn"]} if letters else None,
            "retryPolicy": {
                "maximumEventAgeInSeconds": retry.get("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": retry.get("MaximumRetryAttempts"),
            }
            if retry
            else None,
            "sqsTarget": {"messageGroupId": found["SqsParameters"]["MessageGroupId"]}
            if found.get("SqsParameters")
            else None,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._put(call, {**news, "targetId": news.get("targetId") or olds["targetId"]})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        answer = call.client("events").remove_targets(
            Rule=state["rule"],
            EventBusName=_bus(state.get("eventBusName")),
            Ids=[state["targetId"]],
            Force=bool(state.get("forceDestroy")),
        )
        _refuse_failures(answer)


def _refuse_failures(answer: dict[str, Any]) -> None:
    """PutTargets and RemoveTargets answer with success and a list of failures."""
    for failure in answer.get("FailedEntries") or ():
        raise ProviderError(f"{failure.get('ErrorCode')}: {failure.get('ErrorMessage')}")
