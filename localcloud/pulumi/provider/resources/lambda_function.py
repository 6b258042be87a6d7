"""Functions."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.archives import zip_bytes
from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import ProviderError, Unsettled, code, message
from localcloud.pulumi.provider.model import Call, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags

SETTLE_SECONDS = 600.0
TAGS = Tags(service="lambda", argument="Resource", by="arn", listing="list_tags", names=None)

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


class Function(Named):
    """A function from a zip. Its id is its name."""

    service = "lambda"
    calls = ("create_function", "get_function", "update_function_configuration", "delete_function")
    key = "FunctionName"
    sent = members("description handler runtime memorySize timeout role environment loggingConfig")
    told = members(
        "packageType architectures ephemeralStorage tracingConfig lastModified codeSha256",
        name="FunctionName",
        arn="FunctionArn",
        sourceCodeHash="CodeSha256",
        sourceCodeSize="CodeSize",
    )
    found = "Configuration"
    constant = ()
    cleared = {"description": "", "environment": {"Variables": {}}}
    tags = TAGS

    def passing(self, error: BaseException) -> bool:
        return may_pass(error)

    def create(self, call: Call, inputs: Properties) -> str:
        name = str(inputs["name"])
        arguments = {
            **self.arguments(call, inputs),
            **self._code(inputs),
            "FunctionName": name,
            "PackageType": "Zip",
            **self.tags.given(call.all_tags(inputs)),
        }
        arguments["Code"] = {"ZipFile": arguments.pop("ZipFile")}
        self._call(call, self.calls[0], arguments)
        call.created(name)
        self._settle(call, name)
        return name

    @staticmethod
    def _code(inputs: Properties) -> dict[str, Any]:
        architectures = {"Architectures": inputs["architectures"]} if inputs.get("architectures") else {}
        return {"ZipFile": zip_bytes(inputs["code"]), **architectures}

    @staticmethod
    def _settle(call: Call, name: str) -> None:
        """Wait until the function is active and its last update is done.

        Raises `ProviderError`: Lambda gave up.
        """

        def look() -> None:
            found = call.client("lambda").get_function_configuration(FunctionName=name)
            states = (found.get("State", "Active"), found.get("LastUpdateStatus", "Successful"))
            if "Failed" in states:
                reason = found.get("StateReason") or found.get("LastUpdateStatusReason")
                raise ProviderError(f"{found.get('StateReasonCode') or 'Failed'}: {reason}")
            if states[0] == "Pending" or states[1] == "InProgress":
                raise Unsettled(f"the function {name} is not ready after {SETTLE_SECONDS:.0f} s")

        call.settle(look, seconds=SETTLE_SECONDS)

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        arn, version = found["FunctionArn"], "$LATEST"
        return {
            "packageType": "Zip",
            **super().properties(call, found, state),
            "architectures": found.get("Architectures") or ["x86_64"],
            "invokeArn": _invoke_arn(call.region, arn, "2015-03-31", "invocations"),
            "responseStreamingInvokeArn": _invoke_arn(
                call.region, arn, "2021-11-15", "response-streaming-invocations"
            ),
            "version": version,
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": _invoke_arn(call.region, f"{arn}:{version}", "2015-03-31", "invocations"),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        # what the service chose for a setting that is not given is no change
        chosen = {} if news.get("loggingConfig") else {"loggingConfig": None}
        super().update(call, resource_id, {**olds, **chosen}, news)
        self._settle(call, resource_id)
        watched = ("code", "architectures") if news.get("architectures") else ("code",)
        if any(not same(olds.get(key), news.get(key)) for key in watched):
            arguments = {"FunctionName": resource_id, **self._code(news)}
            self._call(call, "update_function_code", arguments)
            self._settle(call, resource_id)


def _invoke_arn(region: str, arn: str, api: str, verb: str) -> str:
    return f"arn:aws:apigateway:{region}:lambda:path/{api}/functions/{arn}/{verb}"
