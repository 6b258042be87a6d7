"""The steps that ask AWS itself, where no job of the service would tell."""

from __future__ import annotations

import time
from typing import Any

from neurocaas.protocol.tags import STACK_TAG
from smoke.bench import Bench, SmokeError
from smoke.place import GROUP


def launch_index(bench: Bench) -> str:
    """Two spot machines in one call: do they know which of both they are? They are ended at once."""
    from botocore.exceptions import ClientError

    ec2 = bench.make("ec2")
    group = bench.outputs["groups"][GROUP]
    template = {
        "LaunchTemplateId": group["launch_template_id"],
        "Version": str(group["launch_template_version"]),
    }
    try:
        started = ec2.run_instances(
            LaunchTemplate=template,
            InstanceType="t3.small",
            MinCount=2,
            MaxCount=2,
            InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}},
            InstanceInitiatedShutdownBehavior="terminate",
            TagSpecifications=[
                {"ResourceType": kind, "Tags": _tags(bench)} for kind in ("instance", "volume")
            ],
        )["Instances"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        bench.answers.unknown("launch-index", f"EC2 started none: {code}")
        raise SmokeError(f"RunInstances of two spot machines: {code}") from None
    ids = [one["InstanceId"] for one in started]
    try:
        indexes = sorted(one["AmiLaunchIndex"] for one in _described(ec2, ids))
    finally:
        ec2.terminate_instances(InstanceIds=ids)
    bench.answers.judge("launch-index", indexes == [0, 1], f"the indexes are {indexes}")
    return f"launch indexes {indexes}"


def _described(ec2: Any, ids: list[str]) -> list[Any]:
    """The machines, once EC2 shows both: its answers lag behind its launches."""
    for _ in range(20):
        pages = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": ids}])["Reservations"]
        found = [one for page in pages for one in page["Instances"]]
        if len(found) == len(ids):
            return found
        time.sleep(1)
    raise SmokeError(f"EC2 shows {len(found)} of two machines")


def _tags(bench: Bench) -> list[dict[str, str]]:
    """The sweep stops a machine with these after its minutes, should the run be killed here."""
    values = {
        STACK_TAG: bench.place.stack,
        "PriceTracking": "On",
        "Timeout": "15",
    }
    return [{"Key": name, "Value": value} for name, value in values.items()]


def metrics(bench: Bench) -> str:
    """Whether the functions' metrics have arrived, asked once, after the bake: on AWS that has taken longer
    than CloudWatch needs to list a new metric (a quarter of an hour)."""
    wanted = [{"Name": "Bucket", "Value": bench.bucket}]
    found = bench.make("cloudwatch").list_metrics(Namespace="NeuroCAAS", Dimensions=wanted)["Metrics"]
    names = sorted({one["MetricName"] for one in found})
    if not names:
        bench.answers.unknown("metrics", "none is listed, which may take longer than this run")
        return "none is listed"
    bench.answers.yes("metrics", ", ".join(names))
    return f"{len(names)} metrics"
