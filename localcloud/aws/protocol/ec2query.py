"""The EC2 protocol: form parameters in, XML out."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any
from xml.sax.saxutils import escape

from localcloud.aws.hooks import Reply
from localcloud.aws.protocol.model import service_model

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
XML = {"Content-Type": "text/xml;charset=UTF-8"}


class Ec2Error(Exception):
    """A refusal with EC2's own code (``InvalidAMIID.NotFound`` …)."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def reply(self) -> Reply:
        """The refusal as EC2 sends it."""
        text = f"<Errors><Error><Code>{escape(self.code)}</Code><Message>{escape(str(self))}</Message></Error></Errors>"  # noqa: E501
        body = (
            '<?xml version="1.0" '
            f'encoding="UTF-8"?>\n<Response>{text}<RequestID>{uuid.uuid4()}</RequestID></Response>'
        )
        return self.status, dict(XML), body.encode()


def _single(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def _tree(params: dict[str, Any]) -> dict[str, Any]:
    """``{"A.1.B": "x"}`` to ``{"A": {"1": {"B": "x"}}}``."""
    tree: dict[str, Any] = {}
    for name, value in params.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[last] = _single(value)
    return tree


def _wire_name(shape: Any, member: str) -> str:
    """The name of a member in a request: ``queryName``, else ``locationName`` with a capital, else its own
    name.
    """
    serialization = shape.serialization
    if "queryName" in serialization:
        return str(serialization["queryName"])
    name = serialization.get("name", member)
    return str(name[0].upper() + name[1:])


def _read(shape: Any, node: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(node, dict):
            raise ValueError
        found = {}
        for member, sub in shape.members.items():
            value = node.get(_wire_name(sub, member))
            if value is not None:
                found[member] = _read(sub, value)
        return found
    if kind == "list":
        if not isinstance(node, dict):
            raise ValueError
        return [
            _read(shape.member, node[index]) for index in sorted((i for i in node if i.isdigit()), key=int)
        ]
    if isinstance(node, dict):
        raise ValueError
    if kind == "boolean":
        return node.lower() == "true"
    if kind in ("integer", "long"):
        return int(node)
    if kind in ("float", "double"):
        return float(node)
    return node


def parse(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Form parameters to the arguments that boto3 was called with (blobs stay base64 text).

    Raises:
        Ec2Error: a value has the wrong type.
    """
    shape = service_model("ec2").operation_model(operation).input_shape
    if shape is None:
        return {}
    tree = _tree(params)
    found: dict[str, Any] = {}
    for member, sub in shape.members.items():
        node = tree.get(_wire_name(sub, member))
        if node is None:
            continue
        try:
            found[member] = _read(sub, node)
        except ValueError as error:
            raise Ec2Error(
                "InvalidParameterValue", f"Value ({node}) for parameter {member} is invalid."
            ) from error
    return found


def _write(shape: Any, value: Any) -> str:
    kind = shape.type_name
    if kind == "structure":
        return "".join(
            f"<{tag}>{_write(sub, value[member])}</{tag}>"
            for member, sub in shape.members.items()
            if value.get(member) is not None
            for tag in (sub.serialization.get("name", member),)
        )
    if kind == "list":
        tag = shape.member.serialization.get("name", "item")
        return "".join(f"<{tag}>{_write(shape.member, item)}</{tag}>" for item in value)
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "timestamp":
        return (
            value.strftime("%Y-%m-%dT%H:%M:%S.000Z") if isinstance(value, dt.datetime) else escape(str(value))
        )
    return escape(str(value))


def render(operation: str, answer: dict[str, Any]) -> Reply:
    """What boto3 shall return, as XML."""
    shape = service_model("ec2").operation_model(operation).output_shape
    inner = "<return>true</return>" if shape is None else _write(shape, answer)
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation}Response xmlns="{NAMESPACE}">'
        f"<requestId>{uuid.uuid4()}</requestId>{inner}</{operation}Response>"
    )
    return 200, dict(XML), body.encode()
