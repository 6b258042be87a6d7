"""`invoke cost` of a whole account: what each group has spent with each analysis, what is stored, what the
stacks cost when nobody works, and the machine images that stay. With a group or an analysis it is the
analysts' command.

Jobs are read in the indexes of groups (`neurocaas.protocol.job_index`), so a month costs some requests for
each group and analysis, and none for each job. What a bucket holds is what S3 reports once a day to
CloudWatch (Amazon S3 user guide, "Metrics and dimensions"); where that says nothing, up to LISTED objects are
counted.
"""

from __future__ import annotations

import inspect
import json as document
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from invoke.tasks import Task

from console.idle_commands import facts as idle_facts
from console.idle_commands import images_of
from neurocaas.access import defaults
from neurocaas.bucket import Bucket
from neurocaas.listing import ListedJob, listing
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.lines import to_stdout

if TYPE_CHECKING:
    from neurocaas.spending import GroupSpending

GIB_MONTH_USD = 0.023
"""S3 Standard in us-east-1, the first 50 TB (the price page in November 2026)."""

LISTED = 100_000
"""So many objects of a bucket are counted, a hundred requests."""


_DOC = """Show what a group's jobs of a month have cost; without a group, what the whole account costs.

Without --group and --analysis, for administrators: each group and analysis, storage, what the stacks cost
when nobody works, and machine images that stay. A job counts in the month in which it was taken.
"""


@dataclass
class GroupPlace:
    """The jobs of a group in the bucket of a stack; as `neurocaas.spending` asks."""

    name: str
    group: str
    objects: Bucket

    def listing(self) -> Sequence[ListedJob]:
        return listing(self.objects, self.group)


def with_account(task: Any) -> Task:  # type: ignore[type-arg]
    """The task `cost` of a group, which without one is that of the account."""
    body: Callable[..., Any] = task.body

    def cost(c: Any, *given: Any, **named: Any) -> None:
        said = defaults()
        one = named.get("analysis") or named.get("bucket") or named.get("group")
        if one or said.group or said.analysis:
            body(c, *given, **named)
            return
        show(named.get("month", ""), named.get("since", ""), named.get("by", ""),
             as_csv=bool(named.get("csv")), as_json=bool(named.get("json")))  # fmt: skip

    cost.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
    cost.__name__ = task.name
    cost.__doc__ = _DOC
    return Task(cost, name=task.name, iterable=list(task.iterable), help=task.help)


def show(month: str, since: str, by: str, *, as_csv: bool, as_json: bool) -> None:
    import boto3

    from account.clients import client
    from console.cloud import project_root
    from console.engine import Engine
    from neurocaas.commands.paying import span_of, write_csv
    from neurocaas.spending import chosen_by, spent_between, totals

    kind = chosen_by(by)
    begin, end, named = span_of(month, since)
    engine, s3 = Engine(project_root()), client("s3")
    buckets = {
        name: str(outputs["bucket"])
        for name in sorted(engine.stack_names())
        if (outputs := engine.outputs_if_any(name)).get("bucket")
    }
    found = [
        (place.group, spent_between(place, begin, end))
        for stack, bucket in buckets.items()
        for place in places(stack, Bucket(s3, bucket))
    ]
    in_all = [asdict(one) for one in totals([spent for _, spent in found], kind)] if kind else []
    rows = [row(group, spent) for group, spent in found]
    if as_csv:
        write_csv(in_all or rows, list((in_all or rows or [{"group": ""}])[0]))
        return
    resources = {
        name: [(str(one["type"]), one.get("inputs") or {}) for one in engine.resources(name)]
        for name in sorted(engine.stack_names())
    }
    there = {name: some for name, some in resources.items() if some}
    images = images_of(boto3.client("ec2"))
    idle = idle_facts(there, {name: round(sum(usd for _, usd in images.get(name, [])), 2) for name in there})
    report = {
        "month": named,
        "since": (since and begin.isoformat()) or None,
        "cost_usd": round(sum(one["cost_usd"] for one in rows), 6),
        "reserved_usd": round(sum(one["reserved_usd"] for one in rows), 6),
        "groups": rows,
        "by": kind,
        "totals": in_all,
        "storage": [stored(name, bucket, s3) for name, bucket in buckets.items()],
        "idle_usd_per_month": idle["usd"],
        "images": [
            {"stack": name, "stack_is_there": name in there, "image_id": image, "usd_per_month": usd}
            for name, some in images.items()
            for image, usd in some
        ],
    }
    to_stdout(document.dumps(report, indent=2) if as_json else "\n".join(lines(report)))


def places(stack: str, objects: Bucket) -> Iterable[GroupPlace]:
    """Each group that has records in the bucket, also one that is in no file any more."""
    for group in objects.folders(f"{JOBS}/"):
        yield GroupPlace(stack, group, objects)


def row(group: str, spent: GroupSpending) -> dict[str, Any]:
    return {
        "group": group,
        "analysis": spent.analysis,
        "jobs": len(spent.bills),
        "datasets": sum(one.datasets for one in spent.bills),
        "seconds": round(sum(one.seconds for one in spent.bills), 3),
        "cost_usd": round(spent.usd, 6),
        "open": len(spent.open),
        "reserved_usd": round(spent.reserved_usd, 6),
    }


def stored(stack: str, bucket: str, s3: Any, now: datetime | None = None) -> dict[str, Any]:
    """What a bucket holds, all versions, and what that costs a month. `counted`: by listing, and `at_least`
    when there is more than was listed."""
    size, counted, more = _reported(bucket, now or datetime.now(UTC)), False, False
    if size is None:
        size, counted = 0, True
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, PaginationConfig={"MaxItems": LISTED}
        )
        seen = 0
        for page in pages:
            versions = page.get("Versions", [])
            size, seen = size + sum(int(one["Size"]) for one in versions), seen + len(versions)
        more = seen >= LISTED
    usd = size / 2**30 * GIB_MONTH_USD
    return {
        "stack": stack,
        "bucket": bucket,
        "bytes": size,
        "usd_per_month": round(usd, 4),
        "counted": counted,
        "at_least": more,
    }


def _reported(bucket: str, now: datetime) -> int | None:
    """Bytes in S3 Standard by the latest daily report; None without one."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        points = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/S3",
            MetricName="BucketSizeBytes",
            Dimensions=[
                {"Name": "BucketName", "Value": bucket},
                {"Name": "StorageType", "Value": "StandardStorage"},
            ],
            StartTime=now - timedelta(days=3),
            EndTime=now,
            Period=86_400,
            Statistics=["Average"],
        )["Datapoints"]
    except (BotoCoreError, ClientError):
        return None
    latest = max(points, key=lambda one: one["Timestamp"], default=None)
    return int(latest["Average"]) if latest else None


def lines(report: dict[str, Any]) -> list[str]:
    """The report as people read it."""
    from neurocaas.layout import table
    from neurocaas.protocol.units import duration, money, size

    said = table(
        ["group", "analysis", "jobs", "datasets", "machine time", "cost", "open", "reserved"],
        [
            [one["group"], one["analysis"], str(one["jobs"]), str(one["datasets"]), duration(one["seconds"]),
             money(one["cost_usd"]), str(one["open"] or ""),
             money(one["reserved_usd"]) if one["reserved_usd"] else ""]
            for one in report["groups"]
        ],
        right=["jobs", "datasets", "machine time", "cost", "open", "reserved"],
    )  # fmt: skip
    for one in report["totals"]:
        said.append(f"{one['name']}: {money(one['cost_usd'])} for {one['jobs']} jobs")
    when = f"in {report['month']}" if report["month"] else f"since {report['since'][:10]}"
    said.append(f"machines of jobs {when}: {money(report['cost_usd'])}")
    said += [
        f"stored in {one['bucket']}: {'at least ' if one['at_least'] else ''}{size(one['bytes'])}, "
        f"{money(one['usd_per_month'])} a month"
        for one in report["storage"]
    ]
    said.append(
        f"when nobody works: {money(report['idle_usd_per_month'])} a month (`invoke idle-cost` says of what)"
    )
    said += [
        f"machine image {one['image_id']} of {one['stack']}"
        f"{'' if one['stack_is_there'] else ' (the stack is gone)'}: at most "
        f"{money(one['usd_per_month'])} a month"
        for one in report["images"]
    ]
    return said
