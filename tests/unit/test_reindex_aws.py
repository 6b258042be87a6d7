"""The sweep's look at the jobs of before, with the requests that it makes in AWS."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3

from neurocaas.protocol.job_index import complete_key, read_lines, segment_key
from runtime.monitor import reindex
from runtime.monitor.port import Deployed
from tests.unit.job_world import BUCKET, World
from tests.unit.test_ledger_conditions import Table, table

assert table  # the fixture


def test_the_jobs_of_before_come_into_the_index(table: Table) -> None:
    world, s3 = World(), boto3.client("s3")
    for name in ("t1", "t1-b", "t2"):
        world.submit(world.submission(timestamp=name), f"lab/submissions/{name}_submit.json")
        world.complete(list(world.aws.ec2)[-1])
    s3.create_bucket(Bucket=BUCKET)
    for (bucket, key), (body, metadata) in world.aws.objects_.items():
        if "/index/" not in key:
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    cloud, told = table.monitor, list[str]()
    cloud.analyses = lambda: iter([Deployed(BUCKET, ("lab", "other"), "queue")])  # type: ignore[method-assign]
    reindex._done.clear()
    faults = reindex.complete_indexes(cloud, lambda: datetime.now(UTC), lambda text, _: told.append(text))
    assert faults == []
    raw = s3.get_object(Bucket=BUCKET, Key=segment_key("lab", 0))["Body"].read()
    assert {one.name for one in read_lines(raw)} == {"t1", "t1-b", "t2"}
    for group in ("lab", "other"):
        s3.head_object(Bucket=BUCKET, Key=complete_key(group))
