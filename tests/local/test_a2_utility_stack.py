"""Scenario A2 against the local cloud: what the stack `utils` makes, that it makes it once, and what it does
not give away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.artifacts import SHARED_TAGS
from tests.local.deployed import Deployed

pytestmark = [pytest.mark.local, pytest.mark.slow]

STACKS = ("utils", "analysis-webdev")


def test_a2_the_first_run_makes_key_pair_roles_profile_groups_and_bucket(service: Deployed) -> None:
    utils, iam, ec2 = service.utils, service.client("iam"), service.client("ec2")
    assert ec2.describe_key_pairs(KeyNames=[utils["key_pair_name"]])["KeyPairs"]
    assert iam.get_instance_profile(InstanceProfileName=utils["developer_instance_profile"])[
        "InstanceProfile"
    ]["Roles"]
    for arn in (utils["monitor_role_arn"], utils["developer_role_arn"], utils["lifecycle_role_arn"]):
        assert iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]["Arn"] == arn
    found = ec2.describe_security_groups(
        GroupIds=[utils["security_group_id"], utils["developer_security_group_id"]]
    )["SecurityGroups"]
    assert {one["GroupName"] for one in found} == {
        utils["security_group_name"],
        utils["developer_security_group_name"],
    }
    assert service.client("s3").head_bucket(Bucket=utils["artifact_bucket"])


def test_a2_the_second_run_changes_nothing(service: Deployed) -> None:
    service.ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")


def test_a2_the_outputs_have_the_names_of_the_old_file(service: Deployed) -> None:
    found = json.loads(
        service.ground.invoke("outputs", "utils", "--format", "global-params", "--local").stdout
    )
    folders = {
        "input": "inputs",
        "output": "results",
        "log": "logs",
        "config": "configs",
        "submission": "submissions",
    }
    assert {name: found[f"{name}_directory"] for name in folders} == folders
    assert found["bucketname"] == service.utils["artifact_bucket"]
    roles = {found["lambdarolename"], found["ec2rolename"]}
    assert roles <= {role["RoleName"] for role in service.client("iam").list_roles()["Roles"]}
    assert service.client("iam").get_instance_profile(InstanceProfileName=found["ssmrolename"])
    groups = {
        group["GroupName"] for group in service.client("ec2").describe_security_groups()["SecurityGroups"]
    }
    assert {found["securitygroupdevname"], found["securitygroupdeployname"]} <= groups
    old = {"EXECUTION_TIMEOUT", "SSM_TIMEOUT", "LAUNCH", "LOGFILE", "DEPLOY_LIMIT", "MAXCOST", "MONITOR"}
    assert old <= set(found)


def test_a2_no_secret_is_in_outputs_state_or_logs(service: Deployed) -> None:
    """The private key is in its parameter, encrypted with the stack's key, and nowhere else: not even in the
    state with its secrets opened.
    """
    name = service.utils["private_key_parameter"]
    private = service.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert private["Type"] == "SecureString"
    (described,) = service.client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Values": [name]}]
    )["Parameters"]
    assert described["KeyId"] == service.utils["kms_key_arn"]
    assert (
        service.client("kms").get_key_rotation_status(KeyId=described["KeyId"])["KeyRotationEnabled"] is True
    )
    secret = [line for line in private["Value"].splitlines() if line and not line.startswith("-----")]
    assert len(secret) > 3
    texts = {stack: service.ground.invoke("outputs", stack, "--local").stdout for stack in STACKS}
    home = service.ground.root / ".local"
    for file in [*(home / "pulumi" / "state").rglob("*.json*"), *(home / "logs").rglob("*.log")]:
        texts[str(file)] = file.read_text(errors="replace")
    opened = ("stack", "export", "--show-secrets", "--stack", "utils")
    texts["the state with its secrets opened"] = service.ground.pulumi(*opened).stdout
    assert len(texts) > 5
    assert [
        where
        for where, text in texts.items()
        if "PRIVATE KEY" in text or any(line in text for line in secret[1:])
    ] == []


def statements(service: Deployed) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every identity policy that there is: inline ones of roles and groups, and those of
    the account.
    """
    iam = service.client("iam")
    documents = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            documents[f"{name}/{policy}"] = iam.get_role_policy(RoleName=name, PolicyName=policy)[
                "PolicyDocument"
            ]
    for group in iam.list_groups()["Groups"]:
        name = group["GroupName"]
        assert iam.list_attached_group_policies(GroupName=name)["AttachedPolicies"] == []
        for policy in iam.list_group_policies(GroupName=name)["PolicyNames"]:
            documents[f"{name}/{policy}"] = iam.get_group_policy(GroupName=name, PolicyName=policy)[
                "PolicyDocument"
            ]
    for made in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId=made["DefaultVersionId"])[
            "PolicyVersion"
        ]
        documents[made["PolicyName"]] = version["Document"]
    for name, document in documents.items():
        for statement in document["Statement"]:
            yield name, statement


def test_a2_no_policy_is_wide_and_every_role_has_the_boundary(service: Deployed) -> None:
    found = list(statements(service))
    assert len(found) > 20
    for name, statement in found:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        wide = statement["Effect"] == "Allow" and [action for action in actions if "*" in action]
        assert not wide, (name, statement["Sid"])
    iam = service.client("iam")
    roles = [iam.get_role(RoleName=role["RoleName"])["Role"] for role in iam.list_roles()["Roles"]]
    assert len(roles) > 6
    boundaries = {
        role["RoleName"]: (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        for role in roles
    }
    assert set(boundaries.values()) == {service.utils["permissions_boundary_arn"]}, boundaries


def test_a2_port_22_is_open_to_nobody_unless_configured(service: Deployed) -> None:
    """Configured ranges: tests/program/test_stacks.py."""
    for group in service.client("ec2").describe_security_groups()["SecurityGroups"]:
        if group["GroupName"] != "default":
            assert group["IpPermissions"] == [], group["GroupName"]


def test_a2_logs_end_and_every_resource_is_tagged(service: Deployed) -> None:
    groups = service.client("logs").describe_log_groups()["logGroups"]
    assert len(groups) > 2
    assert [group["logGroupName"] for group in groups if group.get("retentionInDays") != 30] == []
    for stack in STACKS:
        exported = json.loads(service.ground.pulumi("stack", "export", "--stack", stack).stdout)[
            "deployment"
        ]["resources"]
        tagged = {
            one["urn"].rpartition("::")[2]: one["outputs"]["tagsAll"]
            for one in exported
            if "tagsAll" in one.get("outputs", {})
        }
        assert len(tagged) > 15
        wanted = {"neurocaas:project": "neurocaas", "neurocaas:stack": stack}
        shared = {**wanted, **SHARED_TAGS}  # of code and provisioning scripts, which stages may share
        assert [
            name for name, tags in tagged.items() if tags | wanted != tags and tags | shared != tags
        ] == []
    role = service.utils["monitor_role_arn"].rpartition("/")[2]
    real = {
        "role": {tag["Key"] for tag in service.client("iam").list_role_tags(RoleName=role)["Tags"]},
        "bucket": {
            tag["Key"]
            for tag in service.client("s3").get_bucket_tagging(Bucket=service.analysis["bucket"])["TagSet"]
        },
        "queue": set(
            service.client("sqs").list_queue_tags(QueueUrl=service.analysis["submission_queue_url"])["Tags"]
        ),
        "table": {
            tag["Key"]
            for tag in service.client("dynamodb").list_tags_of_resource(
                ResourceArn=service.utils["ledger_table_arn"]
            )["Tags"]
        },
        "key": {
            tag["TagKey"]
            for tag in service.client("kms").list_resource_tags(KeyId=service.utils["kms_key_arn"])["Tags"]
        },
    }
    assert [what for what, tags in real.items() if not {"neurocaas:project", "neurocaas:stack"} <= tags] == []


def test_a2_who_reads_and_writes_users_data_is_recorded_when_asked_for(service: Deployed) -> None:
    trails = service.client("cloudtrail")
    (found,) = trails.describe_trails()["trailList"]
    assert found["S3BucketName"] == service.utils["log_bucket"]
    assert trails.get_trail_status(Name=found["TrailARN"])["IsLogging"] is True
    (selector,) = trails.get_event_selectors(TrailName=found["TrailARN"])["EventSelectors"]
    (watched,) = selector["DataResources"]
    assert f"arn:aws:s3:::{service.analysis['bucket']}/" in watched["Values"]
