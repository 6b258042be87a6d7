"""Everything that the program gives to a resource, at every depth, against the argument types of the
installed `pulumi_aws`: mocks take whatever they are given, and nobody before the provider checks a plain
dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from localcloud.pulumi.provider import sdk
from localcloud.pulumi.provider.table import TABLE
from tests.opinions.rendered import stacks
from tests.program.recording import ENGINES

SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "asset": (pulumi.Asset,),
    "archive": (pulumi.Archive,),
    "document": (str, dict),
}


@pytest.fixture(scope="module")
def schema() -> sdk.Schema:
    return sdk.load()


def wrong(value: Any, kind: str, path: str, schema: sdk.Schema) -> Iterator[str]:
    """What of a value is not of its type: unknown keys, missing ones, another form, another scalar."""
    if isinstance(value, dict) and rpc._special_sig_key in value:
        value = value["value"]  # a secret
    if value is None or kind == "any":
        return
    if kind.startswith("#"):
        if not isinstance(value, dict):
            yield f"{path}: a {type(value).__name__} where an object {kind[1:]} is wanted"
            return
        known = schema.objects[kind[1:]]
        yield from (f"{path}.{name}: {kind[1:]} has no such key" for name in value.keys() - known.properties)
        yield from (f"{path}.{name}: is missing in {kind[1:]}" for name in known.required - value.keys())
        for name in value.keys() & known.properties:
            yield from wrong(value[name], known.properties[name], f"{path}.{name}", schema)
    elif kind.startswith("["):
        if not isinstance(value, list):
            yield f"{path}: a {type(value).__name__} where a list is wanted"
            return
        for index, one in enumerate(value):
            yield from wrong(one, kind[1:-1], f"{path}[{index}]", schema)
    elif kind.startswith("{"):
        if not isinstance(value, dict):
            yield f"{path}: a {type(value).__name__} where a map is wanted"
            return
        for name, one in value.items():
            yield from wrong(one, kind[1:-1], f"{path}.{name}", schema)
    elif "|" in kind:
        if all(list(wrong(value, one, path, schema)) for one in kind.split("|")):
            yield f"{path}: a {type(value).__name__} where {kind} is wanted"
    elif kind == "integer" and isinstance(value, float) and value.is_integer():
        return  # the engine's protocol has one kind of numbers
    elif not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {value!r} where a {kind} is wanted"


def test_no_resource_is_given_what_its_type_has_not(schema: sdk.Schema) -> None:
    found, nested = [], 0
    for resource in (one for stack in stacks(1) for one in stack.resources if one.type not in ENGINES):
        known = schema.resources[resource.type]
        for name, value in resource.inputs.items():
            path = f"{resource.type.rpartition(':')[2]} {resource.name} {name}"
            nested += isinstance(value, (dict, list))
            if name not in known.inputs:
                found.append(f"{path}: no such argument")
            else:
                found += wrong(value, known.inputs[name], path, schema)
        found += [
            f"{resource.name} {name}: is missing"
            for name in known.required - resource.inputs.keys()
            if name != "name"
        ]
    assert found == []
    assert nested > 50  # there is something to look into


def test_every_type_is_looked_at() -> None:
    """What a setting adds is not there by default: the opinions render it as well (`SETTINGS`)."""
    rendered = {one.type for stack in stacks(1) for one in stack.resources}
    assert TABLE.keys() - rendered == set()


TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("metadataOptions", {"httpTokens": "required"}, ""),
        ("metadataOptions", [{"httpTokens": "required"}], "a list where an object"),
        ("metadataOptions", {"http_tokens": "required"}, "has no such key"),
        ("metadataOptions", {"httpPutResponseHopLimit": "1"}, "'1' where a integer is wanted"),
        ("metadataOptions", {"httpPutResponseHopLimit": True}, "True where a integer is wanted"),
        ("blockDeviceMappings", {"deviceName": "/dev/sda1"}, "a dict where a list is wanted"),
        ("blockDeviceMappings", [{"ebs": {"volumesize": 8}}], "[0].ebs.volumesize:"),
        ("vpcSecurityGroupIds", "sg-1", "a str where a list is wanted"),
    ],
)
def test_a_mistake_is_found_at_every_depth(schema: sdk.Schema, argument: str, value: Any, said: str) -> None:
    found = list(wrong(value, schema.resources[TEMPLATE].inputs[argument], argument, schema))
    assert [said in one for one in found] == ([True] if said else [])
