"""EC2 of the local cloud, by an unmodified boto3: launches as AWS merges and checks them, life of an
instance, events.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local
BASE = BASE_IMAGES[0]


@pytest.fixture
def ec2(client: Client) -> Any:
    return client("ec2")


def name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def template(ec2: Any, **data: Any) -> str:
    wanted = {"ImageId": BASE.image_id, "InstanceType": "t3.micro", **data}
    made = ec2.create_launch_template(LaunchTemplateName=name("lt"), LaunchTemplateData=wanted)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def launch(ec2: Any, **arguments: Any) -> list[dict[str, Any]]:
    wanted = {"MinCount": 1, "MaxCount": 1, **arguments}
    if "LaunchTemplate" not in wanted:
        wanted = {"ImageId": BASE.image_id, "InstanceType": "t3.micro", **wanted}
    return list(ec2.run_instances(**wanted)["Instances"])


def tags(instance: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance["Tags"] if not tag["Key"].startswith("aws:")}


def report(cloud: Cloud, instance: dict[str, Any], state: str) -> dict[str, Any]:
    return cloud.admin("POST", "instances", {"id": instance["InstanceId"], "state": state, "reason": None})


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_template_and_request_are_merged_as_aws_does(ec2: Any) -> None:
    volume = {"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 20, "Encrypted": True}}
    identifier = template(
        ec2,
        ImageId=f"resolve:ssm:{BASE.ssm_parameters[0]}",
        InstanceType="m5.large",
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[volume],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": "a", "Value": "template"}, {"Key": "b", "Value": "template"}],
            },
            {"ResourceType": "volume", "Tags": [{"Key": "v", "Value": "template"}]},
        ],
    )
    [instance] = launch(
        ec2,
        LaunchTemplate={"LaunchTemplateId": identifier},
        InstanceType="t3.micro",
        MetadataOptions={"InstanceMetadataTags": "enabled"},
        BlockDeviceMappings=[{"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 30}}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "b", "Value": "request"}]}],
    )
    assert (instance["ImageId"], instance["InstanceType"]) == (BASE.image_id, "t3.micro")
    assert tags(instance) == {"a": "template", "b": "request"}
    assert {tag["Value"] for tag in instance["Tags"] if tag["Key"] == "aws:ec2launchtemplate:id"} == {
        identifier
    }
    options = instance["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["InstanceMetadataTags"]) == (
        "required",
        1,
        "enabled",
    )
    [found] = ec2.describe_volumes(VolumeIds=[instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]])[
        "Volumes"
    ]
    assert (found["Size"], found["Encrypted"], found["Tags"]) == (
        30,
        True,
        [{"Key": "v", "Value": "template"}],
    )
    attribute = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="instanceInitiatedShutdownBehavior"
    )
    assert attribute["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_versions_of_a_template(ec2: Any) -> None:
    identifier = template(ec2, UserData=base64.b64encode(b"#!/bin/sh\n").decode())
    changed = {"InstanceType": "t3.small"}
    ec2.create_launch_template_version(
        LaunchTemplateId=identifier, SourceVersion="1", LaunchTemplateData=changed
    )

    def launched(version: str) -> str:
        return str(
            launch(ec2, LaunchTemplate={"LaunchTemplateId": identifier, "Version": version})[0][
                "InstanceType"
            ]
        )

    assert (launched("$Default"), launched("$Latest"), launched("2"), launched("1")) == (
        "t3.micro",
        "t3.small",
        "t3.small",
        "t3.micro",
    )
    ec2.modify_launch_template(LaunchTemplateId=identifier, DefaultVersion="2")
    assert launched("$Default") == "t3.small"
    shown = ec2.describe_launch_template_versions(LaunchTemplateId=identifier)["LaunchTemplateVersions"]
    assert [(v["VersionNumber"], v["DefaultVersion"]) for v in shown] == [(2, True), (1, False)]
    assert shown[0]["LaunchTemplateData"]["UserData"] == shown[1]["LaunchTemplateData"]["UserData"]
    assert (
        code(launch, ec2=ec2, LaunchTemplate={"LaunchTemplateId": identifier, "Version": "9"})
        == "InvalidLaunchTemplateId.VersionNotFound"
    )
    refused = ec2.delete_launch_template_versions(LaunchTemplateId=identifier, Versions=["1", "2"])
    assert [v["VersionNumber"] for v in refused["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    assert len(refused["UnsuccessfullyDeletedLaunchTemplateVersions"]) == 1


def test_all_machines_of_a_launch_share_user_data_and_differ_by_index(ec2: Any, emulator: Cloud) -> None:
    made = launch(ec2, MinCount=1, MaxCount=3, UserData="#!/bin/bash\necho hello")
    assert [instance["AmiLaunchIndex"] for instance in made] == [0, 1, 2]
    assert len({instance["PrivateIpAddress"] for instance in made}) == 3
    shown = {i["id"]: i for i in emulator.admin("GET", "changes?since=0&timeout=0")["instances"]}
    for instance in made:
        record = shown[instance["InstanceId"]]
        assert base64.b64decode(record["user_data"]) == b"#!/bin/bash\necho hello"
        assert (record["state"], record["launch_index"]) == ("pending", instance["AmiLaunchIndex"])
    value = ec2.describe_instance_attribute(InstanceId=made[0]["InstanceId"], Attribute="userData")[
        "UserData"
    ]["Value"]
    assert base64.b64decode(value) == b"#!/bin/bash\necho hello"


def test_the_fleet_is_told_how_large_the_volume_is(ec2: Any, emulator: Cloud) -> None:
    volume = {"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 23}}
    [plain], [larger] = (
        launch(ec2),
        launch(ec2, BlockDeviceMappings=[volume, {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 99}}]),
    )
    shown = {
        i["id"]: i["volume_gib"] for i in emulator.admin("GET", "changes?since=0&timeout=0")["instances"]
    }
    assert [shown[instance["InstanceId"]] for instance in (plain, larger)] == [BASE.size_gib, 23]


def test_a_client_token_launches_once(ec2: Any) -> None:
    token = name("token")
    first, second = (launch(ec2, ClientToken=token, MaxCount=2) for _ in range(2))
    assert [i["InstanceId"] for i in first] == [i["InstanceId"] for i in second]
    filters = [{"Name": "client-token", "Values": [token]}]
    found = ec2.describe_instances(Filters=filters)["Reservations"]
    assert [len(reservation["Instances"]) for reservation in found] == [2]
    assert code(launch, ec2=ec2, ClientToken=token, MaxCount=1) == "IdempotentParameterMismatch"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"ImageId": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "ubuntu"}, "InvalidAMIID.Malformed"),
        ({"ImageId": "resolve:ssm:/not/there"}, "InvalidParameterValue"),
        ({"InstanceType": "m5.gigantic"}, "InvalidParameterValue"),
        ({"KeyName": "no-such-key"}, "InvalidKeyPair.NotFound"),
        ({"IamInstanceProfile": {"Name": "no-such-profile"}}, "InvalidParameterValue"),
        ({"SecurityGroupIds": ["sg-00000000000000000"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-00000000000000000"}, "InvalidSubnetID.NotFound"),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
        ({"MinCount": 3, "MaxCount": 2}, "InvalidParameterCombination"),
        (
            {"LaunchTemplate": {"LaunchTemplateId": "lt-00000000000000000"}},
            "InvalidLaunchTemplateId.NotFound",
        ),
        (
            {"BlockDeviceMappings": [{"DeviceName": BASE.root_device, "Ebs": {"VolumeSize": 1}}]},
            "InvalidBlockDeviceMapping",
        ),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_aws_refuses_is_refused_and_launches_nothing(
    ec2: Any, arguments: dict[str, Any], expected: str
) -> None:
    def everything() -> set[str]:
        return {i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]}

    before = everything()
    assert code(launch, ec2=ec2, **arguments) == expected
    assert everything() == before


def test_user_data_of_exactly_16_kib_is_accepted(ec2: Any) -> None:
    assert len(launch(ec2, UserData="x" * 16384)) == 1


def test_life_of_an_instance_and_its_events(ec2: Any, client: Client, emulator: Cloud) -> None:
    sqs, events = client("sqs"), client("events")
    queue = sqs.create_queue(QueueName=name("states"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = name("rule")
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.ec2"]}))["RuleArn"]
    events.put_targets(Rule=rule, Targets=[{"Id": "q", "Arn": arn}])
    [unheard] = launch(ec2)  # the queue does not let EventBridge in yet
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [{**allow, "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}}}],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})

    [instance] = launch(ec2)
    identifier = instance["InstanceId"]
    assert report(emulator, instance, "running") == {"state": "running", "moved": True}
    assert report(emulator, instance, "shutting-down")["moved"]
    assert report(emulator, instance, "running") == {"state": "shutting-down", "moved": False}  # no way back
    assert report(emulator, instance, "terminated")["moved"]
    assert not report(emulator, instance, "running")["moved"]

    seen = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        seen += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert unheard["InstanceId"] not in {event["detail"]["instance-id"] for event in seen}
    ours = [event for event in seen if event["detail"]["instance-id"] == identifier]
    assert [event["detail"]["state"] for event in ours] == [
        "pending",
        "running",
        "shutting-down",
        "terminated",
    ]
    assert ours[0]["detail-type"] == "EC2 Instance State-change Notification"
    assert ours[0]["resources"] == [f"arn:aws:ec2:{emulator.region}:{emulator.account}:instance/{identifier}"]

    # still shown, with its reason
    [shown] = ec2.describe_instances(InstanceIds=[identifier])["Reservations"][0]["Instances"]
    assert shown["State"] == {"Code": 48, "Name": "terminated"}
    assert shown["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert volume not in {v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]}


def test_terminate_is_finished_without_a_fleet(ec2: Any) -> None:
    [instance] = launch(ec2)
    change = ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])["TerminatingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("pending", "shutting-down")
    ec2.get_waiter("instance_terminated").wait(
        InstanceIds=[instance["InstanceId"]], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    [shown] = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0]["Instances"]
    assert shown["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert code(ec2.start_instances, InstanceIds=[instance["InstanceId"]]) == "IncorrectInstanceState"
    assert code(ec2.terminate_instances, InstanceIds=["i-00000000000000000"]) == "InvalidInstanceID.NotFound"


def test_filters_and_pages(ec2: Any) -> None:
    group = name("group")
    specification = [{"ResourceType": "instance", "Tags": [{"Key": "group", "Value": group}]}]
    made = launch(ec2, MaxCount=3, TagSpecifications=specification)

    def found(*filters: tuple[str, str]) -> list[str]:
        wanted = [{"Name": key, "Values": [value]} for key, value in filters]
        reservations = ec2.describe_instances(Filters=wanted)["Reservations"]
        return [i["InstanceId"] for r in reservations for i in r["Instances"]]

    everything = [instance["InstanceId"] for instance in made]
    assert found(("tag:group", group)) == everything
    assert found(("tag:group", group[:-3] + "*"), ("instance-state-name", "pending")) == everything
    assert found(("tag:group", group), ("instance-state-name", "running")) == []
    assert found(("tag:group", group), ("launch-index", "1")) == everything[1:2]
    assert (
        code(ec2.describe_instances, Filters=[{"Name": "no-such-filter", "Values": ["x"]}])
        == "InvalidParameterValue"
    )
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "tag:group", "Values": [group]}], PaginationConfig={"PageSize": 2}
    )
    assert [sum(len(r["Instances"]) for r in page["Reservations"]) for page in pages] == [2, 1]


def test_console_output(ec2: Any, emulator_home: Any) -> None:
    [instance] = launch(ec2)
    emulator_home.paths.console(instance["InstanceId"]).write_text("first line\n")
    # boto3 has decoded it
    assert ec2.get_console_output(InstanceId=instance["InstanceId"])["Output"] == "first line\n"


def test_base_images_and_their_public_parameters(ec2: Any, client: Client) -> None:
    ssm = client("ssm")
    for base in BASE_IMAGES:
        for parameter in base.ssm_parameters:
            assert ssm.get_parameter(Name=parameter)["Parameter"]["Value"] == base.image_id
        [image] = ec2.describe_images(ImageIds=[base.image_id])["Images"]
        assert (image["Name"], image["State"], image["Public"]) == (base.name, "available", True)
    assert code(ec2.deregister_image, ImageId=BASE.image_id) == "AuthFailure"


def test_types_have_their_real_sizes(ec2: Any) -> None:
    found = {
        t["InstanceType"]: t
        for t in ec2.describe_instance_types(InstanceTypes=["m5.large", "t3.micro"])["InstanceTypes"]
    }
    assert (found["m5.large"]["VCpuInfo"]["DefaultVCpus"], found["m5.large"]["MemoryInfo"]["SizeInMiB"]) == (
        2,
        8192,
    )
    assert found["t3.micro"]["MemoryInfo"]["SizeInMiB"] == 1024
    assert code(ec2.describe_instance_types, InstanceTypes=["m5.gigantic"]) == "InvalidInstanceType"
    offers = ec2.describe_instance_type_offerings(
        Filters=[{"Name": "instance-type", "Values": ["m5.large"]}]
    )["InstanceTypeOfferings"]
    assert [offer["Location"] for offer in offers] == ["us-east-1"]
    asked = {
        "InstanceTypes": ["m5.large"],
        "AvailabilityZone": "us-east-1b",
        "StartTime": "2026-11-01T00:00:00Z",
    }
    [spot] = ec2.describe_spot_price_history(**asked)["SpotPriceHistory"]
    assert (spot["SpotPrice"], spot["AvailabilityZone"], spot["Timestamp"].year) == (
        "0.028800",
        "us-east-1b",
        2026,
    )


def test_a_rule_cannot_be_there_twice(ec2: Any) -> None:
    group = ec2.create_security_group(GroupName=name("sg"), Description="test")["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert (
        code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])
        == "InvalidPermission.Duplicate"
    )
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**rule, "FromPort": 444, "ToPort": 444}]
    )


def test_no_image_of_a_disk_that_is_not_there(ec2: Any) -> None:
    [instance] = launch(ec2)
    assert (
        code(ec2.create_image, InstanceId=instance["InstanceId"], Name=name("image"))
        == "IncorrectInstanceState"
    )
    assert (
        code(ec2.create_image, InstanceId="i-0123456789abcdef0", Name=name("image"))
        == "InvalidInstanceID.NotFound"
    )


def test_the_default_network_has_a_way_out(client: Client) -> None:
    (vpc,) = client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    for _ in range(2):
        (table,) = client("ec2").describe_route_tables(
            Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        )["RouteTables"]
        ways = [
            route["GatewayId"] for route in table["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0"
        ]
        assert len(ways) == 1
        assert ways[0].startswith("igw-")


def test_capacity_can_run_out_by_market_and_zone(emulator: Cloud, ec2: Any) -> None:
    spot = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
    elsewhere = {"Placement": {"AvailabilityZone": "us-east-1b"}}
    emulator.admin("POST", "capacity", {"instance_type": "t3.micro", "market": "spot", "machines": 2})
    emulator.admin("POST", "capacity", {"zone": "us-east-1a", "machines": 0})
    wanted = {"ImageId": BASE.image_id, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    try:
        assert code(ec2.run_instances, **wanted) == "InsufficientInstanceCapacity"
        some = launch(ec2, MinCount=1, MaxCount=5, InstanceMarketOptions=spot, **elsewhere)
        assert [(one["InstanceLifecycle"], one["Placement"]["AvailabilityZone"]) for one in some] == [
            ("spot", "us-east-1b")
        ] * 2
        assert (
            code(ec2.run_instances, InstanceMarketOptions=spot, **wanted, **elsewhere)
            == "InsufficientInstanceCapacity"
        )
        (one,) = launch(ec2, **elsewhere)
        assert "InstanceLifecycle" not in one
    finally:
        assert emulator.admin("POST", "capacity", {}) == {"limits": []}
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"] for instance in (*some, *launch(ec2), one)])


def test_only_burstable_types_have_credits(ec2: Any) -> None:
    standard = {"CreditSpecification": {"CpuCredits": "standard"}}
    wanted = {"ImageId": BASE.image_id, "MinCount": 1, "MaxCount": 1, **standard}
    assert code(ec2.run_instances, InstanceType="m5.large", **wanted) == "InvalidParameterCombination"
    ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in launch(ec2, **standard)])


@pytest.mark.parametrize("limit", [{"market": "moon"}, {"machines": -1}, {"machines": "many"}])
def test_a_limit_of_capacity_is_a_number_of_machines(emulator: Cloud, limit: dict[str, Any]) -> None:
    with pytest.raises(HTTPError, match="400"):
        emulator.admin("POST", "capacity", limit)


def test_status_checks_are_filtered_as_aws_does(ec2: Any, emulator: Cloud) -> None:
    (instance,) = launch(ec2)
    report(emulator, instance, "running")
    for kind in ("system", "instance"):
        for value, there in (("ok", True), ("impaired", False)):
            wanted = [{"Name": f"{kind}-status.status", "Values": [value]}]
            found = ec2.describe_instance_status(Filters=wanted)["InstanceStatuses"]
            assert (instance["InstanceId"] in [one["InstanceId"] for one in found]) is there
