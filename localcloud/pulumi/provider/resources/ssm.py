"""Parameters."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.model import Call, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags


class Parameter(Named):
    """A parameter. Its id is its name; the value is a secret output whatever its type."""

    service = "ssm"
    calls = ("put_parameter", "get_parameter", "put_parameter", "delete_parameter")
    key, found = "Name", "Parameter"
    sent = members("name type description keyId value", insecureValue="Value")
    told = members("version dataType", arn="ARN")
    cleared, again, asks = {"description": ""}, {"Overwrite": True}, {"WithDecryption": True}
    tags = Tags(
        service="ssm",
        argument="ResourceId",
        tag="add_tags_to_resource",
        untag="remove_tags_from_resource",
        listed="TagList",
        more={"ResourceType": "Parameter"},
    )

    def arguments(self, call: Call, inputs: Properties) -> dict[str, Any]:
        result = super().arguments(call, inputs)
        if inputs["type"] != "SecureString":
            result.pop("KeyId", None)
        return result

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        filters = [{"Key": "Name", "Option": "Equals", "Values": [found["Name"]]}]
        described = call.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
        details: dict[str, Any] = next(iter(described), {})
        # Programs give no other; a state of theirs of before may have a sealed one.
        insecure = found["Type"] != "SecureString" and state.get("value") is None
        return {
            **super().properties(call, found, state),
            "value": None if insecure else found["Value"],
            "insecureValue": found["Value"] if insecure else None,
            "hasValueWo": False,
            "description": details.get("Description") or None,
            "tier": details.get("Tier") or "Standard",
            "keyId": details.get("KeyId") if found["Type"] == "SecureString" else None,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        # the key that the service chose is no change
        super().update(call, resource_id, {**olds, "keyId": news.get("keyId")}, news)
