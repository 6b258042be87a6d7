"""The local cloud's table of types has exactly the inputs that the program uses.

`recording.py` fails when the program uses a type or an input that the table has not; here it is the other way
round: everything that the program can be asked for is rendered, and nothing else may be in the table.
"""

from __future__ import annotations

import pytest

from components import program
from localcloud.pulumi.provider.table import TABLE
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, ENGINES, Recorded, Recorder, deploy

GROUPS = f"""\
schema_version: 1
users: {{ann: {{access_key: true}}, old: {{existing: true}}, lea: }}
groups:
  north:
    members: [ann, old]
    leads: [lea]
    analyses: {{spikes: {{budget_usd: 12.5}}}}
    notify: [{{to: lea@north.example}}]
federation: {{provider: 'arn:aws:iam::{ACCOUNT}:saml-provider/university', tag: lab}}
"""
OUTSIDE = """\
outside_buckets:
  - {bucket: lab1-archive, prefix: res/, use: [results], groups: [lab1]}
"""
SETTINGS = {
    "neurocaas:auditData": "true",
    "neurocaas:developerCidrs": '["192.0.2.0/24", "2001:db8::/32"]',
    "neurocaas:protectUtilities": "true",
    "neurocaas:publicCatalogue": "true",
}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    project = make_project(tmp_path_factory.mktemp("everything"), BLUEPRINT + OUTSIDE)
    (project / "groups.yaml").write_text(GROUPS)
    utils = deploy(lambda: program.outputs(project), "utils", SETTINGS, recorder=Recorder({}, users=["old"]))
    own = deploy(
        lambda: program.outputs(project),
        "utils",
        {"neurocaas:network": "own"},
        recorder=Recorder({}, users=["old"]),
    )
    stacks: list[Recorded] = [utils, own]
    stacks += [
        deploy(lambda: program.outputs(project), stack, references={REFERENCE: utils.outputs})
        for stack in ("spikes-webdev", "spikes-prod")
    ]
    found: dict[str, set[str]] = {}
    for resource in (one for stack in stacks for one in stack.resources if one.type not in ENGINES):
        found.setdefault(resource.type, set()).update(resource.inputs)
    return found


def test_the_table_has_the_types_that_the_program_uses_and_no_other(used: dict[str, set[str]]) -> None:
    assert TABLE.keys() == used.keys()


@pytest.mark.parametrize("token", TABLE)
def test_the_table_has_the_inputs_that_the_program_uses_and_no_other(
    token: str, used: dict[str, set[str]]
) -> None:
    """Besides tags, which come by the provider's default tags, and the name: where none is given, one is
    made, and an import may have it as given.
    """
    row = TABLE[token]
    spare = {"tags"} | ({row.autoname.property} if row.autoname else set())
    assert row.inputs.keys() - spare == used[token] - spare
