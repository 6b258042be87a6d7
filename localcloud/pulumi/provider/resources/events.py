"""EventBridge rules and their targets, on the default bus."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import ProviderError
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags


class EventRule(Named):
    """A rule. Its id is its name."""

    service = "events"
    calls = ("put_rule", "describe_rule", "put_rule", "delete_rule")
    key = "Name"
    sent = members("name description eventPattern scheduleExpression state")
    told = {"arn": "Arn"}
    tags = Tags(service="events", argument="ResourceARN", by="arn")
    seconds = 30.0

    def passing(self, error: BaseException) -> bool:
        return "Rule can't be deleted since it has targets" in str(error)

    def arguments(self, call: Call, inputs: Properties) -> dict[str, Any]:
        return {"State": "ENABLED", **super().arguments(call, inputs)}

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        result = super().properties(call, found, state)
        return {**result, "isEnabled": result["state"] != "DISABLED"}


class EventTarget(Handler):
    """Where a rule's events go. Its id is `RULE-TARGET`."""

    def create(self, call: Call, inputs: Properties) -> str:
        self._put(call, inputs)
        return f"{inputs['rule']}-{inputs['targetId']}"

    @staticmethod
    def _put(call: Call, inputs: Properties) -> None:
        target = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
        _refuse_failures(call.client("events").put_targets(Rule=inputs["rule"], Targets=[target]))

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        rule, target_id = state.get("rule"), state.get("targetId")
        if not rule:
            rule, _, target_id = resource_id.rpartition("/")
        if not rule or not target_id:
            raise ProviderError(
                f"got the id {resource_id!r}; RULE/TARGET is needed for an import; write it so"
            )
        pages = call.client("events").get_paginator("list_targets_by_rule").paginate(Rule=rule)
        targets = (target for page in pages for target in page["Targets"] if target["Id"] == target_id)
        if (found := next(targets, None)) is None:
            return None
        return {"id": f"{rule}-{target_id}", "rule": rule, "targetId": target_id, "arn": found["Arn"]}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._put(call, {**news, "targetId": news.get("targetId") or olds["targetId"]})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        _refuse_failures(call.client("events").remove_targets(Rule=state["rule"], Ids=[state["targetId"]]))


def _refuse_failures(answer: dict[str, Any]) -> None:
    """PutTargets and RemoveTargets answer with success and a list of failures."""
    for failure in answer.get("FailedEntries") or ():
        raise ProviderError(f"{failure.get('ErrorCode')}: {failure.get('ErrorMessage')}")
