"""IAM of the local cloud: one verified root key, roles that are passed, launches checked on every resource,
tags and variables.
"""

from __future__ import annotations

import gzip
import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.denials import denied
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def message(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Message"])


class World:
    """A role with an instance profile, two launch templates, and a user whose policy a test sets."""

    def __init__(self, client: Client) -> None:
        self.id = uuid.uuid4().hex[:10]
        self._client, self.iam, ec2 = client, client("iam"), client("ec2")
        self.role = self.make_role("instance", "ec2.amazonaws.com")
        self.iam.create_instance_profile(InstanceProfileName=self.id)
        self.iam.add_role_to_instance_profile(InstanceProfileName=self.id, RoleName=f"instance-{self.id}")
        data = {
            "ImageId": BASE_IMAGES[0].image_id,
            "InstanceType": "m5.large",
            "IamInstanceProfile": {"Name": self.id},
        }
        self.template, self.other = (
            ec2.create_launch_template(LaunchTemplateName=f"{kind}-{self.id}", LaunchTemplateData=data)[
                "LaunchTemplate"
            ]["LaunchTemplateId"]
            for kind in ("ours", "other")
        )
        self.user = f"user-{self.id}"
        self.iam.create_user(UserName=self.user)
        self.key = self.iam.create_access_key(UserName=self.user)["AccessKey"]
        arn = f"arn:aws:ec2:us-east-1:000000000000:launch-template/{self.template}"
        self.only_ours = {
            "Effect": "Allow",
            "Action": "ec2:RunInstances",
            "Resource": "*",
            "Condition": {
                "ArnLike": {"ec2:LaunchTemplate": arn},
                "Bool": {"ec2:IsLaunchTemplateResource": "true"},
            },
        }
        self.pass_role = {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": self.role,
            "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        }

    def make_function(self, name: str, role: str, code: str) -> None:
        """A Lambda function with the role; `code` has its `handler`."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("h.py", code)
        self._client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="h.handler",
            Role=role,
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
        )

    def make_role(self, kind: str, service: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        return str(
            self.iam.create_role(RoleName=f"{kind}-{self.id}", AssumeRolePolicyDocument=document)["Role"][
                "Arn"
            ]
        )

    def allow(self, *statements: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.iam.put_user_policy(UserName=self.user, PolicyName="p", PolicyDocument=document)

    def as_user(self, service: str) -> Any:
        return self._client(service, key=self.key["AccessKeyId"], secret=self.key["SecretAccessKey"])

    def run(self, template: str = "", **arguments: Any) -> Any:
        wanted = {"LaunchTemplate": {"LaunchTemplateId": template or self.template}, **arguments}
        return self.as_user("ec2").run_instances(MinCount=1, MaxCount=1, **wanted)

    def role_may(self, *statements: dict[str, Any]) -> None:
        """What the instance role is allowed."""
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.iam.put_role_policy(RoleName=f"instance-{self.id}", PolicyName="p", PolicyDocument=document)

    def session(self, name: str, **arguments: Any) -> Callable[[str], Any]:
        """Clients of a session of the instance role, which root begins as the fleet does."""
        answer = self._client("sts").assume_role(RoleArn=self.role, RoleSessionName=name, **arguments)
        return self.with_credentials(answer["Credentials"])

    def with_credentials(self, given: dict[str, Any]) -> Callable[[str], Any]:
        key = {
            "key": given["AccessKeyId"],
            "secret": given["SecretAccessKey"],
            "token": given["SessionToken"],
        }
        return lambda service: self._client(service, **key)

    def bucket(self, name: str) -> str:
        full = f"{name}-{self.id}"
        self._client("s3").create_bucket(Bucket=full)
        return full


@pytest.fixture
def world(client: Client) -> World:
    return World(client)


def test_a_bucket_of_another_owner_than_expected_is_refused(client: Client) -> None:
    s3, owner, other = client("s3"), client("sts").get_caller_identity()["Account"], "999999999999"
    for name in ("owners-source", "owners-target"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="owners-source", Key="a", Body=b"1", ExpectedBucketOwner=owner)
    s3.head_bucket(Bucket="owners-source", ExpectedBucketOwner=owner)
    place: dict[str, Any] = {"Bucket": "owners-source", "Key": "a"}
    copy = {"Bucket": "owners-target", "Key": "b", "CopySource": place}
    s3.copy_object(**copy, ExpectedBucketOwner=owner, ExpectedSourceBucketOwner=owner)
    wrong = {"ExpectedBucketOwner": other}
    assert code(s3.get_object, **place, **wrong) == "AccessDenied"
    assert code(s3.put_object, **place, Body=b"2", **wrong) == "AccessDenied"
    assert code(s3.delete_object, **place, **wrong) == "AccessDenied"
    assert code(s3.create_multipart_upload, **place, **wrong) == "AccessDenied"
    assert code(s3.list_objects_v2, Bucket="owners-source", **wrong) == "AccessDenied"
    assert code(s3.head_bucket, Bucket="owners-source", **wrong) == "403"
    assert code(s3.head_bucket, Bucket="owners-nowhere", **wrong) == "404"
    assert code(s3.copy_object, **copy, ExpectedSourceBucketOwner=other) == "AccessDenied"
    assert code(s3.get_object, **place, ExpectedBucketOwner="dti") == "InvalidBucketOwnerAWSAccountID"
    assert s3.get_object(**place)["Body"].read() == b"1"


def test_a_policy_may_say_whose_buckets(world: World, client: Client) -> None:
    account, name = client("sts").get_caller_identity()["Account"], world.bucket("iam-owned")
    for said, answer in ((account, "NoSuchKey"), ("999999999999", "AccessDenied")):
        world.allow(
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceAccount": said}},
            }
        )
        assert code(world.as_user("s3").get_object, Bucket=name, Key="none") == answer


@pytest.mark.parametrize(
    ("key", "secret"), [("test", "test"), ("000000000000", "test"), ("AKIAIOSFODNN7EXAMPLE", "x")]
)
def test_no_other_key_is_root(client: Client, key: str, secret: str) -> None:
    assert code(client("s3", key=key, secret=secret).list_buckets) == "InvalidAccessKeyId"


def test_the_root_key_s_signature_is_verified(client: Client, emulator: Cloud) -> None:
    for service, call in (("s3", "list_buckets"), ("ec2", "describe_instances"), ("iam", "list_users")):
        wrong = client(service, key=emulator.access_key_id, secret="wrong")
        assert code(getattr(wrong, call)) in ("SignatureDoesNotMatch", "AuthFailure")
        getattr(client(service), call)()


def test_nothing_without_a_signature(emulator: Cloud) -> None:
    anonymous = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    for service, call in (("s3", "list_buckets"), ("sqs", "list_queues"), ("dynamodb", "list_tables")):
        make: Any = boto3.client
        nobody = make(service, endpoint_url=emulator.endpoint, region_name="us-east-1", config=anonymous)
        with pytest.raises(ClientError):
            getattr(nobody, call)()


def test_who_has_no_credentials_reads_what_a_public_policy_gives_and_nothing_else(
    client: Client, emulator: Cloud
) -> None:
    s3, name = client("s3"), "iam-public-objects"
    s3.create_bucket(Bucket=name)
    for key in ("open/a", "closed/a"):
        s3.put_object(Bucket=name, Key=key, Body=b"1")
    make: Any = boto3.client
    anonymous = Config(
        signature_version=UNSIGNED, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
    )
    nobody = make("s3", endpoint_url=emulator.endpoint, region_name="us-east-1", config=anonymous)

    def refused(call: Callable[[], Any]) -> bool:
        try:
            call()
        except ClientError:
            return True
        return False

    reads = {
        "open": lambda: nobody.get_object(Bucket=name, Key="open/a"),
        "closed": lambda: nobody.get_object(Bucket=name, Key="closed/a"),
    }
    assert [refused(read) for read in reads.values()] == [True, True]
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/open/*",
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert [refused(read) for read in reads.values()] == [False, True]
    assert nobody.head_object(Bucket=name, Key="open/a")["ContentLength"] == 1
    for call in (
        lambda: nobody.put_object(Bucket=name, Key="open/a", Body=b"2"),
        lambda: nobody.delete_object(Bucket=name, Key="open/a"),
        lambda: nobody.list_objects_v2(Bucket=name, Prefix="open/"),
        lambda: nobody.get_object(Bucket="iam-no-such-bucket", Key="open/a"),
        lambda: nobody.create_bucket(Bucket="iam-nobodys-bucket"),
        lambda: nobody.list_buckets(),
        lambda: nobody.get_bucket_policy(Bucket=name),
    ):
        assert refused(call)
    s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration={**block, "RestrictPublicBuckets": True}
    )
    assert [refused(read) for read in reads.values()] == [True, True]


def test_only_from_this_launch_template(world: World) -> None:
    world.allow(world.only_ours, world.pass_role)
    assert len(world.run()["Instances"]) == 1
    assert len(world.run(InstanceType="m5.xlarge", UserData="x")["Instances"]) == 1  # not resources
    assert code(world.run, template=world.other) == "UnauthorizedOperation"
    # overrides the template's image
    assert code(world.run, ImageId=BASE_IMAGES[1].image_id) == "UnauthorizedOperation"
    bare = world.as_user("ec2").run_instances
    assert (
        code(bare, ImageId=BASE_IMAGES[0].image_id, InstanceType="m5.large", MinCount=1, MaxCount=1)
        == "UnauthorizedOperation"
    )


def test_a_role_must_be_passed(world: World) -> None:
    world.allow(world.only_ours)
    assert f"iam:PassRole on resource: {world.role}" in message(world.run)
    elsewhere = {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
    world.allow(world.only_ours, {**world.pass_role, **elsewhere})
    assert "iam:PassRole" in message(world.run)


def test_tags_of_a_launch_need_their_own_permission(world: World) -> None:
    wanted = [{"ResourceType": "instance", "Tags": [{"Key": "analysis", "Value": "a"}]}]
    world.allow(world.only_ours, world.pass_role)
    assert "ec2:CreateTags" in message(world.run, TagSpecifications=wanted)
    tagging = {
        "Effect": "Allow",
        "Action": "ec2:CreateTags",
        "Resource": "*",
        "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances", "aws:RequestTag/analysis": "a"}},
    }
    world.allow(world.only_ours, world.pass_role, tagging)
    assert len(world.run(TagSpecifications=wanted)["Instances"]) == 1
    wanted[0]["Tags"][0]["Value"] = "b"  # type: ignore[index]
    assert code(world.run, TagSpecifications=wanted) == "UnauthorizedOperation"


def test_instance_type_is_a_condition_of_the_instance_only(world: World) -> None:
    anything = {"Effect": "Allow", "Action": "ec2:RunInstances", "NotResource": "arn:aws:ec2:*:*:instance/*"}
    small = {
        "Effect": "Allow",
        "Action": "ec2:RunInstances",
        "Resource": "arn:aws:ec2:*:*:instance/*",
        "Condition": {"StringEquals": {"ec2:InstanceType": ["t3.micro", "t3.small"]}},
    }
    world.allow(anything, small, world.pass_role)
    assert code(world.run) == "UnauthorizedOperation"
    assert len(world.run(InstanceType="t3.micro")["Instances"]) == 1


def test_terminate_checks_every_instance_by_its_tags(world: World, client: Client) -> None:
    ec2 = client("ec2")

    def made(value: str) -> str:
        specification = [{"ResourceType": "instance", "Tags": [{"Key": "analysis", "Value": value}]}]
        template = {"LaunchTemplateId": world.template}
        return str(
            ec2.run_instances(
                MinCount=1, MaxCount=1, LaunchTemplate=template, TagSpecifications=specification
            )["Instances"][0]["InstanceId"]
        )

    ours, theirs = made("a"), made("b")
    for key in ("aws:ResourceTag/analysis", "ec2:ResourceTag/analysis"):
        condition = {"StringEquals": {key: "a"}}
        world.allow(
            {"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*", "Condition": condition}
        )
        user = world.as_user("ec2")
        assert code(user.terminate_instances, InstanceIds=[ours, theirs]) == "UnauthorizedOperation"
        [state] = ec2.describe_instances(InstanceIds=[ours])["Reservations"][0]["Instances"]
        assert state["State"]["Name"] == "pending"  # all or nothing
        assert code(user.terminate_instances, InstanceIds=[theirs]) == "UnauthorizedOperation"
        assert len(user.terminate_instances(InstanceIds=[ours])["TerminatingInstances"]) == 1
        ours = made("a")


def test_policy_variables(world: World, client: Client) -> None:
    s3, bucket = client("s3"), f"variables-{world.id}"
    s3.create_bucket(Bucket=bucket)
    for owner in (world.user, "somebody"):
        s3.put_object(Bucket=bucket, Key=f"home/{owner}/x", Body=b"1")
    world.allow(
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*",
        }
    )
    user = world.as_user("s3")
    assert user.get_object(Bucket=bucket, Key=f"home/{world.user}/x")["Body"].read() == b"1"
    assert code(user.get_object, Bucket=bucket, Key="home/somebody/x") == "AccessDenied"


def test_characters_that_would_be_wildcards(world: World, client: Client) -> None:
    """`${*}` and `${?}` are the characters themselves, wherever a pattern may be (IAM user guide, "Variables
    and tags").
    """
    s3, bucket = client("s3"), f"literals-{world.id}"
    s3.create_bucket(Bucket=bucket)
    for key in ("a*b", "axb", "a?b", "plain", "x"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    user, everything = world.as_user("s3"), f"arn:aws:s3:::{bucket}/*"

    def readable() -> set[str]:
        return {
            key
            for key in ("a*b", "axb", "a?b", "plain", "x")
            if not denied(lambda key=key: user.get_object(Bucket=bucket, Key=key))  # type: ignore[misc]
        }

    get = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": everything}
    world.allow({**get, "Resource": f"arn:aws:s3:::{bucket}/a${{*}}b"})
    assert readable() == {"a*b"}
    world.allow({**get, "Resource": [f"arn:aws:s3:::{bucket}/a${{?}}b", f"arn:aws:s3:::{bucket}/p*"]})
    assert readable() == {"a?b", "plain"}
    world.allow({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
                 "Condition": {"StringLike": {"s3:prefix": "*"},
                     "StringNotLike": {"s3:prefix": ["*${*}*", "*${?}*"]},
                               "StringNotEquals": {"s3:prefix": "x${*}"}}})  # fmt: skip
    assert user.list_objects_v2(Bucket=bucket, Prefix="plain")["KeyCount"] == 1
    for prefix in ("*", "a*b", "a?", "?"):
        assert code(user.list_objects_v2, Bucket=bucket, Prefix=prefix) == "AccessDenied", prefix
    world.allow({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
                 "Condition": {"StringEquals": {"s3:prefix": "x${*}"}}})  # fmt: skip
    assert user.list_objects_v2(Bucket=bucket, Prefix="x*")["KeyCount"] == 0
    assert code(user.list_objects_v2, Bucket=bucket, Prefix="xy") == "AccessDenied"


ODD_KEYS = (
    *(
        "two\nlines",
        "\n",
        "a\r",
        "tab\tb",
        "\x01",
        " a ",
        "a//b",
        "/a",
        "a/",
        "a\\b",
        "../b",
        "a/../b",
        "./a",
        "%2e%2e",
        "a+b",
        "a?b#c&d=e",
    ),
    *(
        "é",
        "e\u0301",
        "A",
        "a",
        "語" * 83,
        "x" * 1000,
        "😀",
        "\u2028",
        "a;b,c",
        "x=y&uploads",
        "ends in a break\n",
        "*",
        "\x7f",
    ),
)


def test_keys_of_every_kind_are_below_the_prefix_that_they_begin_with(world: World, client: Client) -> None:
    """A group may reach all that S3 can hold below its own folder, with line breaks, too, and nothing beside
    it.
    """
    s3, bucket, user = client("s3"), f"odd-{world.id}", world.as_user("s3")
    s3.create_bucket(Bucket=bucket)
    mine = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/lab/*",
    }
    lists = {
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": "lab/*"}},
    }
    world.allow(mine, {"Effect": "Allow", **lists})
    for key in ODD_KEYS:
        user.put_object(Bucket=bucket, Key=f"lab/{key}", Body=key.encode())
        assert user.get_object(Bucket=bucket, Key=f"lab/{key}")["Body"].read() == key.encode(), repr(key)
        assert code(user.put_object, Bucket=bucket, Key=f"other/{key}", Body=b"") == "AccessDenied", repr(key)
        assert user.list_objects_v2(Bucket=bucket, Prefix=f"lab/{key}")["Contents"][0]["Key"].startswith(
            f"lab/{key}"
        )
    for place in ("lab", "lab\n", "labx/a", "\nlab/a"):
        assert code(user.put_object, Bucket=bucket, Key=place, Body=b"") == "AccessDenied", repr(place)
    world.allow({**mine, "Resource": f"arn:aws:s3:::{bucket}/lab/exact"})
    assert code(user.put_object, Bucket=bucket, Key="lab/exact\n", Body=b"") == "AccessDenied", (
        "the end is the end"
    )


def test_leading_keys(world: World, client: Client) -> None:
    table = f"ledger-{world.id}"
    client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["a"]}}
    world.allow({"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*", "Condition": condition})
    user = world.as_user("dynamodb")
    user.put_item(TableName=table, Item={"pk": {"S": "a"}})
    assert code(user.put_item, TableName=table, Item={"pk": {"S": "b"}}) == "AccessDeniedException"


def test_several_parameters_are_checked_one_by_one(world: World, client: Client) -> None:
    names = [f"/{world.id}/{name}" for name in ("budget", "budget/limit", "secret")]
    for name in names:
        client("ssm").put_parameter(Name=name, Value="1", Type="String")
    base = f"arn:aws:ssm:us-east-1:000000000000:parameter/{world.id}/budget"
    world.allow({"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": [base, f"{base}/*"]})
    ssm = world.as_user("ssm")
    assert [one["Name"] for one in ssm.get_parameters(Names=names[:2])["Parameters"]] == names[:2]
    assert ssm.get_parameters(Names=[f"{names[0]}/none"])["Parameters"] == []
    assert code(ssm.get_parameters, Names=names) == "AccessDeniedException"


def test_parameters_are_listed_by_who_may_read_below_their_path(world: World, client: Client) -> None:
    for name in ("lab1/dti/prod", "lab10/dti/prod"):
        client("ssm").put_parameter(Name=f"/{world.id}/{name}", Value="1", Type="String")
    base = f"arn:aws:ssm:us-east-1:000000000000:parameter/{world.id}/lab1"
    world.allow({"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": [base, f"{base}/*"]})
    ssm = world.as_user("ssm")
    found = ssm.get_parameters_by_path(Path=f"/{world.id}/lab1", Recursive=True)["Parameters"]
    assert [one["Name"] for one in found] == [f"/{world.id}/lab1/dti/prod"]
    for path in (f"/{world.id}/lab10", f"/{world.id}", "/"):
        assert code(ssm.get_parameters_by_path, Path=path, Recursive=True) == "AccessDeniedException"


def test_infrastructure_passes_the_profile_s_role(world: World) -> None:
    world.allow({"Effect": "Allow", "Action": "imagebuilder:*", "Resource": "*"})
    user = world.as_user("imagebuilder")
    arguments = {"name": f"infra-{world.id}", "instanceProfileName": world.id}
    assert "iam:PassRole" in message(user.create_infrastructure_configuration, **arguments)
    world.allow({"Effect": "Allow", "Action": "imagebuilder:*", "Resource": "*"}, world.pass_role)
    assert user.create_infrastructure_configuration(**arguments)["infrastructureConfigurationArn"]


def test_image_builder_is_checked_by_resource(world: World) -> None:
    own = "arn:aws:imagebuilder:*:*:component/ours-*"
    world.allow({"Effect": "Allow", "Action": "imagebuilder:CreateComponent", "Resource": own})
    user = world.as_user("imagebuilder")
    document = (
        "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: s, action: ExecuteBash, inputs: "
        "{commands: ['true']}}]}]\n"
    )
    rest = {"semanticVersion": "1.0.0", "platform": "Linux", "data": document}
    assert user.create_component(name=f"ours-{world.id}", **rest)["componentBuildVersionArn"]
    assert code(user.create_component, name=f"theirs-{world.id}", **rest) == "AccessDeniedException"
    assert code(user.list_components) == "AccessDeniedException"


def test_a_user_id_is_the_role_s_id_and_the_session_s_name(world: World, client: Client) -> None:
    """What a machine says of itself lies where only it can write: a prefix with its ``aws:userid``."""
    role_id = world.iam.get_role(RoleName=f"instance-{world.id}")["Role"]["RoleId"]
    assert role_id.startswith("AROA")
    bucket = world.bucket("evidence")
    world.role_may(
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{bucket}/evidence/${{aws:userid}}/*",
        },
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{bucket}",
            "Condition": {"StringLike": {"s3:prefix": "evidence/${aws:userid}/*"}},
        },
    )
    for name, other in (
        ("i-0123456789abcdef0", "i-0123456789abcdef1"),
        ("i-0123456789abcdef1", "i-0123456789abcdef0"),
    ):
        session = world.session(name)
        assert session("sts").get_caller_identity()["UserId"] == f"{role_id}:{name}"
        session("s3").put_object(Bucket=bucket, Key=f"evidence/{role_id}:{name}/status.json", Body=b"1")
        session("s3").list_objects_v2(Bucket=bucket, Prefix=f"evidence/{role_id}:{name}/")
        for key in (
            f"evidence/{role_id}:{other}/status.json",
            f"evidence/{role_id}:{name}",
            f"evidence/instance-{world.id}:{name}/x",
        ):
            assert code(session("s3").put_object, Bucket=bucket, Key=key, Body=b"1") == "AccessDenied"
        assert (
            code(session("s3").list_objects_v2, Bucket=bucket, Prefix=f"evidence/{role_id}:{other}/")
            == "AccessDenied"
        )


def test_a_user_id_as_a_condition(world: World, client: Client) -> None:
    bucket = world.bucket("userid")
    user_id = world.iam.get_user(UserName=world.user)["User"]["UserId"]
    assert world.as_user("sts").get_caller_identity()["UserId"] == user_id
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    for wanted, result in ((user_id, "written"), ("AIDAANOTHER", "AccessDenied")):
        world.allow({**statement, "Condition": {"StringEquals": {"aws:userid": wanted}}})
        if result == "written":
            world.as_user("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
        else:
            assert code(world.as_user("s3").put_object, Bucket=bucket, Key="k", Body=b"1") == result


def test_a_role_s_id_is_its_own_and_stays(world: World) -> None:
    name = f"again-{world.id}"
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
    first = world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["RoleId"]
    world.iam.update_role(RoleName=name, Description="other")
    world.iam.tag_role(RoleName=name, Tags=[{"Key": "k", "Value": "v"}])
    assert world.iam.get_role(RoleName=name)["Role"]["RoleId"] == first
    listed = [role for page in world.iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    assert [role["RoleId"] for role in listed if role["RoleName"] == name] == [first]
    assert len({role["RoleId"] for role in listed}) == len(listed)
    world.iam.delete_role(RoleName=name)
    assert world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["RoleId"] != first


WHO = """
import json, boto3
def handler(event, context):
    said = boto3.client("sts").get_caller_identity()["UserId"]
    s3, written = boto3.client("s3"), []
    for key in event["keys"]:
        try:
            s3.put_object(Bucket=event["bucket"], Key=key, Body=b"1")
        except s3.exceptions.ClientError:
            continue
        written.append(key)
    return {"UserId": said, "written": written}
"""


def test_a_function_s_user_id_is_its_role_s_id_and_its_name(world: World, client: Client) -> None:
    bucket, name = world.bucket("function"), f"who-{world.id}"
    role = world.make_role("function", "lambda.amazonaws.com")
    statement = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/${{aws:userid}}/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_role_policy(RoleName=f"function-{world.id}", PolicyName="p", PolicyDocument=document)
    role_id = world.iam.get_role(RoleName=f"function-{world.id}")["Role"]["RoleId"]
    world.make_function(name, role, WHO)
    keys = [f"{role_id}:{name}/k", f"{role_id}:other/k", f"function-{world.id}:{name}/k"]
    answer = client("lambda").invoke(
        FunctionName=name, Payload=json.dumps({"bucket": bucket, "keys": keys}).encode()
    )
    assert json.load(answer["Payload"]) == {"UserId": f"{role_id}:{name}", "written": keys[:1]}


def test_tags_of_the_principal(world: World, client: Client) -> None:
    bucket = world.bucket("tags")
    statement = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/${{aws:PrincipalTag/group}}/*",
    }
    world.allow(statement)
    world.role_may(statement)
    world.iam.tag_user(UserName=world.user, Tags=[{"Key": "group", "Value": "a"}])
    world.iam.tag_role(RoleName=f"instance-{world.id}", Tags=[{"Key": "group", "Value": "a"}])
    for s3 in (world.as_user("s3"), world.session("x1")("s3")):
        s3.put_object(Bucket=bucket, Key="a/k", Body=b"1")
        assert code(s3.put_object, Bucket=bucket, Key="b/k", Body=b"1") == "AccessDenied"


def test_the_instance_that_a_session_is_of(world: World, client: Client) -> None:
    """``ec2:SourceInstanceARN`` is there for sessions that the fleet begins for an instance with this role,
    and for no other.
    """
    bucket = world.bucket("source")
    template = {"LaunchTemplateId": world.template}
    [instance, other] = client("ec2").run_instances(MinCount=2, MaxCount=2, LaunchTemplate=template)[
        "Instances"
    ]
    arn = f"arn:aws:ec2:us-east-1:000000000000:instance/{instance['InstanceId']}"
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    world.role_may({**statement, "Condition": {"ArnEquals": {"ec2:SourceInstanceARN": arn}}})
    world.session(instance["InstanceId"])("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    for name in (other["InstanceId"], "i-0123456789abcdef0", "somebody"):
        assert code(world.session(name)("s3").put_object, Bucket=bucket, Key="k", Body=b"1") == "AccessDenied"
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    world.iam.update_assume_role_policy(RoleName=f"instance-{world.id}", PolicyDocument=document)
    world.allow({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": world.role})
    given = world.as_user("sts").assume_role(RoleArn=world.role, RoleSessionName=instance["InstanceId"])[
        "Credentials"
    ]
    assert (
        code(world.with_credentials(given)("s3").put_object, Bucket=bucket, Key="k", Body=b"1")
        == "AccessDenied"
    )


def test_the_principal_of_a_session_is_its_role_with_its_path(world: World, client: Client) -> None:
    """A trust policy names the role by its ARN and the session by its user id."""
    wanted = {
        "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::000000000000:role/staff/*/first-{world.id}"},
        "StringLike": {"aws:userid": "*:ann"},
    }
    trusts: dict[str, dict[str, Any]] = {
        "first": {"Principal": {"AWS": "000000000000"}},
        "second": {"Principal": {"AWS": "000000000000"}, "Condition": wanted},
        "rest": {"Principal": {"AWS": "000000000000"}, "Condition": {"ArnNotLike": wanted["ArnLike"]}},
    }
    roles = {}
    for name, trust in trusts.items():
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **trust}
        roles[name] = world.iam.create_role(
            RoleName=f"{name}-{world.id}",
            Path="/staff/here/" if name == "first" else "/",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )["Role"]["Arn"]
    take = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [take]})
    world.iam.put_role_policy(RoleName=f"first-{world.id}", PolicyName="p", PolicyDocument=document)
    for person, may in (("ann", True), ("bob", False)):
        given = client("sts").assume_role(RoleArn=roles["first"], RoleSessionName=person)["Credentials"]
        sts = world.with_credentials(given)("sts")
        wanted_role = {"RoleArn": roles["second"], "RoleSessionName": "session"}
        if may:
            assert sts.assume_role(**wanted_role)["Credentials"]
        else:
            assert code(sts.assume_role, **wanted_role) == "AccessDenied"
        assert code(sts.assume_role, RoleArn=roles["rest"], RoleSessionName="session") == "AccessDenied"


def test_a_trail_records_who_reads_and_writes_what(world: World, client: Client) -> None:
    watched, other, logs = (world.bucket(name) for name in ("watched", "unwatched", "logs"))
    trail, s3 = f"trail-{world.id}", client("s3")
    allowed = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    policy = [
        {**allowed, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{logs}"},
        {**allowed, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{logs}/*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": policy})
    s3.put_bucket_policy(Bucket=logs, Policy=document)
    cloudtrail = client("cloudtrail")
    cloudtrail.create_trail(Name=trail, S3BucketName=logs, S3KeyPrefix="data")
    selected = [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{watched}/"]}]
    cloudtrail.put_event_selectors(
        TrailName=trail, EventSelectors=[{"ReadWriteType": "All", "DataResources": selected}]
    )
    cloudtrail.start_logging(Name=trail)
    world.allow({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::*/*"})
    world.as_user("s3").put_object(Bucket=watched, Key="a b/k", Body=b"12")
    world.as_user("s3").put_object(Bucket=other, Key="k", Body=b"12")
    assert code(world.as_user("s3").get_object, Bucket=watched, Key="a b/k") == "AccessDenied"
    world.role_may({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{watched}/*"})
    world.session("ann")("s3").get_object(Bucket=watched, Key="a b/k")

    files = [one["Key"] for one in s3.list_objects_v2(Bucket=logs)["Contents"]]
    assert all(key.startswith("data/AWSLogs/000000000000/CloudTrail/us-east-1/2") for key in files)
    found = [
        record
        for key in files
        if key.endswith(".json.gz")
        for record in json.loads(gzip.decompress(s3.get_object(Bucket=logs, Key=key)["Body"].read()))[
            "Records"
        ]
    ]
    assert [(one["eventName"], one.get("errorCode"), one["readOnly"]) for one in found] == [
        ("PutObject", None, False),
        ("GetObject", "AccessDenied", True),
        ("GetObject", None, True),
    ]
    assert {one["requestParameters"]["key"] for one in found} == {"a b/k"}
    user, refused, session = (one["userIdentity"] for one in found)
    assert user == refused
    assert (user["type"], user["userName"]) == ("IAMUser", world.user)
    assert session["arn"].endswith(f":assumed-role/instance-{world.id}/ann")
    assert session["principalId"] == f"{session['sessionContext']['sessionIssuer']['principalId']}:ann"
    assert found[0]["additionalEventData"]["bytesTransferredIn"] == 2


def _takeable(world: World, name: str, **test: Any) -> str:
    """A role that anybody of the account may take whose name the conditions let pass."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, "Condition": test}]})
    made = world.iam.create_role(RoleName=f"{name}-{world.id}", AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])


def test_a_trust_policy_ties_the_name_of_a_session_to_who_begins_it(world: World, client: Client) -> None:
    named = _takeable(world, "named", StringEquals={"sts:RoleSessionName": "${aws:username}"})
    passed = _takeable(world, "passed", StringLike={"aws:userid": "*:${sts:RoleSessionName}"})
    world.allow({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [named, passed]})
    sts = world.as_user("sts")
    given = sts.assume_role(RoleArn=named, RoleSessionName=world.user)["Credentials"]
    for other in ("ann", f"{world.user}-", "${aws:username}"):
        with pytest.raises((ClientError, ParamValidationError)):
            sts.assume_role(RoleArn=named, RoleSessionName=other)
    document = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": passed}
    text = json.dumps({"Version": "2012-10-17", "Statement": [document]})
    world.iam.put_role_policy(RoleName=f"named-{world.id}", PolicyName="p", PolicyDocument=text)
    chained = world.with_credentials(given)("sts")
    assert chained.assume_role(RoleArn=passed, RoleSessionName=world.user)["Credentials"]
    assert code(chained.assume_role, RoleArn=passed, RoleSessionName="ann") == "AccessDenied"
    # a variable without a value is no name: root has no user name
    assert code(client("sts").assume_role, RoleArn=named, RoleSessionName="root") == "AccessDenied"


def test_an_event_of_a_bucket_says_who_wrote(world: World, client: Client) -> None:
    bucket, sqs = world.bucket("told"), client("sqs")
    queue = sqs.create_queue(QueueName=f"told-{world.id}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    open_to = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [open_to]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    sqs.purge_queue(QueueUrl=queue)  # S3's test message
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    world.allow(write)
    world.role_may(write)
    user = world.iam.get_user(UserName=world.user)["User"]["UserId"]
    role = world.iam.get_role(RoleName=f"instance-{world.id}")["Role"]["RoleId"]
    for s3, who in (
        (world.as_user("s3"), f"AWS:{user}"),
        (world.session("ann")("s3"), f"AWS:{role}:ann"),
        (client("s3"), "000000000000"),
    ):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1")
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        (record,) = json.loads(message["Body"])["Records"]
        assert record["userIdentity"] == {"principalId": who}


def test_a_launch_gets_the_profile_and_the_time_of_its_tags(world: World) -> None:
    """A machine that is tagged with a group gets that group's profile only, and a Timeout within the
    analysis's maximum.
    """
    prefix = "arn:aws:iam::000000000000:instance-profile/project/stack"
    for group in ("a", "b"):
        world.iam.create_instance_profile(
            InstanceProfileName=f"{group}-{world.id}", Path=f"/project/stack/{group}/"
        )
        world.iam.add_role_to_instance_profile(
            InstanceProfileName=f"{group}-{world.id}", RoleName=f"instance-{world.id}"
        )
    bound = {
        "Effect": "Allow",
        "Action": "ec2:RunInstances",
        "Resource": "arn:aws:ec2:*:*:instance/*",
        "Condition": {
            "ArnLike": {"ec2:InstanceProfile": f"{prefix}/${{aws:RequestTag/group}}/*"},
            "NumericLessThanEquals": {"aws:RequestTag/Timeout": "3600"},
        },
    }
    rest = {"Effect": "Allow", "Action": "ec2:RunInstances", "NotResource": "arn:aws:ec2:*:*:instance/*"}
    tagging = {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}
    world.allow(bound, rest, tagging, world.pass_role)

    def launch(profile: str, **tags: str) -> Any:
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        specification = [{"ResourceType": "instance", "Tags": listed}] if tags else []
        return world.run(IamInstanceProfile={"Name": profile}, TagSpecifications=specification)

    assert len(launch(f"a-{world.id}", group="a", Timeout="3600")["Instances"]) == 1
    refused: list[tuple[str, dict[str, str]]] = [
        (f"b-{world.id}", {"group": "a", "Timeout": "60"}),
        (f"a-{world.id}", {"group": "b", "Timeout": "60"}),
        (world.id, {"group": "a", "Timeout": "60"}),
        (f"a-{world.id}", {"group": "a", "Timeout": "3601"}),
        (f"a-{world.id}", {"group": "a", "Timeout": "for ever"}),
        (f"a-{world.id}", {"group": "a"}),
        (f"a-{world.id}", {"Timeout": "60"}),
        (f"a-{world.id}", {}),
    ]
    for profile, tags in refused:
        assert code(launch, profile=profile, **tags) == "UnauthorizedOperation", (profile, tags)


def test_a_session_policy_confines_what_the_role_and_the_bucket_allow(world: World, client: Client) -> None:
    """The monitor's writer: each session is confined to one group, also where the bucket's policy names the
    role.

    IAM user guide, "Session policies": a grant to the role's ARN is limited by the session policy, one to the
    session's ARN is not.
    """
    own, given = world.bucket("own"), world.bucket("given")
    for bucket in (own, given):
        for key in ("a/old", "b/old"):
            client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    world.role_may(
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{own}/*"}
    )
    actions = ["s3:PutObject", "s3:DeleteObject"]
    session_arn = f"arn:aws:sts::000000000000:assumed-role/instance-{world.id}/named"

    def bucket_policy(principal: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": principal},
            "Action": actions,
            "Resource": f"arn:aws:s3:::{given}/*",
        }
        client("s3").put_bucket_policy(
            Bucket=given, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        )

    policy = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": [f"arn:aws:s3:::{bucket}/a/*" for bucket in (own, given)],
    }
    limit = {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [policy]})}
    bucket_policy(world.role)
    free, confined = world.session("free")("s3"), world.session("confined", **limit)("s3")
    for bucket in (own, given):
        for key in ("a/k", "b/k"):
            free.put_object(Bucket=bucket, Key=key, Body=b"1")
        confined.put_object(Bucket=bucket, Key="a/k", Body=b"2")
        assert code(confined.put_object, Bucket=bucket, Key="b/k", Body=b"2") == "AccessDenied"
    confined.delete_object(Bucket=given, Key="a/old")
    assert code(confined.delete_object, Bucket=given, Key="b/old") == "AccessDenied"
    # the role has no such right: no session gets more
    assert code(confined.delete_object, Bucket=own, Key="a/old") == "AccessDenied"
    # the session has not what the role has
    assert code(confined.get_object, Bucket=own, Key="a/old") == "AccessDenied"
    bucket_policy(session_arn)
    world.session("named", **limit)("s3").put_object(Bucket=given, Key="b/k", Body=b"3")
    assert code(confined.put_object, Bucket=given, Key="b/k", Body=b"3") == "AccessDenied"
    assert code(confined.put_object, Bucket=given, Key="a/k", Body=b"3") == "AccessDenied"


ASSUME = """
import json, boto3
def handler(event, context):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [event["statement"]]})
    sts = boto3.client("sts")
    given = sts.assume_role(RoleArn=event["role"], RoleSessionName="group", Policy=policy, DurationSeconds=900)["Credentials"]
    s3 = boto3.client("s3", aws_access_key_id=given["AccessKeyId"], aws_secret_access_key=given["SecretAccessKey"],
                      aws_session_token=given["SessionToken"])
    outcomes = {}
    for key in event["keys"]:
        try:
            s3.put_object(Bucket=event["bucket"], Key=key, Body=b"1")
            outcomes[key] = "written"
        except s3.exceptions.ClientError as error:
            outcomes[key] = error.response["Error"]["Code"]
    return outcomes
"""  # noqa: E501


def test_a_function_s_role_confines_itself(world: World, client: Client) -> None:
    bucket, name = world.bucket("writer"), f"assume-{world.id}"
    role = world.make_role("monitor", "lambda.amazonaws.com")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": world.role}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_role_policy(RoleName=f"monitor-{world.id}", PolicyName="p", PolicyDocument=document)
    world.make_function(name, role, ASSUME)
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    world.role_may(write)
    asked = {
        "bucket": bucket,
        "role": world.role,
        "keys": ["a/k", "b/k"],
        "statement": {**write, "Resource": f"arn:aws:s3:::{bucket}/a/*"},
    }

    def outcome() -> Any:
        return json.load(
            client("lambda").invoke(FunctionName=name, Payload=json.dumps(asked).encode())["Payload"]
        )

    assert "AccessDenied" in outcome().get("errorMessage", "")  # its role does not trust the function's
    trust = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    world.iam.update_assume_role_policy(RoleName=f"instance-{world.id}", PolicyDocument=document)
    assert outcome() == {"a/k": "written", "b/k": "AccessDenied"}
