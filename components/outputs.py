"""The outputs of the stacks: an interface for CI, for people and for the other stacks. Versioned, described,
tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

import pulumi

from blueprints.model import UTILS
from components.names import PREFIX
from neurocaas.protocol.settings import Subnet

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class GroupOutputs:
    """What a group has in an analysis."""

    launch_template_id: str
    launch_template_version: str
    instance_role: str
    analyst_group: str


@dataclass(frozen=True, kw_only=True)
class DirectoryGroup:
    """A group of groups.yaml: its IAM groups, the role that members take for a session, and the buckets that
    they reach; a `*` in a name stands for the stages of an analysis.
    """

    analyst_group: str
    lead_group: str | None
    session_role: str
    buckets: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class UtilsOutputs:
    """Outputs of the stack `utils`. The image's are of the base image, null without one; the catalogue's are
    null without a public catalogue; VPC and subnets are null where machines are in the account's default
    network, and the closed ones where there is no VPC of our own. The last five are names that older tools
    read."""

    schema_version: int
    kind: Literal["utils"]
    account: str
    region: str
    artifact_bucket: str
    log_bucket: str
    kms_key_arn: str
    key_pair_name: str
    private_key_parameter: str
    security_group_id: str
    security_group_name: str
    developer_instance_profile: str
    developer_role_arn: str
    developer_security_group_id: str
    developer_security_group_name: str
    permissions_boundary_arn: str
    monitor_function: str
    sweep_function: str
    monitor_role_arn: str
    monitor_writer_role_arn: str
    monitor_log_group: str
    events_queue_url: str
    events_dead_letter_queue_url: str
    topic_arn: str
    ledger_table: str
    ledger_table_arn: str
    image_builder_instance_profile: str
    image_builder_role: str
    lifecycle_role_arn: str
    image_pipeline_arn: str | None = None
    image_recipe_arn: str | None = None
    image_recipe_sha256: str | None = None
    vpc_id: str | None = None
    subnets: Sequence[Subnet] | None = None
    closed_security_group_id: str | None = None
    closed_subnets: Sequence[Subnet] | None = None
    groups: Mapping[str, DirectoryGroup]
    catalogue_bucket: str | None = None
    catalogue_url: str | None = None
    input_directory: str
    output_directory: str
    log_directory: str
    config_directory: str
    submission_directory: str

    @classmethod
    async def from_reference(cls, reference: pulumi.StackReference) -> Self:
        """The outputs of `utils` for another stack: plain values, so that previews of that stack know them.

        Raises pulumi.RunError, before anything of that stack is made, when outputs are missing or of another
        version.
        """
        found: dict[str, Any] = {
            field.name: (await reference.get_output_details(field.name)).value for field in fields(cls)
        }
        missing = [name for name, value in found.items() if value is None and name not in _optional(cls)]
        if missing:
            names = (
                "output " + ", ".join(f"'{name}'" for name in missing)
                if len(missing) < 4
                else f"outputs ({len(missing)} are missing)"
            )
            raise pulumi.RunError(f"stack {UTILS} has no {names}; run `invoke deploy {UTILS}` first")
        version = int(found.pop("schema_version"))
        if version != SCHEMA_VERSION:
            raise pulumi.RunError(
                f"stack {UTILS} has outputs of version {version}. Allowed: {SCHEMA_VERSION}. "
                f"Run `invoke deploy {UTILS}` with this checkout."
            )
        groups = {
            name: DirectoryGroup(**{"lead_group": None, **group})
            for name, group in found.pop("groups").items()
        }
        for name in ("subnets", "closed_subnets"):
            if found[name] is not None:
                found[name] = tuple(Subnet(**one) for one in found[name])
        return cls(
            schema_version=version,
            groups=groups,
            **found,
        )


@dataclass(frozen=True, kw_only=True)
class AnalysisOutputs:
    """Outputs of a stack `<analysis>-<stage>`. The image's ARNs are null for an analysis without provisioning
    scripts.
    """

    schema_version: int
    kind: Literal["analysis"]
    analysis: str
    stage: str
    account: str
    region: str
    bucket: str
    groups: Mapping[str, GroupOutputs]
    manager_function: str
    manager_role_arn: str
    manager_log_group: str
    submission_queue_url: str
    dead_letter_queue_url: str
    image_id: str
    image_ready: bool
    image_pipeline_arn: str | None
    image_recipe_arn: str | None
    image_recipe_sha256: str | None
    settings_bucket: str
    settings_key: str
    code_sha256: str
    script: str
    blueprint_digest: str
    prices: Mapping[str, float]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Reads `pulumi stack output --json`. Raises ValueError for another kind or version, or missing
        outputs.
        """
        names = {field.name for field in fields(cls)}
        missing = sorted(names - set(data) - _optional(cls))
        if data.get("kind") != "analysis" or data.get("schema_version") != SCHEMA_VERSION or missing:
            raise ValueError(
                f"not the outputs of an analysis stack, version {SCHEMA_VERSION}; missing: "
                f"{', '.join(missing) or 'none'}"
            )
        groups = {name: GroupOutputs(**value) for name, value in data["groups"].items()}
        return cls(
            **{
                **dict.fromkeys(_optional(cls)),
                **{name: data[name] for name in names if name in data},
                "groups": groups,
            }
        )


def utils_reference_name(organization: str) -> str:
    """Full name of `utils` in the backend's organisation; in backends without any (file, S3) the engine calls
    it "organization".
    """
    return f"{organization}/{PREFIX}/{UTILS}"


def json_schema(cls: type) -> dict[str, Any]:
    """JSON Schema (2020-12) of one of the dataclasses above."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": cls.__name__,
        "description": " ".join((cls.__doc__ or "").split()),
        **_object(cls),
    }


def _object(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    properties = {field.name: _type(hints[field.name]) for field in fields(cls)}
    if "schema_version" in properties:
        properties["schema_version"] = {"const": SCHEMA_VERSION}
    required = [name for name in properties if name not in _optional(cls)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _optional(cls: type) -> set[str]:
    # Pulumi drops outputs whose value is null.
    hints = get_type_hints(cls)
    return {field.name for field in fields(cls) if type(None) in get_args(hints[field.name])}


def _type(hint: Any) -> dict[str, Any]:
    simple = {str: "string", int: "integer", bool: "boolean", float: "number"}
    if hint in simple:
        return {"type": simple[hint]}
    if get_origin(hint) is Literal:
        return {"const": get_args(hint)[0]}
    if type(None) in get_args(hint):
        inner = _type(next(arg for arg in get_args(hint) if arg is not type(None)))
        return {**inner, "type": [inner["type"], "null"]}
    if get_origin(hint) is Sequence:
        return {"type": "array", "items": _type(get_args(hint)[0])}
    if get_origin(hint) is Mapping:
        return {"type": "object", "additionalProperties": _type(get_args(hint)[1])}
    return _object(hint)


def write_schemas(folder: Path) -> None:
    """Writes docs/schema/*.json from the dataclasses."""
    for name, cls in (("utils-outputs", UtilsOutputs), ("analysis-outputs", AnalysisOutputs)):
        (folder / f"{name}.json").write_text(json.dumps(json_schema(cls), indent=2) + "\n")


if __name__ == "__main__":
    write_schemas(Path(__file__).resolve().parents[1] / "docs" / "schema")
