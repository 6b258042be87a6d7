"""The component documents that the program makes against what AWS's own library for them declares; read by
another reader of YAML than this project's. AWS publishes no schema (``component.schema.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from awstoe.actions import ACTIONS
from awstoe.checks import load
from tests.opinions.rendered import stacks

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("component.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
WINDOWS = {"ExecutePowerShell", "InstallMSI", "SetRegistry", "UninstallMSI"}
"""Actions that no machine of this project can run."""


def documents() -> list[tuple[str, str]]:
    return [
        (one.name, one.inputs["data"])
        for stack in stacks(1)
        for one in stack.resources
        if one.type.endswith(":Component")
    ]


def said(document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_all_documents_are_as_aws_declares_them() -> None:
    found = {name: said(yaml.safe_load(text)) for name, text in documents()}
    assert len(found) >= 4, "components of the base image and of the analysis, to build and to test"
    assert {name: errors for name, errors in found.items() if errors} == {}


def test_both_readers_see_the_same_steps() -> None:
    for name, text in documents():
        theirs = yaml.safe_load(text)
        ours = load(text)
        assert [(phase.name, [step.name for step in phase.steps]) for phase in ours.phases] == [
            (phase["name"], [step["name"] for step in phase["steps"]]) for phase in theirs["phases"]
        ], name


def test_the_same_actions_are_known() -> None:
    assert set(SCHEMA["$defs"]["step"]["properties"]["action"]["enum"]) - WINDOWS == set(ACTIONS)


STEP = {"name": "a", "action": "ExecuteBash", "inputs": {"commands": ["true"]}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "ExecuteBsah"}, "is not one of"),
        ({"onFailure": "abort"}, "is not one of"),
        ({"timeout": 5}, "Additional properties"),
        ({"timeoutSeconds": "5"}, "is not of type 'integer'"),
        ({"loop": {"forEach": [], "for": {"start": 1, "end": 2, "updateBy": 1}}}, "is valid under each of"),
    ],
)
def test_a_mistake_is_found(change: dict[str, Any], words: str) -> None:
    document = {"schemaVersion": 1.0, "phases": [{"name": "build", "steps": [{**STEP, **change}]}]}
    assert any(words in one for one in said(document))
    document["phases"] = [{"name": "build", "steps": [STEP]}]
    assert said(document) == []
