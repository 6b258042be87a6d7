"""Any rest-json service, from its model: routes, typed arguments, typed answers, typed errors."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import urllib.parse
import uuid
from typing import Any

from botocore.validate import ParamValidator

from localcloud.aws.hooks import Reply
from localcloud.aws.protocol.model import service_model

Query = dict[str, list[str]]


class ServiceError(Exception):
    """A refusal with the service's own exception name."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def _route(uri: str) -> re.Pattern[str]:
    """Parameters take slashes too: ARNs in paths arrive decoded."""
    pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>.+)", uri.split("?")[0])
    return re.compile(rf"{pattern}/?\Z", re.DOTALL)


class RestJson:
    """Parses requests of one service and renders its replies."""

    def __init__(self, service: str) -> None:
        self._model = service_model(service)
        operations = [self._model.operation_model(name) for name in self._model.operation_names]
        routes = [(op.http["method"], _route(op.http["requestUri"]), op) for op in operations]
        # literal paths first
        self._routes = sorted(routes, key=lambda route: route[2].http["requestUri"].count("{"))

    def parse(
        self, method: str, path: str, query: Query, headers: dict[str, str], body: bytes
    ) -> tuple[str, dict[str, Any]]:
        """The operation's name and the arguments that boto3 was called with.

        Raises:
            ServiceError: no such operation, or arguments that the model does not allow.
        """
        for verb, pattern, operation in self._routes:
            match = pattern.match(path) if verb == method else None
            if match:
                uri = {name: urllib.parse.unquote(value) for name, value in match.groupdict().items()}
                return operation.name, self._arguments(operation, uri, query, headers, body)
        raise ServiceError("UnknownOperationException", f"There is no operation {method} {path}.", 404)

    def _arguments(
        self, operation: Any, uri: dict[str, str], query: Query, headers: dict[str, str], body: bytes
    ) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None:
            return {}
        try:
            document = json.loads(body) if body else {}
        except ValueError as error:
            raise ServiceError("SerializationException", f"The request is not JSON: {error}") from error
        found: dict[str, Any] = {}
        for member, sub in shape.members.items():
            location, wire = sub.serialization.get("location"), sub.serialization.get("name", member)
            value: Any
            if location == "uri":
                value = uri.get(wire)
            elif location == "querystring":
                given = query.get(wire)
                value = given if given is None or sub.type_name == "list" else given[0]
            elif location == "header":
                value = headers.get(wire.lower())
            else:
                value = document.get(wire)
            if value is not None:
                found[member] = _in(sub, value)
        report = ParamValidator().validate(found, shape)
        if report.has_errors():
            raise ServiceError("InvalidParameterException", report.generate_report())
        return found

    def render(self, operation: str, answer: dict[str, Any]) -> Reply:
        """The reply that boto3 turns into ``answer``."""
        model = self._model.operation_model(operation)
        document = _out(model.output_shape, answer) if model.output_shape else {}
        return model.http.get("responseCode", 200), _headers(), json.dumps(document).encode()


def refusal(error: ServiceError) -> Reply:
    """The reply that boto3 turns into a typed exception."""
    body = json.dumps({"__type": error.code, "message": str(error)}).encode()
    return error.status, {**_headers(), "x-amzn-errortype": error.code}, body


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}


def _in(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if value is None:
        return None
    if kind == "structure" and isinstance(value, dict):
        names = (
            (member, sub, sub.serialization.get("name", member)) for member, sub in shape.members.items()
        )
        return {member: _in(sub, value[wire]) for member, sub, wire in names if value.get(wire) is not None}
    if kind == "list" and isinstance(value, list):
        return [_in(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _in(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        return base64.b64decode(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    if kind in ("integer", "long") and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value


def _out(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            sub.serialization.get("name", member): _out(sub, value[member])
            for member, sub in shape.members.items()
            if value.get(member) is not None and "location" not in sub.serialization
        }
    if kind == "list":
        return [_out(shape.member, item) for item in value]
    if kind == "map":
        return {key: _out(shape.value, item) for key, item in value.items()}
    if kind == "blob":
        return base64.b64encode(value).decode()
    if kind == "timestamp" and isinstance(value, dt.datetime):
        return value.timestamp()
    return value
