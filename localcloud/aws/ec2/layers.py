"""What the fleet keeps of machine images on disk goes when the images go."""

from __future__ import annotations

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records
from localcloud.images.store import ImageError, Images

_ENDED = ("AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED")


def sweep(context: Context) -> list[str]:
    """Delete the layers of images that are registered nowhere any more, and return their ids.

    Kept are those that something stands on: a machine that is not terminated, a build under way, another
    image. They go with a later sweep. A build's own layer is on disk a moment before its image is registered,
    so images that a build will make are kept too.
    """
    wanted = {image_id for (_, _, image_id), _ in hooks.ec2._images.all_items()}
    wanted |= {
        record["ImageId"] for _, _, record in records.everywhere() if record["State"]["Name"] != "terminated"
    }
    for build in context.store.section("imagebuilder").get("images", {}).values():
        if build["state"]["status"] not in _ENDED:
            wanted |= {build["_ami"], build.get("_parent", "")}
    images = Images(context.settings.paths.images, "")
    gone = []
    for image in reversed(images.all()):  # the newest first: children before their parents
        if image.image_id not in wanted:
            try:
                images.delete(image.image_id)
            except ImageError:  # it has children that are wanted
                continue
            gone.append(image.image_id)
    return gone
