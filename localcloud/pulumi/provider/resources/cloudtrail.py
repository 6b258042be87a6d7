"""Trails: who did what, as files in a bucket."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags

SELECTORS = "eventSelectors"
MANAGEMENT = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
"""What a trail records that nobody has told anything else."""


class Trail(Named):
    """A trail. Its id is its ARN; it records from its creation on."""

    service = "cloudtrail"
    calls = ("create_trail", "get_trail", "update_trail", "delete_trail")
    key, made, found = "Name", "TrailARN", "Trail"
    sent = members(
        "name s3BucketName s3KeyPrefix includeGlobalServiceEvents isMultiRegionTrail enableLogFileValidation"
    )
    told = {
        "arn": "TrailARN",
        "homeRegion": "HomeRegion",
        "enableLogFileValidation": "LogFileValidationEnabled",
    }
    cleared = {"s3KeyPrefix": ""}
    tagged_at_birth = False
    tags = Tags(
        service="cloudtrail",
        argument="ResourceId",
        tag="add_tags",
        untag="remove_tags",
        member="TagsList",
        keys="TagsList",
    )
    seconds = 60.0

    def passing(self, error: BaseException) -> bool:
        """The bucket's policy is not in force yet."""
        return code(error) == "InsufficientS3BucketPolicyException"

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        if inputs.get(SELECTORS):
            self._select(call, resource_id, inputs)
        call.client("cloudtrail").start_logging(Name=resource_id)

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        client, arn = call.client("cloudtrail"), found["TrailARN"]
        selected = client.get_event_selectors(TrailName=arn).get("EventSelectors")
        return {
            **super().properties(call, found, state),
            "enableLogging": bool(client.get_trail_status(Name=arn).get("IsLogging")),
            SELECTORS: self.shape.from_aws(selected or [], call.types[SELECTORS])
            if found.get("HasCustomEventSelectors")
            else None,
        }

    def read_tags(self, call: Call, found: Any, resource_id: str, result: Properties) -> dict[str, str]:
        listed = call.client("cloudtrail").list_tags(ResourceIdList=[resource_id])["ResourceTagList"]
        return self.tags.told(listed[0]["TagsList"] if listed else [])

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        super().update(call, resource_id, olds, news)
        if news.get(SELECTORS) != olds.get(SELECTORS):
            self._select(call, resource_id, news)

    def _select(self, call: Call, arn: str, inputs: Properties) -> None:
        wanted = self.shape.to_aws(inputs.get(SELECTORS), call.types[SELECTORS]) or MANAGEMENT
        call.client("cloudtrail").put_event_selectors(TrailName=arn, EventSelectors=wanted)
