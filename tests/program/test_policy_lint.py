"""Every policy of the program, through the linter that AWS maintains (cfn-lint): elements, actions that there
are, ARNs' form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.core import get_rules

from components import program
from tests.program.projects import REFERENCE, make_project
from tests.program.recording import Recorded, deploy

GROUPS = """\
schema_version: 1
users: {ann: {}, lea: {}}
federation: {provider: "arn:aws:iam::111122223333:saml-provider/university"}
groups:
  north: {members: [ann], leads: [lea], analyses: {spikes: }}
"""
RULES = get_rules([], [], include_rules=["I", "W", "E"])
"""All of them, the hints as well."""
KINDS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "Policy": ("AWS::IAM::ManagedPolicy", "policy", "PolicyDocument", {}),
    "RolePolicy": ("AWS::IAM::RolePolicy", "policy", "PolicyDocument", {"PolicyName": "x", "RoleName": "x"}),
    "GroupPolicy": (
        "AWS::IAM::GroupPolicy",
        "policy",
        "PolicyDocument",
        {"PolicyName": "x", "GroupName": "x"},
    ),
    "Role": ("AWS::IAM::Role", "assumeRolePolicy", "AssumeRolePolicyDocument", {}),
    "BucketPolicy": ("AWS::S3::BucketPolicy", "policy", "PolicyDocument", {"Bucket": "bucket"}),
    "QueuePolicy": (
        "AWS::SQS::QueuePolicy",
        "policy",
        "PolicyDocument",
        {"Queues": ["https://sqs.us-east-1.amazonaws.com/1/q"]},
    ),
    "TopicPolicy": (
        "AWS::SNS::TopicPolicy",
        "policy",
        "PolicyDocument",
        {"Topics": ["arn:aws:sns:us-east-1:111122223333:t"]},
    ),
    "Key": ("AWS::KMS::Key", "policy", "KeyPolicy", {"EnableKeyRotation": True}),
}
"""How CloudFormation, whose templates the linter reads, spells a resource with a policy: type, our property,
its property, what else it needs."""


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    project = make_project(tmp_path_factory.mktemp("lint"))
    (project / "groups.yaml").write_text(GROUPS)
    utils = deploy(lambda: program.outputs(project), "utils")
    return [
        utils,
        deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs}),
    ]


def documents(stack: Recorded) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for resource in stack.resources:
        kind = resource.type.rpartition(":")[2]
        if kind in KINDS and KINDS[kind][1] in resource.inputs:
            yield kind, f"{kind} {resource.name}", resource.policy(KINDS[kind][1])


def found(policies: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """What the linter has to say, each with the policy's name."""
    template: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
    names: dict[str, str] = {}
    for number, (kind, name, document) in enumerate(policies):
        type_, _, key, more = KINDS[kind]
        names[f"P{number}"] = name
        unique = {key: f"{value}{number}" if isinstance(value, str) else value for key, value in more.items()}
        template["Resources"][f"P{number}"] = {"Type": type_, "Properties": {**unique, key: document}}
    matches = lint(json.dumps(template), rules=RULES, regions=["us-east-1"])
    return [
        f"{names.get(str(one.path[1]) if one.path and len(one.path) > 1 else '', '')}: {one.rule.id} "
        f"{one.message}"
        for one in matches
    ]


IRRELEVANT = {"I3011"}
"""What happens to a resource that is taken out of a template: there is no template here."""


def test_the_linter_has_nothing_to_say(stacks: list[Recorded]) -> None:
    policies = [one for stack in stacks for one in documents(stack)]
    assert {kind for kind, _, _ in policies} == set(KINDS)
    assert len(policies) > 25
    said = found(policies)
    assert [line for line in said if line.split(": ")[1].split()[0] not in IRRELEVANT] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Action": ["s3:GetObjekt"]}, "W3037"),
        ({"Action": ["s4:GetObject"]}, "W3037"),
        ({"Sid": "not allowed"}, "E3510"),
        ({"Effect": "Alow"}, "E3510"),
        ({"Resource": ["bucket/*"]}, "E3510"),
        ({"Conditions": {}}, "E3510"),
        ({"Principal": "*"}, "E3510"),
    ],
)
def test_the_linter_finds_a_mistake(change: dict[str, Any], said: str) -> None:
    statement = {
        "Sid": "Read",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::b/*"],
        **change,
    }
    policies = [("RolePolicy", "RolePolicy x", {"Version": "2012-10-17", "Statement": [statement]})]
    assert any(said in line for line in found(policies))
