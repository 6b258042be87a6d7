"""The table of resource types against the installed pulumi_aws, and against itself."""

from __future__ import annotations

import inspect
import re

import pytest

from localcloud.pulumi.provider import sdk
from localcloud.pulumi.provider.constraints import CONSTRAINTS
from localcloud.pulumi.provider.model import Handler, ResourceType
from localcloud.pulumi.provider.table import TABLE


@pytest.mark.parametrize("row", TABLE.values(), ids=list(TABLE))
class TestRow:
    def test_has_its_verbs(self, row: ResourceType) -> None:
        """One whose every input replaces has nothing to update but tags."""
        changes = row.given - row.replace - {"revokeRulesOnDelete"}  # what only the delete looks at
        for verb in ("create", "read", "delete", *(["update"] if changes else [])):
            assert getattr(type(row.handler), verb) is not getattr(Handler, verb)

    def test_names_only_what_pulumi_aws_knows(self, row: ResourceType) -> None:
        inputs, outputs = set(row.inputs), row.schema.outputs
        assert row.given <= inputs
        assert row.schema.required <= inputs
        assert row.computed | set(row.defaults) <= set(row.schema.inputs)
        assert {name for group in (*row.conflicts, *row.one_of) for name in group} <= inputs
        assert set(row.recomputed) <= outputs
        assert {cause for causes in row.recomputed.values() for cause in causes} <= inputs | {"*"}
        assert {path.split(".")[0].removesuffix("[]") for path in row.rules} <= inputs
        assert row.autoname is None or row.autoname.property in inputs

    def test_its_id_is_made_of_outputs(self, row: ResourceType) -> None:
        assert row.id
        assert set(re.findall(r"\{(\w+)\}", row.id)) <= row.schema.outputs

    def test_says_what_it_is(self, row: ResourceType) -> None:
        assert inspect.getdoc(type(row.handler))

    def test_a_name_that_is_made_replaces_when_it_changes(self, row: ResourceType) -> None:
        renamed_in_place = {"aws:iam/group:Group", "aws:iam/user:User"}
        if row.autoname is not None and row.token not in renamed_in_place:
            assert row.autoname.property in row.replace

    def test_rules_are_where_values_are(self, row: ResourceType) -> None:
        for path in row.rules:
            kind = "#"
            members = row.schema.inputs
            for part in path.split("."):
                kind = members[part.removesuffix("[]")]
                assert kind.startswith("[") or not part.endswith("[]")
                inner = kind[1:-1] if part.endswith("[]") else kind
                members = sdk.load().objects[inner[1:]].properties if inner.startswith("#") else {}

    def test_no_default_is_refused_by_a_rule(self, row: ResourceType) -> None:
        for name, value in row.defaults.items():
            assert all(rule(value) is None for rule in row.rules.get(name, ()))


def test_no_constraint_is_for_a_type_that_does_not_exist() -> None:
    assert CONSTRAINTS.keys() <= {f"{token[4:].split('/')[0]}.{token.split(':')[2]}" for token in TABLE}
