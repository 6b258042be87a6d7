"""Functions."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.archives import zip_bytes
from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import ProviderError, Unsettled, code, is_not_found, message
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import changes, without_aws

LAMBDA = Shape()
"""Lambda spells members as Pulumi does, with a capital first letter."""
ROLE_SECONDS = 120.0
"""How long a create is retried while Lambda does not know the role yet (the real provider's propagation
timeout).
"""
SETTLE_SECONDS = 600.0

_PLAIN = {
    "description": "Description",
    "handler": "Handler",
    "runtime": "Runtime",
    "memorySize": "MemorySize",
    "timeout": "Timeout",
    "layers": "Layers",
    "kmsKeyArn": "KMSKeyArn",
}
_NESTED = {
    "environment": "Environment",
    "ephemeralStorage": "EphemeralStorage",
    "loggingConfig": "LoggingConfig",
    "tracingConfig": "TracingConfig",
    "deadLetterConfig": "DeadLetterConfig",
}
_CODE = ("code", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash", "architectures")


_ROLE_TROUBLE = (
    "cannot be assumed",
    "role defined for the function",
    "execution role does not have permissions",
    "permissions on the Lambda role",
)


def may_pass(error: BaseException) -> bool:
    """Whether Lambda refuses only because IAM has not told it of the role or its policies yet, or an update
    is still under way.
    """
    if code(error) == "ResourceConflictException":
        return "in progress" in message(error)
    return code(error) == "InvalidParameterValueException" and any(
        text in message(error) for text in _ROLE_TROUBLE
    )


class Function(Handler):
    """A function from a zip. Its id is its name."""

    KIND = "aws:lambda/function:Function"

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("lambda"), str(inputs["name"])
        arguments: dict[str, Any] = {
            "FunctionName": name,
            "Role": inputs["role"],
            "PackageType": inputs.get("packageType") or "Zip",
            "Publish": bool(inputs.get("publish")),
            "Code": self._code(inputs),
            **self._configuration(inputs),
        }
        if inputs.get("architectures"):
            arguments["Architectures"] = inputs["architectures"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = tags
        call.retry(lambda: client.create_function(**arguments), may_pass, seconds=ROLE_SECONDS)
        call.created(name)
        self._settle(call, name)
        if _reserved(inputs) >= 0:
            client.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=inputs["reservedConcurrentExecutions"]
            )
        return name

    def _configuration(self, inputs: Properties) -> dict[str, Any]:
        types = load().resources[self.KIND].inputs
        plain = {name: inputs[key] for key, name in _PLAIN.items() if inputs.get(key) is not None}
        return {
            **plain,
            **{
                name: LAMBDA.to_aws(inputs[key], types[key])
                for key, name in _NESTED.items()
                if inputs.get(key)
            },
        }

    @staticmethod
    def _code(inputs: Properties) -> dict[str, Any]:
        if inputs.get("code") is not None:
            return {"ZipFile": zip_bytes(inputs["code"])}
        place = {"S3Bucket": inputs["s3Bucket"], "S3Key": inputs["s3Key"]}
        return {
            **place,
            **({"S3ObjectVersion": inputs["s3ObjectVersion"]} if inputs.get("s3ObjectVersion") else {}),
        }

    @staticmethod
    def _settle(call: Call, name: str) -> None:
        """Wait until the function is active and its last update is done.

        Raises:
            ProviderError: Lambda gave up.
        """

        def look() -> None:
            found = call.client("lambda").get_function_configuration(FunctionName=name)
            if "Failed" in (found.get("State"), found.get("LastUpdateStatus")):
                reason = found.get("StateReason") or found.get("LastUpdateStatusReason")
                raise ProviderError(f"{found.get('StateReasonCode') or 'Failed'}: {reason}")
            if (
                found.get("State", "Active") == "Pending"
                or found.get("LastUpdateStatus", "Successful") == "InProgress"
            ):
                raise Unsettled(f"the function {name} is not ready after {SETTLE_SECONDS:.0f} s")

        call.settle(look, seconds=SETTLE_SECONDS)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("lambda")
        try:
            answer = client.get_function(FunctionName=resource_id)
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        found = answer["Configuration"]
        types = load().resources[self.KIND].inputs
        arn = found["FunctionArn"]
        version = self._published(client, resource_id) if state.get("publish") else "$LATEST"
        result: Properties = {
            "name": found["FunctionName"],
            "arn": arn,
            "role": found["Role"],
            "packageType": found.get("PackageType", "Zip"),
            "architectures": found.get("Architectures") or ["x86_64"],
            "invokeArn": _invoke_arn(call.region, arn, "2015-03-31", "invocations"),
            "responseStreamingInvokeArn": _invoke_arn(
                call.region, arn, "2021-11-15", "response-streaming-invocations"
            ),
            "version": version,
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": _invoke_arn(call.region, f"{arn}:{version}", "2015-03-31", "invocations"),
            "lastModified": found.get("LastModified"),
            "codeSha256": found.get("CodeSha256"),
            "sourceCodeHash": state.get("sourceCodeHash") or found.get("CodeSha256"),
            "sourceCodeSize": found.get("CodeSize"),
            "reservedConcurrentExecutions": (answer.get("Concurrency") or {}).get(
                "ReservedConcurrentExecutions", -1
            ),
            "tagsAll": without_aws(answer.get("Tags")),
        }
        result.update({key: found.get(name) or None for key, name in _PLAIN.items()})
        result["layers"] = [layer["Arn"] for layer in found.get("Layers") or ()] or None
        result.update(
            {key: LAMBDA.from_aws(found.get(name) or None, types[key]) for key, name in _NESTED.items()}
        )
        return result

    @staticmethod
    def _published(client: Any, name: str) -> str:
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        numbers = [int(v["Version"]) for page in pages for v in page["Versions"] if v["Version"].isdigit()]
        return str(max(numbers)) if numbers else "$LATEST"

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("lambda")
        code_changed = any(
            not same(olds.get(key), news.get(key))
            for key in _CODE
            if news.get(key) is not None or key == "code"
        )
        keys = ("role", *_PLAIN, *_NESTED)
        configuration_changed = any(not same(olds.get(key), news.get(key)) for key in keys)
        if configuration_changed:
            wanted = {"Role": news["role"], **self._configuration(news), **self._resets(olds, news)}
            call.retry(
                lambda: client.update_function_configuration(FunctionName=resource_id, **wanted),
                may_pass,
                seconds=ROLE_SECONDS,
            )
            self._settle(call, resource_id)
        if code_changed:
            architectures = {"Architectures": news["architectures"]} if news.get("architectures") else {}
            arguments = {**self._code(news), **architectures}
            call.retry(
                lambda: client.update_function_code(FunctionName=resource_id, **arguments),
                may_pass,
                seconds=ROLE_SECONDS,
            )
            self._settle(call, resource_id)
        self._concurrency(call, resource_id, olds, news)
        if news.get("publish") and (configuration_changed or code_changed or not olds.get("publish")):
            client.publish_version(FunctionName=resource_id)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(Resource=olds["arn"], TagKeys=gone)
        if new:
            client.tag_resource(Resource=olds["arn"], Tags=new)

    @staticmethod
    def _resets(olds: Properties, news: Properties) -> dict[str, Any]:
        """What takes settings back that are no longer wanted."""
        empty: dict[str, Any] = {
            "description": ("Description", ""),
            "layers": ("Layers", []),
            "kmsKeyArn": ("KMSKeyArn", ""),
            "environment": ("Environment", {"Variables": {}}),
            "deadLetterConfig": ("DeadLetterConfig", {"TargetArn": ""}),
        }
        return {name: value for key, (name, value) in empty.items() if olds.get(key) and not news.get(key)}

    @staticmethod
    def _concurrency(call: Call, name: str, olds: Properties, news: Properties) -> None:
        new = _reserved(news)
        if new == _reserved(olds):
            return
        if new >= 0:
            call.client("lambda").put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=new
            )
        else:
            call.client("lambda").delete_function_concurrency(FunctionName=name)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            call.client("lambda").delete_function(FunctionName=resource_id)


def _reserved(properties: Properties) -> int:
    """The reserved concurrency; -1 for none."""
    value = properties.get("reservedConcurrentExecutions")
    return -1 if value is None else int(value)


def _invoke_arn(region: str, arn: str, api: str, verb: str) -> str:
    return f"arn:aws:apigateway:{region}:lambda:path/{api}/functions/{arn}/{verb}"
