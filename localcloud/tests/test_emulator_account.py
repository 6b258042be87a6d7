"""The local cloud as a difficult account, one property at a time: AWS's codes and words, nothing made."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.homes import Client, CloudHome, client_of, kill

pytestmark = pytest.mark.local
BASE = BASE_IMAGES[0]
SPOT = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
ENCRYPTED = [{"DeviceName": BASE.root_device, "Ebs": {"Encrypted": True}}]
Change = Callable[..., dict[str, Any]]


@pytest.fixture
def account(emulator: Cloud) -> Iterator[Change]:
    """``account(default_vpc=False)``; the account is an easy one again after the test."""

    def change(**properties: Any) -> dict[str, Any]:
        return emulator.admin("POST", "account", properties)

    yield change
    emulator.admin("POST", "account", {})


@pytest.fixture
def ec2(client: Client) -> Any:
    return client("ec2")


def name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def launch(ec2: Any, **arguments: Any) -> list[dict[str, Any]]:
    wanted = {"MinCount": 1, "MaxCount": 1, "ImageId": BASE.image_id, "InstanceType": "t3.micro", **arguments}
    return list(ec2.run_instances(**wanted)["Instances"])


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error.get("Message", ""))


def instances(ec2: Any) -> set[str]:
    return {i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}


def ended(ec2: Any, identifier: str, state: str = "terminated") -> dict[str, Any]:
    """The machine, when EC2 has ended it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        [found] = ec2.describe_instances(InstanceIds=[identifier])["Reservations"][0]["Instances"]
        if found["State"]["Name"] == state:
            return dict(found)
        time.sleep(0.1)
    pytest.fail(f"{identifier} is still {found['State']['Name']}")


def role_of(client: Client, *statements: dict[str, Any]) -> Client:
    """Clients of a new role that may do what the statements say, and start machines."""
    iam, sts, own = client("iam"), client("sts"), name("role")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    made = iam.create_role(
        RoleName=own,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    start = {"Effect": "Allow", "Action": ["ec2:*", "iam:PassRole"], "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [start, *statements]}
    iam.put_role_policy(RoleName=own, PolicyName="own", PolicyDocument=json.dumps(document))
    keys = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="test")["Credentials"]

    def assumed(service: str, **more: Any) -> Any:
        return client(service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], **more)

    return assumed


def test_changes_are_shown_refused_and_taken_back(emulator: Cloud, account: Change) -> None:
    easy = emulator.admin("GET", "account")
    assert (easy["default_vpc"], easy["quotas"]) == (True, {})
    assert account(default_vpc=False)["default_vpc"] is False
    assert account(snapshot_gib=30)["default_vpc"] is False  # one at a time
    with pytest.raises(HTTPError) as caught:
        account(spot_role="perhaps", default_vpc=True)
    assert "spot_role: got" in json.loads(caught.value.read())["error"]
    assert emulator.admin("GET", "account")["default_vpc"] is False
    assert account(default_vpc=None)["default_vpc"] is True
    assert account() == easy


def test_file_and_changes_outlive_a_kill(cloud_home: CloudHome) -> None:
    cloud_home.paths.home.mkdir(parents=True, mode=0o700)
    cloud_home.paths.account_file.write_text('{"default_vpc": false, "snapshot_gib": 30}')
    cloud = cloud_home.up()
    assert (
        client_of(cloud)("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        == []
    )
    cloud.admin("POST", "account", {"snapshot_gib": 40})
    kill(cloud)
    again = cloud_home.up().admin("GET", "account")
    assert (again["default_vpc"], again["snapshot_gib"]) == (False, 40)


def test_no_default_vpc(ec2: Any, client: Client, account: Change) -> None:
    account(default_vpc=False)
    before = instances(ec2)
    code, words = refusal(launch, ec2=ec2)
    assert (code, words[:29]) == ("VPCIdNotSpecified", "No default VPC for this user.")
    group = {"GroupName": name("group"), "Description": "of a test"}
    assert refusal(ec2.create_security_group, **group) == (
        "VPCIdNotSpecified",
        "No default VPC for this user",
    )
    assert instances(ec2) == before
    default = [{"Name": "default-for-az", "Values": ["true"]}]
    assert ec2.describe_subnets(Filters=default)["Subnets"] == []

    [vpc] = ec2.describe_vpcs()["Vpcs"]  # it is an ordinary one: who names it may use it
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.create_security_group(**group, VpcId=vpc["VpcId"])["GroupId"]
    assert len(launch(ec2, SubnetId=subnet, SecurityGroupIds=[made])) == 1

    account(default_vpc=True)
    assert len(launch(ec2)) == 1
    assert len(ec2.describe_subnets(Filters=default)["Subnets"]) == 3


def test_no_spot_role(ec2: Any, client: Client, account: Change) -> None:
    account(spot_role=False)
    iam, manager = client("iam"), role_of(client)
    assert refusal(iam.get_role, RoleName="AWSServiceRoleForEC2Spot")[0] == "NoSuchEntity"
    assert refusal(launch, ec2=manager("ec2"), InstanceMarketOptions=SPOT) == (
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        "The provided credentials do not have permission to create the service-linked role for EC2 Spot "
        "Instances.",
    )
    assert len(launch(manager("ec2"))) == 1  # on demand needs no role

    made = iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForEC2Spot"
    assert refusal(iam.create_service_linked_role, AWSServiceName="spot.amazonaws.com")[0] == "InvalidInput"
    assert len(launch(manager("ec2"), InstanceMarketOptions=SPOT)) == 1


def test_who_may_make_the_spot_role_makes_it(client: Client, account: Change) -> None:
    account(spot_role=False)
    allowed = {
        "Effect": "Allow",
        "Action": "iam:CreateServiceLinkedRole",
        "Resource": "arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/*",
        "Condition": {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
    }
    assert len(launch(role_of(client, allowed)("ec2"), InstanceMarketOptions=SPOT)) == 1
    assert client("iam").get_role(RoleName="AWSServiceRoleForEC2Spot")["Role"]["Path"] == (
        "/aws-service-role/spot.amazonaws.com/"
    )


def test_an_account_that_has_used_spot(client: Client) -> None:
    assert client("iam").get_role(RoleName="AWSServiceRoleForEC2Spot")["Role"]["RoleName"]
    assert len(launch(role_of(client)("ec2"), InstanceMarketOptions=SPOT)) == 1


def test_spot_machines_without_launch_index(ec2: Any, account: Change) -> None:
    def indices(**more: Any) -> list[int]:
        return [i["AmiLaunchIndex"] for i in launch(ec2, MaxCount=3, **more)]

    assert indices(InstanceMarketOptions=SPOT) == [0, 1, 2]
    account(spot_launch_index="zero")
    assert indices(InstanceMarketOptions=SPOT) == [0, 0, 0]
    assert indices() == [0, 1, 2]


def test_taken_buckets(client: Client, account: Change) -> None:
    s3, taken = client("s3"), name("taken")
    account(taken_buckets=[taken])
    code, words = refusal(s3.create_bucket, Bucket=taken)
    assert code == "BucketAlreadyExists"
    assert words.startswith("The requested bucket name is not available. The bucket namespace is shared")
    assert refusal(s3.head_bucket, Bucket=taken)[0] == "403"
    assert refusal(s3.head_bucket, Bucket=name("free"))[0] == "404"
    assert refusal(s3.put_object, Bucket=taken, Key="a", Body=b"b")[0] == "AccessDenied"
    assert refusal(s3.list_objects_v2, Bucket=taken)[0] == "AccessDenied"
    account()
    s3.create_bucket(Bucket=taken)
    account(taken_buckets=[taken])
    s3.head_bucket(Bucket=taken)  # what one has oneself is nobody else's


def test_public_access_is_blocked_in_the_account(client: Client, account: Change, emulator: Cloud) -> None:
    s3, bucket = client("s3"), name("public")
    s3.create_bucket(Bucket=bucket)
    s3.delete_public_access_block(Bucket=bucket)
    everybody = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    control = _control(emulator)
    asked = {"AccountId": emulator.account}
    assert refusal(control.get_public_access_block, **asked)[0] == "NoSuchPublicAccessBlockConfiguration"
    account(block_public_access=True)
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == (
        "AccessDenied",
        "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
    )
    found = control.get_public_access_block(**asked)["PublicAccessBlockConfiguration"]
    assert found["BlockPublicPolicy"] is True
    account(block_public_access=False)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


def _control(cloud: Cloud) -> Any:
    """S3 Control without the account before the host's name, which no resolver knows here."""
    control = client_of(cloud)("s3control")

    def plain_host(request: Any, **more: Any) -> None:
        request.url = request.url.replace(f"//{cloud.account}.", "//")

    control.meta.events.register("before-sign.s3-control", plain_host)
    return control


def test_a_parent_with_a_large_snapshot(ec2: Any, account: Change) -> None:
    account(snapshot_gib=75)
    [shown] = ec2.describe_images(ImageIds=[BASE.image_id])["Images"]
    snapshot = shown["BlockDeviceMappings"][0]["Ebs"]
    assert snapshot["VolumeSize"] == 75
    small = [{"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 16}}]
    assert refusal(launch, ec2=ec2, BlockDeviceMappings=small) == (
        "InvalidBlockDeviceMapping",
        f"Volume of size 16GB is smaller than snapshot '{snapshot['SnapshotId']}', expect size >= 75GB",
    )


def test_a_parent_with_another_root_device(ec2: Any, account: Change) -> None:
    account(root_device="/dev/xvda")
    [shown] = ec2.describe_images(ImageIds=[BASE.image_id])["Images"]
    assert shown["RootDeviceName"] == "/dev/xvda"
    [made] = launch(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 50}}])
    devices = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in made["BlockDeviceMappings"]}
    volumes = {v["VolumeId"]: v["Size"] for v in ec2.describe_volumes()["Volumes"]}
    # a second, empty volume, and the root as it was
    assert {device: volumes[volume] for device, volume in devices.items()} == {
        "/dev/xvda": BASE.size_gib,
        "/dev/sda1": 50,
    }


def test_a_default_key_that_needs_grants(client: Client, account: Change, emulator: Cloud) -> None:
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    ec2 = client("ec2")
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    account(default_ebs_key=key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    manager = role_of(client)("ec2")

    [made] = launch(manager, BlockDeviceMappings=ENCRYPTED)
    assert made["State"]["Name"] == "pending"
    end = ended(ec2, made["InstanceId"])
    assert end["StateReason"] == {
        "Code": "Client.InternalError",
        "Message": "Client.InternalError: Client error on launch",
    }
    seen = {i["id"] for i in emulator.admin("GET", "changes?since=0&timeout=0")["instances"]}
    assert made["InstanceId"] not in seen  # the fleet never starts it

    [plain] = launch(manager)
    via = {"StringEquals": {"kms:ViaService": f"ec2.{emulator.region}.amazonaws.com"}}
    rights = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt*"]
    allowed = {
        "Effect": "Allow", "Action": [f"kms:{right}" for right in rights], "Resource": key,
        "Condition": via,
    }  # fmt: skip
    [good] = launch(role_of(client, allowed)("ec2"), BlockDeviceMappings=ENCRYPTED)
    time.sleep(1.2)
    for one in (plain, good):
        [shown] = ec2.describe_instances(InstanceIds=[one["InstanceId"]])["Reservations"][0]["Instances"]
        assert shown["State"]["Name"] == "pending"

    for state in ("running", "stopping", "stopped"):
        emulator.admin("POST", "instances", {"id": good["InstanceId"], "state": state, "reason": None})
    manager.start_instances(InstanceIds=[good["InstanceId"]])
    assert ended(ec2, good["InstanceId"], "stopped")["StateReason"]["Code"] == "Client.InternalError"


def test_a_new_instance_profile_is_unknown_for_a_while(ec2: Any, client: Client, account: Change) -> None:
    account(instance_profile_delay_s=3)
    iam, profile = client("iam"), name("profile")
    iam.create_instance_profile(InstanceProfileName=profile)
    assert refusal(launch, ec2=ec2, IamInstanceProfile={"Name": profile}) == (
        "InvalidParameterValue",
        f"Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile "
        "name",
    )
    time.sleep(3.1)
    assert len(launch(ec2, IamInstanceProfile={"Name": profile})) == 1


def test_lambda_cannot_assume_a_new_role_for_a_while(client: Client, account: Change) -> None:
    account(role_delay_s=3)
    iam, functions, own = client("iam"), client("lambda"), name("function")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=own,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("main.py", "def handler(event, context):\n    return 1\n")
    wanted = {
        "FunctionName": own, "Role": role, "Runtime": "python3.12", "Handler": "main.handler",
        "Code": {"ZipFile": archive.getvalue()},
    }  # fmt: skip
    assert refusal(functions.create_function, **wanted) == (
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    )
    time.sleep(3.1)
    assert functions.create_function(**wanted)["FunctionName"] == own


def test_the_fleet_is_told_when_credentials_are_known(ec2: Any, account: Change, emulator: Cloud) -> None:
    account(credentials_delay_s=30)
    [late] = launch(ec2)
    account()
    [soon] = launch(ec2)
    shown = {
        i["id"]: i["credentials_at"] for i in emulator.admin("GET", "changes?since=0&timeout=0")["instances"]
    }
    assert 20 < shown[late["InstanceId"]] - time.time() < 31
    assert shown[soon["InstanceId"]] is None


def test_machines_come_out_of_a_bucket(ec2: Any, account: Change) -> None:
    account(launch_bucket={"size": 4, "refill": 2})
    assert len(launch(ec2, MaxCount=4)) == 4
    with pytest.raises(ClientError) as caught:
        launch(ec2, MaxCount=2)
    response = caught.value.response
    assert response["Error"] == {"Code": "RequestLimitExceeded", "Message": "Request limit exceeded."}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    time.sleep(1.1)
    assert len(launch(ec2, MaxCount=2)) == 2


def test_quota_of_virtual_cpus(ec2: Any, client: Client, account: Change) -> None:
    for reservation in ec2.describe_instances()["Reservations"]:
        ec2.terminate_instances(InstanceIds=[i["InstanceId"] for i in reservation["Instances"]])
    quotas = client("service-quotas")
    account(quotas={"vcpu": 4})
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    assert quotas.get_service_quota(**asked)["Quota"]["Value"] == 4
    assert len(launch(ec2, MaxCount=9, InstanceType="t3.micro")) == 2
    code, words = refusal(launch, ec2=ec2)
    assert code == "VcpuLimitExceeded"
    assert "than your current vCPU limit of 4 allows for the instance bucket" in words
    assert len(launch(ec2, InstanceMarketOptions=SPOT, MaxCount=2)) == 2  # a quota of its own
    assert refusal(launch, ec2=ec2, InstanceMarketOptions=SPOT)[0] == "MaxSpotInstanceCountExceeded"
    assert refusal(launch, ec2=ec2, InstanceType="g4dn.xlarge", MinCount=2, MaxCount=2)[0] == (
        "VcpuLimitExceeded"
    )
    assert len(launch(ec2, InstanceType="g4dn.xlarge")) == 1


def test_quota_of_disks(ec2: Any, client: Client, account: Change) -> None:
    used = sum(volume["Size"] for volume in ec2.describe_volumes()["Volumes"])
    account(quotas={"ebs_gib": used + 100})
    asked = {"ServiceCode": "ebs", "QuotaCode": "L-7A658B76"}
    assert client("service-quotas").get_service_quota(**asked)["Quota"]["Value"] == (used + 100) / 1024
    large = [{"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 70}}]
    [first] = launch(ec2, BlockDeviceMappings=large)
    [second] = launch(ec2, BlockDeviceMappings=large)
    assert ended(ec2, second["InstanceId"])["StateReason"]["Code"] == "Client.VolumeLimitExceeded"
    [shown] = ec2.describe_instances(InstanceIds=[first["InstanceId"]])["Reservations"][0]["Instances"]
    assert shown["State"]["Name"] == "pending"


@pytest.mark.parametrize(
    ("quota", "member", "words"),
    [
        ("roles", "Roles", "RolesPerAccount"),
        ("instance_profiles", "InstanceProfiles", "InstanceProfilesPerAccount"),
        ("groups", "Groups", "GroupsPerAccount"),
    ],
)
def test_quotas_of_iam(client: Client, account: Change, quota: str, member: str, words: str) -> None:
    iam = client("iam")
    make: dict[str, Callable[[], Any]] = {
        "roles": lambda: iam.create_role(RoleName=name("role"), AssumeRolePolicyDocument="{}"),
        "instance_profiles": lambda: iam.create_instance_profile(InstanceProfileName=name("profile")),
        "groups": lambda: iam.create_group(GroupName=name("group")),
    }
    used = iam.get_account_summary()["SummaryMap"][member]
    account(quotas={quota: used + 1})
    assert iam.get_account_summary()["SummaryMap"][f"{member}Quota"] == used + 1
    make[quota]()
    with pytest.raises(ClientError) as caught:
        make[quota]()
    response = caught.value.response
    assert response["Error"]["Code"] == "LimitExceeded"
    assert response["Error"]["Message"] == f"Cannot exceed quota for {words}: {used + 1}"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409


@pytest.mark.parametrize(
    "other",
    [
        {"MaxCount": 3},
        {"InstanceType": "t3.small"},
        {"UserData": "#!/bin/sh\n"},
        {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]},
    ],
)
def test_one_token_is_for_one_request(ec2: Any, other: dict[str, Any]) -> None:
    token = name("token")
    made = launch(ec2, ClientToken=token, MaxCount=2)
    assert refusal(launch, ec2=ec2, ClientToken=token, **{"MaxCount": 2, **other}) == (
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )
    again = launch(ec2, ClientToken=token, MaxCount=2)
    assert [i["InstanceId"] for i in again] == [i["InstanceId"] for i in made]
