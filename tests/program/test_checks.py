"""The rules of checks/: they hold for every stack, and each finds the fault that it is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from checks.preview import SENTINELS
from checks.preview import stack as from_preview
from checks.resource import UNKNOWN, Resource, StackResources
from checks.rule import run
from checks.rules import RULES
from checks.unscoped import UNSCOPED
from tests.program.recording import Recorded

BY_NAME = {rule.name: rule for rule in RULES}


@pytest.mark.parametrize("name", ["utils", "analysis", "prod"])
def test_every_stack_keeps_every_rule(request: pytest.FixtureRequest, name: str) -> None:
    report = run(RULES, request.getfixturevalue(name).stack())
    assert [finding.to_dict() for finding in report.findings] == []
    assert not report.open
    assert report.judged > 50


def test_every_rule_is_about_something_that_the_stacks_have(utils: Recorded, analysis: Recorded) -> None:
    every = [*utils.stack().resources, *analysis.stack().resources]
    assert [rule.name for rule in RULES if not any(rule.concerns(resource) for resource in every)] == []


def test_names_are_unique_and_told_in_three_parts() -> None:
    assert len(BY_NAME) == len(RULES)
    assert all(rule.allowed and rule.do for rule in RULES)


def statement(**changes: Any) -> str:
    good = {
        "Sid": "S",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::b/*"],
        **changes,
    }
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {key: value for key, value in good.items() if value is not None},
        }
    )


ROLE, POLICY, BUCKET, QUEUE, TEMPLATE = "Role", "RolePolicy", "Bucket", "Queue", "LaunchTemplate"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
FAULTS: list[tuple[str, str, Mapping[str, Any]]] = [
    ("role-boundary", ROLE, {"permissionsBoundary": None}),
    (
        "role-trust",
        ROLE,
        {"assumeRolePolicy": statement(Principal="*", Action="sts:AssumeRole", Resource=None)},
    ),
    (
        "role-trust",
        ROLE,
        {"assumeRolePolicy": statement(Principal={"AWS": ["*"]}, Action="sts:AssumeRole", Resource=None)},
    ),
    (
        "role-trust",
        ROLE,
        {
            "assumeRolePolicy": statement(
                Principal={"Federated": "idp"}, Action="sts:AssumeRoleWithSAML", Resource=None
            )
        },
    ),
    (
        "role-trust",
        ROLE,
        {
            "assumeRolePolicy": statement(
                Principal={"Federated": "idp"},
                Action="sts:AssumeRoleWithSAML",
                Resource=None,
                Condition={"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
            )
        },
    ),
    ("no-full-access", ROLE, {"managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]}),
    ("no-full-access", ROLE, {"managedPolicyArns": ["arn:aws-cn:iam::aws:policy/AdministratorAccess"]}),
    ("no-wildcard-action", ROLE, {"inlinePolicies": [{"name": "x", "policy": statement(Action="s3:*")}]}),
    ("no-wildcard-action", POLICY, {"policy": statement(Action=["s3:GetObject", "s3:List*"])}),
    ("no-wildcard-action", POLICY, {"policy": statement(Action=None, NotAction="iam:PassRole")}),
    ("no-wildcard-action", "QueuePolicy", {"policy": statement(Principal={"AWS": "1"}, Action="sqs:*")}),
    (
        "no-wildcard-action",
        "Key",
        {"policy": statement(Principal={"AWS": "arn:aws:iam::1:user/ann"}, Action="kms:*", Resource="*")},
    ),
    ("no-unscoped-resource", POLICY, {"policy": statement(Resource="*")}),
    ("no-unscoped-resource", POLICY, {"policy": statement(Resource=["arn:aws:s3:::b", "*"])}),
    ("no-unscoped-resource", POLICY, {"policy": statement(Resource=None, NotResource="arn:aws:s3:::b")}),
    (
        "pass-role-to-a-service",
        POLICY,
        {"policy": statement(Action="iam:PassRole", Resource="arn:aws:iam::1:role/x")},
    ),
    ("no-public-policy", "TopicPolicy", {"policy": statement(Principal="*", Action="sns:Publish")}),
    ("no-public-policy", "TopicPolicy", {"policy": statement(Principal={"AWS": "*"}, Action="sns:Publish")}),
    (
        "no-public-policy",
        "TopicPolicy",
        {"policy": statement(NotPrincipal={"AWS": "1"}, Action="sns:Publish")},
    ),
    ("bucket-private", "BucketPublicAccessBlock", {"blockPublicPolicy": False}),
    ("bucket-private", "BucketOwnershipControls", {"rule": {"objectOwnership": "ObjectWriter"}}),
    ("bucket-private", "BucketPublicAccessBlock", {"bucket": "another"}),
    ("bucket-encrypted", "BucketServerSideEncryptionConfiguration", {"rules": []}),
    ("bucket-versioned", "BucketVersioning", {"versioningConfiguration": {"status": "Suspended"}}),
    ("bucket-lifecycle", "BucketLifecycleConfiguration", {"bucket": "another"}),
    ("bucket-tls-only", "BucketPolicy", {"policy": statement(Principal={"AWS": "1"})}),
    ("queue-encrypted", QUEUE, {"sqsManagedSseEnabled": False}),
    ("queue-dead-letters", QUEUE, {"redrivePolicy": None}),
    ("topic-encrypted", "Topic", {"kmsMasterKeyId": None}),
    ("table-recoverable", "Table", {"serverSideEncryption": None}),
    ("table-recoverable", "Table", {"pointInTimeRecovery": {"enabled": False}}),
    ("log-retention", "LogGroup", {"retentionInDays": 0}),
    ("function-log", "Function", {"loggingConfig": None}),
    ("function-log", "Function", {"loggingConfig": {"logFormat": "Text", "logGroup": "own"}}),
    ("key-rotation", "Key", {"enableKeyRotation": False}),
    (
        "metadata-by-token",
        TEMPLATE,
        {"metadataOptions": {"httpTokens": "optional", "httpPutResponseHopLimit": 1}},
    ),
    ("metadata-by-token", "InfrastructureConfiguration", {"instanceMetadataOptions": None}),
    (
        "metadata-one-hop",
        TEMPLATE,
        {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 64}},
    ),
    ("volumes-encrypted", TEMPLATE, {"blockDeviceMappings": None}),
    ("volumes-encrypted", TEMPLATE, {"blockDeviceMappings": [{"ebs": {"volumeSize": 8}}]}),
    ("no-open-ingress", GROUP, {"ingress": [{"cidrBlocks": ["10.0.0.0/8"], "ipv6CidrBlocks": ["::/0"]}]}),
]


NOT_SET = {"inlinePolicies", "managedPolicyArns", "ingress"}
"""Properties that the program never sets."""


@pytest.mark.parametrize(("rule", "kind", "changes"), FAULTS)
def test_a_fault_is_found_by_its_rule(
    utils: Recorded, analysis: Recorded, rule: str, kind: str, changes: Mapping[str, Any]
) -> None:
    for stack in (utils, analysis):
        every = list(stack.stack().resources)
        fits = (
            kind in (one.type, one.type.rpartition(":")[2])
            and changes.keys() <= one.properties.keys() | NOT_SET
            for one in every
        )
        place = next((place for place, fit in enumerate(fits) if fit), None)
        if place is not None:
            break
    assert place is not None
    every[place] = replace(every[place], properties={**every[place].properties, **changes})
    assert {finding.rule.name for finding in run(RULES, StackResources(every)).findings} == {rule}


def test_every_rule_is_tried_out_above() -> None:
    assert {rule for rule, _, _ in FAULTS} | {"tagged"} == set(BY_NAME)


@pytest.mark.parametrize("source", ["0.0.0.0/0", "::/0"])
def test_a_port_that_is_open_to_the_world_is_found(source: str) -> None:
    rule = Resource(INGRESS, "ssh", {"cidrIpv6" if ":" in source else "cidrIpv4": source})
    (finding,) = run([BY_NAME["no-open-ingress"]], StackResources([rule])).findings
    assert source in finding.got
    closed = Resource(INGRESS, "ssh", {"cidrIpv4": "192.0.2.0/24"})
    assert not run([BY_NAME["no-open-ingress"]], StackResources([closed])).findings


def test_a_resource_of_another_provider_has_no_tags(analysis: Recorded) -> None:
    every = list(analysis.stack().resources)
    own = next(place for place, one in enumerate(every) if one.type.startswith("aws:"))
    moved = [replace(one, provider="urn:other") if place == own else one for place, one in enumerate(every)]
    assert [finding.rule.name for finding in run(RULES, StackResources(moved)).findings] == ["tagged"]
    untagged = [
        replace(one, properties={"region": "us-east-1"}) if one.type.startswith("pulumi:providers") else one
        for one in every
    ]
    found = run(RULES, StackResources(untagged)).findings
    assert len(found) == sum(one.type.startswith("aws:") for one in every)


def test_what_is_not_known_yet_is_no_finding_and_not_forgotten(utils: Recorded) -> None:
    every = [
        replace(one, properties={**one.properties, "policy": UNKNOWN})
        if one.type == "aws:iam/rolePolicy:RolePolicy"
        else one
        for one in utils.stack().resources
    ]
    report = run(RULES, StackResources(every))
    assert not report.findings
    assert {rule.name for rule, _ in report.open} == {
        "no-wildcard-action",
        "no-unscoped-resource",
        "pass-role-to-a-service",
    }


def test_actions_without_a_resource_level_have_a_reason() -> None:
    assert all("*" not in action and len(reason) > 20 for action, reason in UNSCOPED.items())


def step(op: str, kind: str, name: str, inputs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:x::neurocaas::{kind}::{name}"
    state = {"urn": urn, "type": kind, "inputs": inputs, **more}
    return {"op": op, "urn": urn, "oldState" if op in ("same", "delete") else "newState": state}


def test_a_preview_has_what_will_be_there() -> None:
    some: Callable[[str], str] = lambda kind: f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"  # noqa: E731
    bucket = "urn:pulumi:x::neurocaas::aws:s3/bucket:Bucket::data"
    unknown = next(iter(SENTINELS))
    digest = {
        "steps": [
            step("create", some("Bucket"), "data", {"forceDestroy": True}),
            step(
                "create",
                some("BucketVersioning"),
                "data",
                {"bucket": unknown},
                propertyDependencies={"bucket": [bucket]},
            ),
            step(
                "same",
                some("Bucket"),
                "old",
                {},
                outputs={"bucket": "old-1", "arn": "arn:aws:s3:::old-1"},
                id="old-1",
            ),
            step("same", some("BucketVersioning"), "old", {"bucket": "old-1"}, provider="urn:p::id"),
            step("delete", some("Bucket"), "gone", {}),
        ]
    }
    stack = from_preview(digest)
    assert [one.name for one in stack.resources] == ["data", "data", "old", "old"]
    first, its, second, beside = stack.resources
    assert its.properties == {"bucket": UNKNOWN}
    assert stack.beside(first, some("BucketVersioning"), "bucket") == [its]
    assert stack.beside(second, some("BucketVersioning"), "bucket") == [beside]
    assert beside.provider == "urn:p"
