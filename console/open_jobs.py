"""Jobs that a stack still has when it is to go: they are cancelled, their machines end, and only then is
anything taken away.

Which jobs are open is said by the service's table (neurocaas.protocol.ledger), which machines are theirs by
the tag `bucket`. A service that is broken answers no cancellation; then its machines are terminated all
the same.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.keys import CANCEL_SUFFIX, SUBMISSIONS
from neurocaas.protocol.ledger import OPEN_JOBS, parse_open_job_key
from neurocaas.protocol.tags import BUCKET

LIVE = ("pending", "running", "stopping", "stopped")
PATIENCE = 60.0
"""Seconds in which machines end by themselves after the cancellation (they look for it every 10 s); then they
are terminated.
"""
LAST = 240.0
"""Seconds after which a service that has not ended its jobs is taken for broken."""
_EVERY = 2.0


@dataclass(frozen=True)
class Open:
    """The open jobs of a bucket ("group/timestamp") and the ids of its machines that live."""

    jobs: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.jobs or self.machines)

    def text(self) -> str:
        counts = ((len(self.jobs), "job"), (len(self.machines), "machine"))
        named = f" ({', '.join(self.jobs[:3])}{', …' if len(self.jobs) > 3 else ''})" if self.jobs else ""
        return (
            " and ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)
            + named
        )


class OpenJobs:
    """Of the bucket `bucket`; `table` is the service's, "" when nobody knows it. `make(service)` gives boto3
    clients.
    """

    def __init__(self, bucket: str, table: str, make: Callable[[str], Any], clock: Any = time) -> None:
        self.bucket, self.table, self.clock = bucket, table, clock
        self.s3, self.ec2, self.dynamodb = make("s3"), make("ec2"), make("dynamodb")

    def now(self) -> Open:
        return Open(self._jobs(), self._machines())

    def end(self, say: Callable[[str], None]) -> None:
        """Cancel every job, wait until the service has ended them, and terminate what lives on."""
        begun, asked, terminated = self.clock.monotonic(), set[str](), set[str]()
        while found := self.now():
            for job in found.jobs:
                if job not in asked:
                    asked.add(job)
                    self._cancel(job)
            waited = self.clock.monotonic() - begun
            if waited > LAST and not found.machines:
                say(
                    f"the service has not ended {found.text()}; it is gone with the stack, and its machines "
                    "are"
                )
                return
            late = set(found.machines) - terminated if waited > PATIENCE or not found.jobs else set()
            if late:
                self.ec2.terminate_instances(InstanceIds=sorted(late))
                terminated |= late
            self.clock.sleep(_EVERY)
        say(
            f"{len(asked)} job{'' if len(asked) == 1 else 's'} cancelled; no machine of s3://{self.bucket}/ "
            "is left"
        )

    def _cancel(self, job: str) -> None:
        group, _, timestamp = job.partition("/")
        key = f"{group}/{SUBMISSIONS}/{timestamp}_{CANCEL_SUFFIX}"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps({"timestamp": timestamp}).encode())

    def _jobs(self) -> tuple[str, ...]:
        if not self.table:
            return ()
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :kind AND begins_with(sk, :bucket)",
            ExpressionAttributeValues={":kind": {"S": OPEN_JOBS}, ":bucket": {"S": f"{self.bucket}/"}},
        )
        try:
            return tuple(
                "/".join(parse_open_job_key(item["sk"]["S"])[1:]) for page in pages for item in page["Items"]
            )
        except self.dynamodb.exceptions.ResourceNotFoundException:
            return ()  # somebody has deleted the table: no service knows of any job

    def _machines(self) -> tuple[str, ...]:
        filters = [
            {"Name": f"tag:{BUCKET}", "Values": [self.bucket]},
            {"Name": "instance-state-name", "Values": list(LIVE)},
        ]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return tuple(
            one["InstanceId"]
            for page in pages
            for group in page["Reservations"]
            for one in group["Instances"]
        )
