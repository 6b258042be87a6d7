"""The stacks of a project with so many groups, run once each for all opinions."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components import program
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, deploy

SIZES = (1, 25, 99)
"""Numbers of groups. With the group of debuggers, the last is a hundred: as many as S3 notifies of."""
SETTINGS = {
    "neurocaas:auditData": "true",
    "neurocaas:developerCidrs": '["192.0.2.0/24", "2001:db8::/32"]',
    "neurocaas:network": "own",
    "neurocaas:publicCatalogue": "true",
}
"""What is not there by default."""
POLICIES = {
    "Policy": "policy",
    "RolePolicy": "policy",
    "GroupPolicy": "policy",
    "BucketPolicy": "policy",
    "QueuePolicy": "policy",
    "TopicPolicy": "policy",
    "Key": "policy",
    "Role": "assumeRolePolicy",
}
"""Resource → its input that is a policy."""


@functools.cache
def stacks(groups: int) -> list[Recorded]:
    """``utils`` and one analysis, whose groups have a member, a lead and signed-in people each."""
    names = [f"laboratory-{number:03d}" for number in range(groups)]
    users = "".join(f"  {name}-{who}: {{}}\n" for name in names for who in ("ann", "lea"))
    members = "".join(
        f"  {name}: {{members: [{name}-ann], leads: [{name}-lea], analyses: {{spikes: }}, "
        f"notify: [{{to: {name}@example.org}}]}}\n"
        for name in names
    )
    provider = f"arn:aws:iam::{ACCOUNT}:saml-provider/university"
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder), BLUEPRINT.replace("lab1, lab10", ", ".join(names)))
        (project / "groups.yaml").write_text(
            f'schema_version: 1\nusers:\n{users}federation: {{provider: "{provider}"}}\ngroups:\n{members}'
        )
        utils = deploy(lambda: program.outputs(project), "utils", SETTINGS)
        analysis = deploy(
            lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs}
        )
    return [utils, analysis]


def policies(groups: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(resource's kind, its name, the policy) of all policies."""
    for stack in stacks(groups):
        for resource in stack.resources:
            kind = resource.type.rpartition(":")[2]
            text = resource.inputs.get(POLICIES.get(kind, ""))
            if text:
                yield kind, resource.name, json.loads(text)
