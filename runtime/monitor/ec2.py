"""The monitor's calls to EC2. Permissions: see `runtime.monitor.aws`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from neurocaas.protocol.hold import TAG
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.tags import PRICE_TRACKING
from runtime.aws.clients import Clients
from runtime.monitor.port import Instance


class Ec2Machines:
    """The part of `MonitorCloud` that is about machines."""

    clients: Clients

    def spot_price(self, instance_type: str, zone: str, when: datetime) -> float | None:
        asked = {
            "InstanceTypes": [instance_type],
            "AvailabilityZone": zone,
            "ProductDescriptions": ["Linux/UNIX"],
        }
        # with both times the same, EC2 answers with the price that held then (EC2 API reference,
        # "DescribeSpotPriceHistory")
        try:
            told = self.clients.ec2.describe_spot_price_history(**asked, StartTime=when, EndTime=when)[
                "SpotPriceHistory"
            ]
            prices = {one["Timestamp"]: float(one["SpotPrice"]) for one in told}
            return prices[max(prices)] if prices else None
        # a price that cannot be had keeps no report from being written
        except (ClientError, BotoCoreError, ValueError):
            return None

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        # A filter, not InstanceIds: one id that EC2 has forgotten would fail the whole call.
        return list(self._describe([{"Name": "instance-id", "Values": list(ids)}])) if ids else []

    def all_instances(self) -> Iterator[Instance]:
        return self._describe([{"Name": f"tag:{PRICE_TRACKING}", "Values": ["On"]}])

    def _describe(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[Instance]:
        for page in self.clients.ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from map(_instance, reservation["Instances"])

    def impaired(self, since: datetime) -> list[str]:
        # only running ones, unless all are asked for (EC2 API reference, "DescribeInstanceStatus")
        failing = [{"Name": "system-status.status", "Values": ["impaired"]}]
        found = []
        for page in self.clients.ec2.get_paginator("describe_instance_status").paginate(Filters=failing):
            for one in page["InstanceStatuses"]:
                times = [
                    detail["ImpairedSince"]
                    for detail in one["SystemStatus"].get("Details", [])
                    if "ImpairedSince" in detail
                ]
                if times and min(times) <= since:
                    found.append(one["InstanceId"])
        return found

    def terminate(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), 100):
            try:
                self.clients.ec2.terminate_instances(InstanceIds=list(ids[start : start + 100]))
            except ClientError as error:
                if code_of(error) != "InvalidInstanceID.NotFound":
                    raise

    def mark_held(self, instance: str, until: str) -> None:
        try:
            self.clients.ec2.create_tags(Resources=[instance], Tags=[{"Key": TAG, "Value": until}])
        except ClientError as error:
            if code_of(error) != "InvalidInstanceID.NotFound":
                raise

    def switch_off(self, ids: Sequence[str]) -> None:
        for instance in ids:  # one by one: EC2 refuses all when one is not in the right state
            try:
                self.clients.ec2.stop_instances(InstanceIds=[instance])
            except ClientError as error:
                if code_of(error) == "UnsupportedOperation":  # a one-time spot machine cannot be stopped
                    self.terminate([instance])
                elif code_of(error) not in ("InvalidInstanceID.NotFound", "IncorrectInstanceState"):
                    raise


def _instance(item: Mapping[str, Any]) -> Instance:
    reason = item.get("StateReason") or {}
    return Instance(
        instance_id=item["InstanceId"],
        instance_type=item["InstanceType"],
        state=item["State"]["Name"],
        launch_index=item.get("AmiLaunchIndex", 0),
        launched=item["LaunchTime"],
        spot=item.get("InstanceLifecycle") == "spot",
        reason_code=reason.get("Code", ""),
        reason=reason.get("Message", ""),
        image_id=item.get("ImageId"),
        zone=(item.get("Placement") or {}).get("AvailabilityZone", ""),
        transition=item.get("StateTransitionReason", ""),
        tags={tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
    )
