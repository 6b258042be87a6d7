"""Takes a run away: its machines, data, images and stacks, and what it has left in what others share. Each
part is tried, whatever became of the others; all can be tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from account import developer_key
from account.buckets import own_buckets
from blueprints.model import UTILS
from console import buckets
from console.engine import LOCKED
from console.errors import UserError
from console.images_left import ImagesLeft
from console.own.model import PREFIX
from console.removal import data_bucket
from neurocaas.protocol.digest import DIGESTS
from neurocaas.protocol.job_index import COUNTS, LINES, PLACES
from neurocaas.protocol.ledger import (
    BUDGETS,
    CLAIMS,
    HEARD,
    MEMBER_BUDGETS,
    OPEN_JOBS,
    SEARCHES,
    WAITING,
)
from neurocaas.protocol.tags import ANALYSIS, STACK_TAG
from smoke.bench import Bench
from smoke.jobs import limit_parameter
from smoke.place import GROUP

_LIVE = ("pending", "running", "stopping", "stopped")
_PATIENCE_S = 300.0
_FINAL = ("AVAILABLE", "FAILED", "CANCELLED", "DELETED", "DEPRECATED", "DISABLED")
_PIPELINE = "aws:imagebuilder/imagePipeline:ImagePipeline"
_OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"


def away(bench: Bench) -> list[str]:
    """Take everything away; what could not be, as lines."""
    resources = bench.engine.resources(bench.place.stack)
    bucket = data_bucket(resources) or str(bench.outputs.get("bucket") or "")
    shared = _shared_objects(resources, bucket)
    if logs := bench.utils.get("log_bucket"):
        shared.append((str(logs), f"image-builder/{PREFIX}-{bench.place.stack}"))
    parts: list[tuple[str, Callable[[], None]]] = [
        ("builds of images", lambda: _builds(bench, resources)),
        ("machines", lambda: _machines(bench)),
        ("limit of the group", lambda: _limit(bench)),
        ("bucket", lambda: _emptied(bench, bucket)),
        ("images", lambda: ImagesLeft(bench.engine, bench.place.stack, bench.make).retire(bench.say)),
        ("stack", lambda: _stack(bench, bench.place.stack)),
    ]
    if bench.place.record.made_utils:
        parts.append(("stack utils", lambda: _stack(bench, UTILS)))
        parts.append(("developers' key", lambda: _key(bench)))
    else:
        parts.append(("objects in shared buckets", lambda: _objects(bench, shared)))
        parts.append(("records in the shared table", lambda: _records(bench, bucket)))
    return list(_tried(parts))


def _tried(parts: list[tuple[str, Callable[[], None]]]) -> Iterator[str]:
    for name, part in parts:
        try:
            part()
        except Exception as error:  # noqa: BLE001  (the others are taken away all the same)
            yield f"{name}: {type(error).__name__}: {' '.join(str(error).split())}"


def _builds(bench: Bench, resources: list[dict[str, Any]]) -> None:
    """A build that goes on would leave an image: it is cancelled. Records of builds without one go, too."""
    client, deadline = bench.make("imagebuilder"), time.monotonic() + _PATIENCE_S
    for pipeline in (str(one["id"]) for one in resources if one["type"] == _PIPELINE and one.get("id")):
        while going := [one for one in _images(client, pipeline) if one["state"]["status"] not in _FINAL]:
            for image in going:
                if image["state"]["status"] != "CANCELLING":
                    client.cancel_image_creation(imageBuildVersionArn=image["arn"])
            if time.monotonic() > deadline:
                raise TimeoutError(f"a build goes on after {_PATIENCE_S:.0f} s")
            time.sleep(2)
        for image in _images(client, pipeline):
            if image["state"]["status"] in ("FAILED", "CANCELLED"):
                client.delete_image(imageBuildVersionArn=image["arn"])


def _images(client: Any, pipeline: str) -> list[Any]:
    pages = client.get_paginator("list_image_pipeline_images").paginate(imagePipelineArn=pipeline)
    return [image for page in pages for image in page["imageSummaryList"]]


def machines_of(bench: Bench) -> list[str]:
    """The run's machines that live: of its jobs, of its builds, and of its probes."""
    ec2, found = bench.make("ec2"), list[str]()
    for tag, value in ((ANALYSIS, bench.place.analysis), (STACK_TAG, bench.place.stack)):
        filters = [
            {"Name": f"tag:{tag}", "Values": [value]},
            {"Name": "instance-state-name", "Values": list(_LIVE)},
        ]
        for page in ec2.get_paginator("describe_instances").paginate(Filters=filters):
            found += [one["InstanceId"] for some in page["Reservations"] for one in some["Instances"]]
    return found


def _machines(bench: Bench) -> None:
    """End them, and wait: a bucket in use is not deleted, a disk not freed."""
    deadline = time.monotonic() + _PATIENCE_S
    while living := machines_of(bench):
        bench.make("ec2").terminate_instances(InstanceIds=living)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{', '.join(living)} still there after {_PATIENCE_S:.0f} s")
        time.sleep(1)


def _limit(bench: Bench) -> None:
    ssm = bench.make("ssm")
    with suppress(ssm.exceptions.ParameterNotFound):
        ssm.delete_parameter(Name=limit_parameter(bench.place.analysis))


def _emptied(bench: Bench, bucket: str) -> None:
    s3 = bench.make("s3")
    if bucket and bucket in own_buckets(s3):
        buckets.empty(s3, bucket, "")


def _stack(bench: Bench, stack: str) -> None:
    """Destroy a stack and, if the run has made it, forget it. The lock of a deploy that was killed is the
    run's own: it is removed."""
    if stack not in bench.engine.stack_names():
        return
    if bench.engine.resources(stack):
        bench.say(f"destroying {stack}")
        log = bench.place.logs / f"destroy-{stack}.log"
        try:
            bench.engine.destroy(stack, log)
        except UserError as error:
            if LOCKED not in str(error):
                raise
            bench.engine.capture("cancel", "--yes", "--stack", stack, "--non-interactive")
            bench.engine.destroy(stack, log)
    if stack not in bench.place.record.began:
        return
    done = bench.engine.capture("stack", "rm", stack, "--yes", "--non-interactive")
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())


def _key(bench: Bench) -> None:
    """The developers' key, which a deploy of `utils` makes beside the stack."""
    developer_key.forget(bench.make("ssm"))


def _shared_objects(resources: list[dict[str, Any]], own: str) -> list[tuple[str, str]]:
    """What a stack puts into the bucket of `utils` and leaves there: its code and its scripts. The names are
    digests of content that holds the run's name, so that no other stack has them."""
    objects = (one["inputs"] for one in resources if one["type"] == _OBJECT)
    return [(str(one["bucket"]), str(one["key"])) for one in objects if one.get("bucket") not in (None, own)]


def _objects(bench: Bench, objects: list[tuple[str, str]]) -> None:
    for bucket, prefix in objects:
        buckets.empty(bench.make("s3"), bucket, prefix)


def _records(bench: Bench, bucket: str) -> None:
    """The rows of the run's jobs, and its budget."""
    table, dynamodb = bench.utils.get("ledger_table"), bench.make("dynamodb")
    if not table or not bucket:
        return
    of_bucket = [(kind, f"{bucket}/") for kind in (OPEN_JOBS, CLAIMS, HEARD, COUNTS, PLACES)]
    # the run's jobs are in the first segment of the index, and end today, or yesterday at this hour
    index = [(f"{LINES}/{bucket}/{GROUP}/0", begin) for begin in ("job_", "rejected_")]
    today = datetime.now(UTC)
    digests = [(DIGESTS, f"{today - timedelta(days=ago):%Y-%m-%d}/{GROUP}") for ago in (0, 1)]
    budgets = [(kind, f"{bench.place.analysis}/") for kind in (BUDGETS, MEMBER_BUDGETS)]
    own = [(SEARCHES, bucket), (WAITING, bucket), *budgets]
    for kind, begin in (*of_bucket, *index, *digests, *own):
        pages = dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="pk = :kind AND begins_with(sk, :begin)",
            ExpressionAttributeValues={":kind": {"S": kind}, ":begin": {"S": begin}},
        )
        for item in (one for page in pages for one in page["Items"]):
            dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
