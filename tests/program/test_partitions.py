"""The stacks in each partition of AWS: its ARNs, its domain, its principals, and no other's."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace

import pytest

from blueprints.prices import table
from components import program, project
from components.place import Place
from tests.program.projects import BLUEPRINT, REFERENCE, ROOT, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy

REGIONS = {"aws": "eu-central-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
DOMAINS = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
SETTINGS = {"neurocaas:auditData": "true", "neurocaas:publicCatalogue": "true"}
SAME_EVERYWHERE = {
    f"{service}.amazonaws.com"
    for service in ("cloudtrail", "cloudwatch", "events", "imagebuilder", "lambda", "s3")
}
"""Principals that China's partition calls as all others do; EC2 has another name there."""
DOMAIN = re.compile(r"[a-z0-9.-]*amazonaws\.com(\.cn)?\b")


@pytest.fixture(scope="module", params=REGIONS)
def stacks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    at = Place(partition=request.param, region=REGIONS[request.param], account=ACCOUNT)
    made = make_project(tmp_path_factory.mktemp("partition"), BLUEPRINT)
    (made / "groups.yaml").write_text(
        f"schema_version: 1\nfederation: {{provider: 'arn:{at.partition}:iam::{ACCOUNT}:saml-provider/u'}}\n"
        "groups: {north: {analyses: {spikes: }}}\n"
    )
    prices = replace(table(), region=at.region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "table", lambda region: prices)
        utils = deploy(lambda: program.outputs(made), "utils", SETTINGS, recorder=Recorder({}, at=at))
        references = {REFERENCE: utils.outputs}
        analysis = deploy(
            lambda: program.outputs(made), "spikes-webdev", recorder=Recorder(references, at=at)
        )
    return [utils, analysis]


def test_a_stack_names_only_its_own_partition(stacks: list[Recorded], request: pytest.FixtureRequest) -> None:
    partition = request.node.callspec.params["stacks"]
    found = 0
    for text in (json.dumps(one.inputs, default=str) for stack in stacks for one in stack.resources):
        arns = re.findall(r"arn:([a-z-]+):[a-z]", text)
        found += len(arns)
        assert set(arns) <= {partition}, text
        domains = {one.group(0) for one in DOMAIN.finditer(text)} - SAME_EVERYWHERE
        assert all(one.endswith(DOMAINS[partition]) for one in domains), domains
    assert found > 100


def test_machines_and_their_starter_speak_of_ec2_as_the_partition_does(
    stacks: list[Recorded], request: pytest.FixtureRequest
) -> None:
    partition = request.node.callspec.params["stacks"]
    principal = f"ec2.{DOMAINS[partition]}"
    (role,) = {
        json.dumps(one.policy("assumeRolePolicy")["Statement"][0]["Principal"])
        for one in stacks[1].of_type("Role")
        if one.name.endswith("-machine")
    }
    assert json.loads(role) == {"Service": principal}
    passes = [
        statement["Condition"]["StringEquals"]["iam:PassedToService"]
        for policy in (stacks[0].one("Policy").policy(), stacks[1].one("RolePolicy", "manager").policy())
        for statement in policy["Statement"]
        if statement["Action"] == ["iam:PassRole"]
    ]
    assert passes == [principal, principal]
    assert stacks[0].outputs["catalogue_url"].endswith(f".{DOMAINS[partition]}/catalogue/")


HARD_CODED = re.compile(r"arn:aws:|\.amazonaws\.com\b(?!\.cn)")
LINKED = "the service of a service-linked role (spot, imagebuilder) is called so in every partition"
BY_DESIGN = {
    "console/account_checks/rights.py": LINKED,
    "console/account_checks/services.py": LINKED,
    "runtime/manager/shortfall.py": LINKED,
    "components/policies/people.py": "the path of Identity Center's roles is the same in every partition",
    "image_builder/dev/access.py": "checkip.amazonaws.com is a public page, the same for everybody",
}
CODE = ("account", "blueprints", "checks", "ci", "components", "console", "image_builder", "neurocaas",
        "road", "runtime")  # fmt: skip


def test_no_code_names_a_partition_or_its_domain() -> None:
    """Comments and docstrings may; a text that is used takes them from the place or the region."""
    found = set()
    for path in (path for room in CODE for path in sorted((ROOT / room).rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = [one for one in ast.walk(tree) if isinstance(one, ast.Constant)]
        prose = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
        used = [one.value for one in constants if isinstance(one.value, str) and id(one) not in prose]
        if any(HARD_CODED.search(text) for text in used):
            found.add(str(path.relative_to(ROOT)))
    assert found == set(BY_DESIGN)
