"""Values on Pulumi's provider wire, as Python values and back.

A property is a protobuf `Value`. Kinds that JSON lacks travel as an object with a signature key, unknowns
as magic strings. Source of the constants: `pulumi.runtime.rpc` and `sdk/go/common/resource/sig/sig.go` of
pulumi/pulumi.

Decoded: `None`, `bool`, `int`, `float`, `str`, `list`, `dict` as they are, and
`Unknown`, `Secret`, `Output`, `ResourceReference`, `Asset`,
`Archive`. `decode(encode(x)) == x` for all of them, but that integral floats become `int` (the
wire knows doubles only, boto3 wants ints).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a signature
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"

UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_KINDS: Final[Mapping[str, str]] = {
    UNKNOWN_STRING: "string",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7": "boolean",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421": "number",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2": "array",
    "030794c1-ac77-496b-92df-f27374a8bd58": "asset",
    "e48ece36-62e2-4504-bad9-02848725956a": "archive",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff": "object",
}
_SENTINELS: Final = {kind: sentinel for sentinel, kind in UNKNOWN_KINDS.items()}
_EXACT_DOUBLE: Final = 2**53


class WireError(ValueError):
    """A value has no place on the wire, or a signed object on it is malformed."""


@dataclass(frozen=True)
class Unknown:
    """A value that only exists after the deployment (previews). It is false, like a missing value."""

    kind: str = "string"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine must encrypt in the state."""

    value: Any


@dataclass(frozen=True)
class Output:
    """An output value: a value with dependencies and secretness. Without a value it is unknown."""

    value: Any = UNKNOWN
    secret: bool = False
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceReference:
    """A reference to another resource. `id` is `None` for components and `UNKNOWN` in previews."""

    urn: str
    id: str | Unknown | None = None
    package_version: str = ""


@dataclass(frozen=True)
class Asset:
    """A file. At most one of `text`, `path`, `uri`; none where the engine sends the hash only (old
    values).
    """

    hash: str = ""
    text: str | None = None
    path: str | None = None
    uri: str | None = None

    @property
    def has_contents(self) -> bool:
        """Whether the contents travel with the value."""
        return self.text is not None or self.path is not None or self.uri is not None


@dataclass(frozen=True)
class Archive:
    """A set of files. At most one of `assets`, `path`, `uri`; none where the engine sends the hash only
    (old values).
    """

    hash: str = ""
    assets: Mapping[str, Asset | Archive] | None = None
    path: str | None = None
    uri: str | None = None

    @property
    def has_contents(self) -> bool:
        """Whether the contents travel with the value."""
        return self.assets is not None or self.path is not None or self.uri is not None


def decode(value: struct_pb2.Value) -> Any:
    """The Python value of `value`.

    Raises `WireError`: an object with an unknown signature, or a signed object without its parts.
    """
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _EXACT_DOUBLE else number
    if kind == "string_value":
        unknown = UNKNOWN_KINDS.get(value.string_value)
        return value.string_value if unknown is None else Unknown(unknown)
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [decode(item) for item in value.list_value.values]
    members = decode_struct(value.struct_value, keep_null=True)
    signature = members.get(SIGNATURE)
    return members if signature is None else _decode_signed(signature, members)


def _decode_signed(signature: Any, members: dict[str, Any]) -> Any:
    if signature == SECRET:
        if "value" not in members:
            raise WireError("a secret on the wire has no value")
        return Secret(members["value"])
    if signature == OUTPUT:
        return Output(
            members.get("value", UNKNOWN),
            bool(members.get("secret")),
            tuple(members.get("dependencies") or ()),
        )
    if signature == REFERENCE:
        if not isinstance(members.get("urn"), str):
            raise WireError("a resource reference on the wire has no urn")
        return ResourceReference(members["urn"], members.get("id"), members.get("packageVersion") or "")
    if signature == ASSET:
        return Asset(members.get("hash") or "", members.get("text"), members.get("path"), members.get("uri"))
    if signature == ARCHIVE:
        return Archive(
            members.get("hash") or "", members.get("assets"), members.get("path"), members.get("uri")
        )
    raise WireError(f"an object on the wire has the unknown signature {signature!r}")


def encode(value: Any) -> struct_pb2.Value:
    """`value` as a protobuf `Value`.

    Raises `WireError`: `value` is of a type that the wire does not know.
    """
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):  # before numbers: a bool is an int in Python
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_SENTINELS[value.kind])
    if isinstance(value, (list, tuple)):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[encode(item) for item in value]))
    if isinstance(value, Mapping):
        return struct_pb2.Value(
            struct_value=struct_pb2.Struct(fields={str(key): encode(item) for key, item in value.items()})
        )
    return struct_pb2.Value(struct_value=encode_struct(_signed_members(value)))


def _signed_members(value: Any) -> dict[str, Any]:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": _Nullable(value.value)}
    if isinstance(value, Output):
        body: dict[str, Any] = {SIGNATURE: OUTPUT}
        if not isinstance(value.value, Unknown):
            body["value"] = _Nullable(value.value)
        if value.secret:
            body["secret"] = True
        if value.dependencies:
            body["dependencies"] = list(value.dependencies)
        return body
    if isinstance(value, ResourceReference):
        return {
            SIGNATURE: REFERENCE,
            "urn": value.urn,
            "id": value.id,
            "packageVersion": value.package_version or None,
        }
    if isinstance(value, Asset):
        return {
            SIGNATURE: ASSET,
            "hash": value.hash or None,
            "text": value.text,
            "path": value.path,
            "uri": value.uri,
        }
    if isinstance(value, Archive):
        return {
            SIGNATURE: ARCHIVE,
            "hash": value.hash or None,
            "assets": value.assets,
            "path": value.path,
            "uri": value.uri,
        }
    raise WireError(f"a {type(value).__name__} cannot be sent to the engine: {value!r}")


@dataclass(frozen=True)
class _Nullable:
    """Marks a member that must be sent even when it is null."""

    value: Any


def decode_struct(struct: struct_pb2.Struct, *, keep_null: bool = False) -> dict[str, Any]:
    """The properties in `struct`. Null members are dropped (absent equals null to the engine) unless
    `keep_null`.
    """
    decoded = {key: decode(value) for key, value in struct.fields.items()}
    return decoded if keep_null else {key: value for key, value in decoded.items() if value is not None}


def encode_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """`properties` as a `Struct`, without its null members."""
    fields = {}
    for key, value in properties.items():
        if isinstance(value, _Nullable):
            fields[key] = encode(value.value)
        elif value is not None:
            fields[key] = encode(value)
    return struct_pb2.Struct(fields=fields)


def plain(value: Any) -> Any:
    """`value` without its wrappers, for code that calls AWS: secrets and outputs opened, references as ids,
    nulls in objects dropped.
    """
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Output):
        return plain(value.value)
    if isinstance(value, ResourceReference):
        return value.urn if value.id is None else value.id
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return value


def properties(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The plain properties in `struct`: `decode_struct` and `plain`."""
    return {
        key: value
        for key, value in ((key, plain(value)) for key, value in decode_struct(struct).items())
        if value is not None
    }


def contains_unknown(value: Any) -> bool:
    """Whether any part of `value` is unknown."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, (Secret, Output)):
        return contains_unknown(value.value)
    if isinstance(value, ResourceReference):
        return isinstance(value.id, Unknown)
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    return isinstance(value, Archive) and value.assets is not None and contains_unknown(value.assets)
