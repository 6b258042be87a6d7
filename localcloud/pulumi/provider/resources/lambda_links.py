"""Who may call a function, and what feeds it."""

from __future__ import annotations

import json
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError, Unsettled, code, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.lambda_function import (
    LAMBDA,
    ROLE_SECONDS,
    SETTLE_SECONDS,
    may_pass,
)
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import iso
from localcloud.pulumi.provider.tags import changes, without_aws


class Permission(Handler):
    """A statement in a function's policy. Its id is the statement's; everything replaces."""

    def create(self, call: Call, inputs: Properties) -> str:
        arguments = {
            "FunctionName": inputs["function"],
            "StatementId": inputs["statementId"],
            "Action": inputs["action"],
            "Principal": inputs["principal"],
        }
        optional = {
            "sourceArn": "SourceArn",
            "sourceAccount": "SourceAccount",
            "qualifier": "Qualifier",
            "eventSourceToken": "EventSourceToken",
            "principalOrgId": "PrincipalOrgID",
            "functionUrlAuthType": "FunctionUrlAuthType",
        }
        arguments.update({name: inputs[key] for key, name in optional.items() if inputs.get(key)})
        call.retry(lambda: call.client("lambda").add_permission(**arguments), may_pass, seconds=10)
        return str(inputs["statementId"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        function, qualifier, statement_id = state.get("function"), state.get("qualifier"), resource_id
        if not function:
            function, found, statement_id = resource_id.partition("/")
            if not found:
                raise ProviderError(
                    f"got the id {resource_id!r}; FUNCTION/STATEMENT or FUNCTION:QUALIFIER/STATEMENT is "
                    "needed; write it so"
                )
            function, _, qualifier = function.partition(":")
        arguments = {"FunctionName": function, **({"Qualifier": qualifier} if qualifier else {})}
        try:
            policy = json.loads(call.client("lambda").get_policy(**arguments)["Policy"])
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        statement = next((item for item in policy["Statement"] if item["Sid"] == statement_id), None)
        if statement is None:
            return None
        principal = statement["Principal"]
        conditions: dict[str, Any] = {
            key.lower(): value
            for test in (statement.get("Condition") or {}).values()
            for key, value in test.items()
        }
        return {
            "id": statement_id,
            "statementId": statement_id,
            "function": function,
            "qualifier": qualifier or None,
            "action": statement["Action"],
            "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
            "sourceArn": conditions.get("aws:sourcearn"),
            "sourceAccount": conditions.get("aws:sourceaccount"),
            "principalOrgId": conditions.get("aws:principalorgid"),
            "eventSourceToken": conditions.get("lambda:eventsourcetoken"),
            "functionUrlAuthType": conditions.get("lambda:functionurlauthtype"),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        """All inputs replace: there is nothing to change in place."""

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        qualifier = {"Qualifier": state["qualifier"]} if state.get("qualifier") else {}
        call.client("lambda").remove_permission(
            FunctionName=state["function"], StatementId=resource_id, **qualifier
        )


class EventSourceMapping(Handler):
    """What polls a queue or stream for a function. Its id is its UUID."""

    KIND = "aws:lambda/eventSourceMapping:EventSourceMapping"
    PLAIN = {
        "batchSize": "BatchSize",
        "maximumBatchingWindowInSeconds": "MaximumBatchingWindowInSeconds",
        "functionResponseTypes": "FunctionResponseTypes",
        "bisectBatchOnFunctionError": "BisectBatchOnFunctionError",
        "maximumRecordAgeInSeconds": "MaximumRecordAgeInSeconds",
        "maximumRetryAttempts": "MaximumRetryAttempts",
        "parallelizationFactor": "ParallelizationFactor",
        "tumblingWindowInSeconds": "TumblingWindowInSeconds",
        "kmsKeyArn": "KMSKeyArn",
    }
    NESTED = {
        "scalingConfig": "ScalingConfig",
        "filterCriteria": "FilterCriteria",
        "destinationConfig": "DestinationConfig",
        "metricsConfig": "MetricsConfig",
    }

    def _arguments(self, inputs: Properties) -> dict[str, Any]:
        types = load().resources[self.KIND].inputs
        plain = {name: inputs[key] for key, name in self.PLAIN.items() if inputs.get(key) is not None}
        nested = {
            name: LAMBDA.to_aws(inputs[key], types[key])
            for key, name in self.NESTED.items()
            if inputs.get(key)
        }
        return {
            "FunctionName": inputs["functionName"],
            "Enabled": inputs.get("enabled", True),
            **plain,
            **nested,
        }

    def create(self, call: Call, inputs: Properties) -> str:
        arguments = self._arguments(inputs)
        optional = {"eventSourceArn": "EventSourceArn", "startingPosition": "StartingPosition"}
        arguments.update({name: inputs[key] for key, name in optional.items() if inputs.get(key)})
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = tags
        made = call.retry(
            lambda: call.client("lambda").create_event_source_mapping(**arguments),
            may_pass,
            seconds=ROLE_SECONDS,
        )
        call.created(made["UUID"])
        self._settle(call, made["UUID"])
        return str(made["UUID"])

    @staticmethod
    def _settle(call: Call, uuid: str) -> None:
        def look() -> None:
            state = call.client("lambda").get_event_source_mapping(UUID=uuid).get("State")
            if state in ("Creating", "Enabling", "Disabling", "Updating"):
                raise Unsettled(f"the event source mapping {uuid} is still {state}")

        call.settle(look, seconds=SETTLE_SECONDS)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("lambda")
        found = client.get_event_source_mapping(UUID=resource_id)
        if found.get("State") == "Deleting":
            return None
        types = load().resources[self.KIND].inputs
        function_arn = found["FunctionArn"]
        known = state.get("functionName")
        same_function = known and (known == function_arn or function_arn.endswith(f":{known}"))
        arn = found.get("EventSourceMappingArn") or call.arn("lambda", f"event-source-mapping:{resource_id}")
        result: Properties = {
            "uuid": resource_id,
            "arn": arn,
            "functionArn": function_arn,
            "functionName": known if same_function else function_arn,
            "eventSourceArn": found.get("EventSourceArn"),
            "enabled": found.get("State") in ("Enabled", "Enabling", "Creating", "Updating"),
            "state": found.get("State"),
            "stateTransitionReason": found.get("StateTransitionReason"),
            "lastModified": iso(found.get("LastModified")),
            "lastProcessingResult": found.get("LastProcessingResult") or None,
            "startingPosition": found.get("StartingPosition"),
            "tagsAll": self._tags(client, arn),
        }
        result.update({key: found.get(name) for key, name in self.PLAIN.items()})
        result["functionResponseTypes"] = found.get("FunctionResponseTypes") or None
        result.update(
            {key: LAMBDA.from_aws(found.get(name) or None, types[key]) for key, name in self.NESTED.items()}
        )
        return result

    @staticmethod
    def _tags(client: Any, arn: str) -> dict[str, str]:
        return without_aws(client.list_tags(Resource=arn).get("Tags"))

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("lambda")
        wanted = {"UUID": resource_id, **self._arguments(news)}
        resets: Properties = {
            "functionResponseTypes": [],
            "scalingConfig": {},
            "filterCriteria": {},
            "destinationConfig": {},
        }
        names = {**self.PLAIN, **self.NESTED}
        wanted.update(
            {names[key]: value for key, value in resets.items() if olds.get(key) and not news.get(key)}
        )
        call.retry(lambda: client.update_event_source_mapping(**wanted), may_pass, seconds=ROLE_SECONDS)
        self._settle(call, resource_id)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(Resource=olds["arn"], TagKeys=gone)
        if new:
            client.tag_resource(Resource=olds["arn"], Tags=new)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("lambda")
        call.retry(
            lambda: client.delete_event_source_mapping(UUID=resource_id),
            lambda e: code(e) == "ResourceInUseException",
            seconds=60,
        )

        def look() -> None:
            client.get_event_source_mapping(UUID=resource_id)
            raise Unsettled(f"the event source mapping {resource_id} is still being deleted")

        call.settle(look, seconds=60)
