"""Machines go on when the control plane is killed and started again, and their ends are known; shells keep
their keys.
"""

from __future__ import annotations

import functools
import json
import stat
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import cloud as cloud_module
from localcloud.cloud import Cloud, CloudError
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.bases import isolated
from localcloud.tests.homes import CloudHome, client_of, kill

pytestmark = pytest.mark.local

COUNT = 12
SCRIPT = f"""#!/bin/bash
T=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 600' http://169.254.169.254/latest/api/token)
K=$(curl -s -H "X-aws-ec2-metadata-token: $T" http://169.254.169.254/latest/meta-data/iam/security-credentials/worker)
field() {{ sed -n "s/.*\\"$1\\": \\"\\(.*\\)\\".*/\\1/p" <<< "$K"; }}
for n in $(seq {COUNT}); do
  until curl -sf -X PUT --data "$n" --aws-sigv4 aws:amz:us-east-1:s3 --user "$(field AccessKeyId):$(field SecretAccessKey)" \\
      -H "X-Amz-Security-Token: $(field Token)" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "$AWS_ENDPOINT_URL/bucket/$n"
  do sleep 0.1; done
  sleep 0.3
done
shutdown -h now
"""  # noqa: E501


def until(what: str, ask: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return answer


def furnish(cloud: Cloud) -> str:
    """A role that machines have and that root may take, and a bucket that it may write. Returns the role's
    ARN.
    """
    client = client_of(cloud)
    client("s3").create_bucket(Bucket="bucket")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    rights = {"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": "*"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, rights)]
    role = client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    client("iam").put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=documents[1])
    client("iam").create_instance_profile(InstanceProfileName="worker")
    client("iam").add_role_to_instance_profile(InstanceProfileName="worker", RoleName="worker")
    return str(role)


def keys_of(cloud: Cloud) -> set[str]:
    return {one["Key"] for one in client_of(cloud)("s3").list_objects_v2(Bucket="bucket").get("Contents", [])}


def has(cloud: Cloud, number: int) -> bool:
    return str(number) in keys_of(cloud)


def test_keys_live_as_long_as_the_state(cloud_home: CloudHome) -> None:
    first = cloud_home.up()
    client_of(first)("s3").create_bucket(Bucket="kept")
    file = cloud_home.paths.keys_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kill(first)
    cloud_home.up()
    cloud_home.down()
    cloud_home.up()
    shell = client_of(first)  # a shell that has the environment of the first start
    assert [bucket["Name"] for bucket in shell("s3").list_buckets()["Buckets"]] == ["kept"]
    cloud_module.reset(cloud_home.paths)
    assert not file.exists()
    new = cloud_home.up()
    assert new.access_key_id != first.access_key_id
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        shell("s3").list_buckets()


@pytest.mark.parametrize("damage", ["{", "[]", '{"access_key_id": "AKIA"}', ""])
def test_damaged_keys_are_told(cloud_home: CloudHome, damage: str) -> None:
    cloud_home.up()
    cloud_home.down()
    cloud_home.paths.keys_file.write_text(damage)
    with pytest.raises(CloudError, match=r"does not hold the keys.*is needed.*rm .*keys\.json"):
        cloud_home.up()
    cloud_home.paths.keys_file.unlink()
    cloud_home.up()


def test_a_session_is_good_until_it_expires_and_no_longer(cloud_home: CloudHome) -> None:
    cloud = cloud_home.up()
    role = furnish(cloud)
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}],
        }
    )
    given = client_of(cloud)("sts").assume_role(RoleArn=role, RoleSessionName="i-1", Policy=policy)[
        "Credentials"
    ]
    key = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"], "token": given["SessionToken"]}
    for end in (kill, lambda _: cloud_home.down()):
        end(cloud)
        cloud = cloud_home.up()
        s3 = client_of(cloud)("s3", **key)
        s3.put_object(Bucket="bucket", Key="k", Body=b"1")
        with pytest.raises(ClientError, match="AccessDenied"):  # its session policy is kept, too
            s3.list_objects_v2(Bucket="bucket")
        with pytest.raises(ClientError, match=r"InvalidToken|InvalidAccessKeyId|InvalidClientTokenId"):
            client_of(cloud)("s3", **{**key, "token": "other"}).put_object(
                Bucket="bucket", Key="k", Body=b"1"
            )
    cloud_home.down()
    file = cloud_home.paths.emulator_state / "sts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_text())
    document["payload"]["sessions"][given["AccessKeyId"]]["Expiration"] = time.time() - 1
    file.write_text(json.dumps(document))
    with pytest.raises(ClientError, match=r"InvalidAccessKeyId|Expired"):
        client_of(cloud_home.up())("s3", **key).put_object(Bucket="bucket", Key="k", Body=b"1")


def test_a_machine_goes_on_when_the_control_plane_is_killed(cloud_home: CloudHome) -> None:
    isolated(cloud_home.paths.home)
    cloud = cloud_home.up(fleet=True)
    furnish(cloud)
    [machine] = client_of(cloud)("ec2").run_instances(
        ImageId=BASE_IMAGES[0].image_id,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        IamInstanceProfile={"Name": "worker"},
        InstanceInitiatedShutdownBehavior="terminate",
        UserData=SCRIPT,
    )["Instances"]
    for number in (2, 5):
        until(f"object {number}", functools.partial(has, cloud, number))
        kill(cloud)
        time.sleep(0.5)
        again = cloud_home.up(fleet=True)
        assert (again.fleet, again.emulator != cloud.emulator) == (cloud.fleet, True)
        assert cloud_module.status(cloud_home.paths)["fleet"]["healthy"]
        cloud = again
    until("the object before the last", functools.partial(has, cloud, COUNT - 1))
    kill(cloud)  # the machine ends while nobody can be told
    time.sleep(2)
    cloud = cloud_home.up(fleet=True)

    def described() -> Any:
        answer = client_of(cloud)("ec2").describe_instances(InstanceIds=[machine["InstanceId"]])
        return answer["Reservations"][0]["Instances"][0]

    until("the machine's end", lambda: described()["State"]["Name"] == "terminated")
    assert described()["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert keys_of(cloud) == {str(n) for n in range(1, COUNT + 1)}


def test_a_fleet_with_other_keys_is_ended(cloud_home: CloudHome) -> None:
    first = cloud_home.up(fleet=True)
    kill(first)
    cloud_home.paths.keys_file.unlink()
    second = cloud_home.up(fleet=True)
    assert first.fleet is not None
    assert not first.fleet.alive()
    assert second.fleet is not None
    assert second.fleet.alive()
