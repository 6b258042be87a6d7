"""JSON Schema (2020-12) of `certificate.json`, from the types that write it.

`python -m neurocaas.protocol.certificate_schema >docs/schema/certificate.json` writes the published one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from neurocaas.protocol.certificate import EXIT_CLASSES, DatasetOutcome, NextJob
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.settings import Image
from neurocaas.protocol.status import FAILED, SUCCESS

_SIMPLE = {str: "string", int: "integer", bool: "boolean", float: "number"}
_TIME = {"type": "string", "format": "date-time"}
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_CLASS = {"enum": list(EXIT_CLASSES), "description": "Why it ended as it did."}


def certificate_schema() -> dict[str, Any]:
    """The schema. What a refused submission cannot have (image, configuration, …) is optional."""
    always: dict[str, Any] = {
        "schema_version": {"const": 1},
        "outcome": {"enum": [SUCCESS, FAILED]},
        "exit_class": {**_CLASS, "description": "That of the first dataset that failed, else success."},
        "analysis": {"type": "string"},
        "bucket": {"type": "string"},
        "group": {"type": "string"},
        "job_id": {
            "type": "string",
            "description": "The submission's timestamp; its id when it has no usable one.",
        },
        "submission_key": {"type": "string"},
        "submitter": {
            "type": "string",
            "description": "Who submitted, by the name in groups.yaml; empty where nobody can say.",
        },
        "finished": _TIME,
        "succeeded": {"type": "integer", "minimum": 0},
        "total": {"type": "integer", "minimum": 0},
        "cost_usd": {"type": "number", "minimum": 0},
        "datasets": {"type": "array", "items": _object(DatasetOutcome)},
        "problems": {"type": "array", "items": _object(Problem)},
    }
    of_a_job: dict[str, Any] = {
        "stage": {"type": "string"},
        "created": _TIME,
        "image": _object(Image),
        "code_sha256": _SHA256,
        "blueprint_digest": {"type": ["string", "null"]},
        "blueprint_commit": {"type": ["string", "null"]},
        "script": {"type": "string"},
        "configpath": {"type": "string"},
        "config": {"type": "object", "description": "The configuration with its defaults filled in."},
        "duration_minutes": {"type": "integer", "minimum": 1},
        "instance_type": {"type": "string"},
        "market": {"type": "string"},
        "work": {
            "type": "string",
            "description": "Digest of what it computes: code, image, script, configurations and inputs.",
        },
        "same_as": {
            "type": "string",
            "description": 'The earlier job that has done the same with success, "" for none.',
        },
        "after": {"type": "string", "description": 'The job whose results it took, "" for none.'},
        "by": {
            "type": "string",
            "description": "What made the submission where the service did: a job before it, or a watch.",
        },
        "next": {"anyOf": [{"type": "null"}, _object(NextJob)]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "certificate.json",
        "description": "What became of a job: results/job_{timestamp}/logs/certificate.json, written when it has ended.",  # noqa: E501
        "type": "object",
        "properties": {**always, **of_a_job},
        "required": list(always),
        "dependentRequired": {name: list(of_a_job) for name in of_a_job},
        "additionalProperties": False,
    }


def _object(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    special = {"sha256": _SHA256, "exit_class": _CLASS, "status": {"enum": [SUCCESS, FAILED]}}
    properties = {field.name: special.get(field.name) or _of(hints[field.name]) for field in fields(kind)}
    text = " ".join((kind.__doc__ or "").split())
    return {
        "type": "object",
        "description": text,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _of(hint: Any) -> Mapping[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _object(get_args(hint)[0])}
    (inner,) = (one for one in get_args(hint) if one is not type(None))
    return {"type": [_SIMPLE[inner], "null"]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(certificate_schema(), indent=2) + "\n")
