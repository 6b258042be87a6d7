"""A deregistered machine image takes what is on disk along, as soon as nothing stands on it."""

import pytest

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.images.store import Image, Images
from localcloud.tests.homes import Client, CloudHome

pytestmark = pytest.mark.local
BASE = BASE_IMAGES[0].image_id


@pytest.fixture
def images(emulator_home: CloudHome, client: Client) -> Images:
    return Images(emulator_home.paths.images, "test")


def registered(client: Client, images: Images, name: str, parent: str) -> str:
    """An image of the account, with a layer as a bake leaves it."""
    ec2 = client("ec2")
    snapshot = ec2.describe_images(ImageIds=[BASE])["Images"][0]["BlockDeviceMappings"][0]["Ebs"][
        "SnapshotId"
    ]
    mapping = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}]
    image_id = str(
        ec2.register_image(Name=name, RootDeviceName="/dev/sda1", BlockDeviceMappings=mapping)["ImageId"]
    )
    layer = images.folder(image_id).parent / f".{name}"
    (layer / "root").mkdir(parents=True)
    images.add(
        Image(image_id, parent, "layer", f"2026-01-01T00:00:0{len(images.all())}Z", "arn", "test"), layer
    )
    return image_id


def test_the_layer_goes_with_the_image_and_a_parent_waits_for_its_children(
    client: Client, images: Images
) -> None:
    ec2 = client("ec2")
    parent = registered(client, images, "layers-parent", BASE)
    child = registered(client, images, "layers-child", parent)
    other = registered(client, images, "layers-other", BASE)
    snapshot = ec2.describe_images(ImageIds=[parent])["Images"][0]["BlockDeviceMappings"][0]["Ebs"][
        "SnapshotId"
    ]
    answer = ec2.deregister_image(ImageId=parent, DeleteAssociatedSnapshots=True)
    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    assert {image.image_id for image in images.all()} == {parent, child, other}, (
        "the child's machines need its layer"
    )
    ec2.deregister_image(ImageId=child)
    assert [image.image_id for image in images.all()] == [other]
    ec2.deregister_image(ImageId=other)
    assert images.all() == []
    assert list(images.folder(other).parent.iterdir()) == []


def test_a_machine_keeps_the_layer_that_it_runs_on(emulator: Cloud, client: Client, images: Images) -> None:
    ec2 = client("ec2")
    image = registered(client, images, "layers-running", BASE)
    machine = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][
        0
    ]["InstanceId"]
    ec2.deregister_image(ImageId=image)
    assert images.get(image) is not None
    emulator.admin("POST", "instances", {"id": machine, "state": "terminated", "reason": None})
    ec2.deregister_image(ImageId=registered(client, images, "layers-next", BASE))
    assert images.all() == []
