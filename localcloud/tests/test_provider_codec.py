"""The wire codec: what is encoded comes back, in every combination."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from localcloud.pulumi.provider import codec
from localcloud.pulumi.provider.codec import (
    UNKNOWN,
    Archive,
    Asset,
    Output,
    ResourceReference,
    Secret,
    Unknown,
    WireError,
    contains_unknown,
    decode,
    decode_struct,
    encode,
    encode_struct,
    plain,
    properties,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = TEXT.filter(lambda key: key != codec.SIGNATURE)
UNKNOWNS = st.sampled_from([Unknown(kind) for kind in codec.UNKNOWN_KINDS.values()])
ASSETS = (
    st.builds(Asset, hash=TEXT, text=TEXT)
    | st.builds(Asset, hash=TEXT, path=TEXT)
    | st.builds(Asset, hash=TEXT, uri=TEXT)
    | st.builds(Asset, hash=TEXT)
)
ARCHIVES = st.recursive(
    st.builds(Archive, hash=TEXT, path=TEXT) | st.builds(Archive, hash=TEXT),
    lambda inner: st.builds(Archive, hash=TEXT, assets=st.dictionaries(KEYS, ASSETS | inner, max_size=3)),
    max_leaves=4,
)
SCALARS = (
    st.none()
    | st.booleans()
    | TEXT
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
REFERENCES = st.builds(
    ResourceReference, urn=TEXT, id=st.none() | TEXT | st.just(UNKNOWN), package_version=TEXT
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | UNKNOWNS | ASSETS | ARCHIVES | REFERENCES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(Secret, inner)
        | st.builds(
            Output, value=inner, secret=st.booleans(), dependencies=st.lists(TEXT, max_size=2).map(tuple)
        )
        | st.builds(Output, secret=st.booleans())
    ),
    max_leaves=8,
)


def normal(value: Any) -> Any:
    """What the wire cannot tell apart: an output whose value is unknown has none."""
    if isinstance(value, Secret):
        return Secret(normal(value.value))
    if isinstance(value, Output):
        return Output(
            UNKNOWN if isinstance(value.value, Unknown) else normal(value.value),
            value.secret,
            value.dependencies,
        )
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_what_is_encoded_comes_back(value: Any) -> None:
    wire = struct_pb2.Value.FromString(encode(value).SerializeToString())
    assert decode(wire) == normal(value)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_null_members_of_properties_are_absent(members: dict[str, Any]) -> None:
    assert decode_struct(encode_struct(members)) == {
        key: normal(value) for key, value in members.items() if value is not None
    }


@given(VALUES)
def test_plain_values_have_no_wrappers(value: Any) -> None:
    def wrapped(item: Any) -> bool:
        if isinstance(item, (Secret, Output, ResourceReference)):
            return True
        children = item if isinstance(item, list) else item.values() if isinstance(item, dict) else ()
        return any(wrapped(child) for child in children)

    assert not wrapped(plain(value))
    if not contains_unknown(value):
        assert not contains_unknown(plain(value))


@given(st.integers(-(2**53), 2**53))
def test_integers_stay_integers_and_booleans_booleans(number: int) -> None:
    assert type(decode(encode(number))) is int
    assert decode(encode(float(number))) == number
    assert type(decode(encode(number))) is int
    assert decode(encode(True)) is True
    assert encode(True).WhichOneof("kind") == "bool_value"


def test_the_wire_is_the_engines() -> None:
    """Byte for byte what sdk/go/common/resource/plugin/rpc.go writes."""
    secret = json_format.MessageToDict(encode(Secret("x")))
    assert secret == {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}
    assert encode(UNKNOWN).string_value == "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    output = json_format.MessageToDict(encode(Output(1, True, ("urn:a",))))
    assert output == {
        "4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4",
        "value": 1.0,
        "secret": True,
        "dependencies": ["urn:a"],
    }


def test_the_constants_are_the_sdks() -> None:
    from pulumi.runtime import rpc

    assert rpc._special_sig_key == codec.SIGNATURE
    assert rpc._special_secret_sig == codec.SECRET
    assert rpc._special_asset_sig == codec.ASSET
    assert rpc._special_archive_sig == codec.ARCHIVE
    assert rpc._special_resource_sig == codec.REFERENCE
    assert rpc._special_output_value_sig == codec.OUTPUT
    assert rpc.UNKNOWN == codec.UNKNOWN_STRING


def test_references_become_ids_and_secrets_open() -> None:
    wire = encode_struct({
        "role": ResourceReference("urn:role", "role-1"),
        "component": ResourceReference("urn:component"),
        "later": ResourceReference("urn:later", UNKNOWN),
        "password": Secret(Output("secret", True)),
    })  # fmt: skip
    assert properties(wire) == {
        "role": "role-1",
        "component": "urn:component",
        "later": UNKNOWN,
        "password": "secret",
    }


def test_archives_reduced_to_their_hash_decode() -> None:
    assert decode(encode(Archive("abc"))) == Archive("abc")
    assert not Archive("abc").has_contents
    assert not Asset("abc").has_contents


@pytest.mark.parametrize(
    "value",
    [
        {codec.SIGNATURE: "no such signature"},
        {codec.SIGNATURE: codec.SECRET},
        {codec.SIGNATURE: codec.REFERENCE},
    ],
)
def test_malformed_objects_are_refused(value: dict[str, str]) -> None:
    with pytest.raises(WireError):
        decode(encode(value))


def test_foreign_values_are_refused() -> None:
    with pytest.raises(WireError, match="set"):
        encode({1, 2})
