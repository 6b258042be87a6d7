"""Functions of the provider against the emulator: what a program asks before it makes anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import OperationFailed
from localcloud.pulumi.provider.functions import invoke
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local

TAGGED = "aws:resourcegroupstaggingapi/getResources:getResources"


def session(emulator: Cloud, key: str, secret: str) -> Session:
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    return Session({"AWS_ENDPOINT_URL": emulator.endpoint, "AWS_REGION": "us-east-1", **keys})


def buckets(asking: Session, **tags: str) -> dict[str, dict[str, str]]:
    filters = [{"key": key, "values": [value]} for key, value in tags.items()]
    arguments: dict[str, Any] = {"resourceTypeFilters": ["s3"], "tagFilters": filters}
    found = invoke(asking, "us-east-1", TAGGED, arguments)["resourceTagMappingLists"]
    return {one["resourceArn"]: one["tags"] for one in found}


def test_buckets_are_found_by_their_tags(client: Client, emulator: Cloud) -> None:
    s3 = client("s3")
    for name, tags in (("tagged-a", {"p": "x", "stack": "a"}), ("tagged-b", {"p": "x"}), ("tagged-c", {})):
        s3.create_bucket(Bucket=name)
        if tags:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs})
    root = session(emulator, emulator.access_key_id, emulator.secret_access_key)
    assert buckets(root, p="x", stack="a") == {"arn:aws:s3:::tagged-a": {"p": "x", "stack": "a"}}
    assert set(buckets(root, p="x")) == {"arn:aws:s3:::tagged-a", "arn:aws:s3:::tagged-b"}
    assert buckets(root, p="y") == {}


def test_who_asks_needs_the_right_to(client: Client, emulator: Cloud) -> None:
    iam = client("iam")
    iam.create_user(UserName="reviewer")
    key = iam.create_access_key(UserName="reviewer")["AccessKey"]
    asking = session(emulator, key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(OperationFailed, match="tag:GetResources"):
        buckets(asking, p="z")
    statement = {"Effect": "Allow", "Action": "tag:GetResources", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reviewer", PolicyName="p", PolicyDocument=document)
    assert buckets(asking, p="z") == {}


def test_parameters_are_found_below_a_path(client: Client, emulator: Cloud) -> None:
    ssm = client("ssm")
    for name in ("/there/a/one", "/there/a/deep/two", "/there/ab/three"):
        ssm.put_parameter(Name=name, Value=name.upper(), Type="String")
    root = session(emulator, emulator.access_key_id, emulator.secret_access_key)
    token = "aws:ssm/getParametersByPath:getParametersByPath"
    found = invoke(root, "us-east-1", token, {"path": "/there/a", "recursive": True})
    assert dict(zip(found["names"], found["values"], strict=True)) == {
        "/there/a/one": "/THERE/A/ONE",
        "/there/a/deep/two": "/THERE/A/DEEP/TWO",
    }
    assert invoke(root, "us-east-1", token, {"path": "/nothing"})["names"] == []
