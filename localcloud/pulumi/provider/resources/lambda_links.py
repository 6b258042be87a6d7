"""Who may call a function, and what feeds it."""

from __future__ import annotations

import json
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError, Unsettled, code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.lambda_function import SETTLE_SECONDS, TAGS, may_pass
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members


class Permission(Handler):
    """A statement in a function's policy. Its id is the statement's; everything replaces."""

    request = ("lambda", "add_permission")
    sent = members("statementId action principal sourceArn", function="FunctionName")

    def create(self, call: Call, inputs: Properties) -> str:
        arguments = {member: inputs[key] for key, member in self.sent.items() if inputs.get(key)}
        call.retry(lambda: call.client("lambda").add_permission(**arguments), may_pass, seconds=10)
        return str(inputs["statementId"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        function, statement_id = state.get("function"), resource_id
        if not function:
            function, found, statement_id = resource_id.partition("/")
            if not found:
                raise ProviderError(f"got the id {resource_id!r}; FUNCTION/STATEMENT is needed; write it so")
        policy = json.loads(call.client("lambda").get_policy(FunctionName=function)["Policy"])
        statement = next((item for item in policy["Statement"] if item["Sid"] == statement_id), None)
        if statement is None:
            return None
        principal, tests = statement["Principal"], (statement.get("Condition") or {}).values()
        conditions = {key.lower(): value for test in tests for key, value in test.items()}
        return {
            "id": statement_id,
            "statementId": statement_id,
            "function": function,
            "action": statement["Action"],
            "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            "sourceArn": conditions.get("aws:sourcearn"),
        }

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("lambda").remove_permission(FunctionName=state["function"], StatementId=resource_id)


class EventSourceMapping(Named):
    """What polls a queue or stream for a function. Its id is its UUID."""

    service = "lambda"
    calls = (
        "create_event_source_mapping",
        "get_event_source_mapping",
        "update_event_source_mapping",
        "delete_event_source_mapping",
    )
    key, made = "UUID", "UUID"
    sent = members(
        "functionName enabled eventSourceArn batchSize functionResponseTypes maximumBatchingWindowInSeconds"
    )
    told = members(
        "functionArn state stateTransitionReason lastModified lastProcessingResult",
        uuid="UUID",
        arn="EventSourceMappingArn",
        functionName="FunctionArn",
    )
    constant = ("eventSourceArn",)
    cleared = {"functionResponseTypes": []}
    tags = TAGS

    def passing(self, error: BaseException) -> bool:
        return may_pass(error) or code(error) == "ResourceInUseException"

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        def look() -> None:
            state = call.client("lambda").get_event_source_mapping(UUID=resource_id).get("State")
            if state in ("Creating", "Enabling", "Disabling", "Updating"):
                raise Unsettled(f"the event source mapping {resource_id} is still {state}")

        call.settle(look, seconds=SETTLE_SECONDS)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = super().read(call, resource_id, state)
        return None if found is None or found["state"] == "Deleting" else found

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        result = super().properties(call, found, state)
        known, function = state.get("functionName"), result["functionArn"]
        return {
            **result,
            "arn": result["arn"] or call.arn("lambda", f"event-source-mapping:{result['uuid']}"),
            "functionName": known if known and function.endswith(f":{known}") else function,
            "enabled": result["state"] in ("Enabled", "Enabling", "Creating", "Updating"),
            "lastProcessingResult": result["lastProcessingResult"] or None,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        super().update(call, resource_id, olds, news)
        self.finish(call, resource_id, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        super().delete(call, resource_id, state)

        def look() -> None:
            call.client("lambda").get_event_source_mapping(UUID=resource_id)
            raise Unsettled(f"the event source mapping {resource_id} is still being deleted")

        call.settle(look, seconds=60)
