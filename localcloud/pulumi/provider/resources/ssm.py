"""Parameters."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

_OPTIONAL = {
    "description": "Description",
    "allowedPattern": "AllowedPattern",
    "keyId": "KeyId",
    "tier": "Tier",
    "dataType": "DataType",
}


class Parameter(Handler):
    """A parameter. Its id is its name; the value is a secret output whatever its type."""

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("ssm"), str(inputs["name"])
        arguments = self._arguments(inputs)
        tags = call.all_tags(inputs)
        if tags and not inputs.get("overwrite"):  # SSM takes tags with new parameters only
            arguments["Tags"] = pairs(tags)
        client.put_parameter(**arguments, Overwrite=bool(inputs.get("overwrite")))
        call.created(name)
        if tags and inputs.get("overwrite"):
            client.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=pairs(tags))
        return name

    @staticmethod
    def _arguments(inputs: Properties) -> dict[str, Any]:
        value = next(
            (inputs[key] for key in ("value", "insecureValue", "valueWo") if inputs.get(key) is not None), ""
        )
        optional = {name: inputs[key] for key, name in _OPTIONAL.items() if inputs.get(key)}
        if inputs["type"] != "SecureString":
            optional.pop("KeyId", None)
        return {"Name": inputs["name"], "Type": inputs["type"], "Value": value, **optional}

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("ssm")
        found = client.get_parameter(Name=resource_id, WithDecryption=True)["Parameter"]
        filters = [{"Key": "Name", "Option": "Equals", "Values": [resource_id]}]
        details: dict[str, Any] = next(
            iter(client.describe_parameters(ParameterFilters=filters)["Parameters"]), {}
        )
        tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=resource_id)["TagList"]
        write_only = state.get("valueWoVersion") is not None
        insecure = state.get("insecureValue") is not None
        return {
            "name": found["Name"],
            "arn": found.get("ARN") or call.arn("ssm", f"parameter/{resource_id.lstrip('/')}"),
            "type": found["Type"],
            "value": None if write_only or insecure else found["Value"],
            "insecureValue": found["Value"] if insecure else None,
            "hasValueWo": write_only,
            "version": found["Version"],
            "dataType": found.get("DataType") or "text",
            "description": details.get("Description") or None,
            "allowedPattern": details.get("AllowedPattern") or None,
            "tier": details.get("Tier") or "Standard",
            "keyId": details.get("KeyId") if found["Type"] == "SecureString" else None,
            "tagsAll": from_pairs(tags),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("ssm")
        watched = ("type", "value", "insecureValue", "valueWoVersion", *_OPTIONAL)
        computed = ("keyId", "tier", "dataType")
        if any(olds.get(key) != news.get(key) for key in watched if key in news or key not in computed):
            arguments = self._arguments(news)
            if olds.get("description") and not news.get("description"):
                arguments["Description"] = ""
            client.put_parameter(**arguments, Overwrite=True)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.remove_tags_from_resource(ResourceType="Parameter", ResourceId=resource_id, TagKeys=gone)
        if new:
            client.add_tags_to_resource(ResourceType="Parameter", ResourceId=resource_id, Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ssm").delete_parameter(Name=resource_id)
