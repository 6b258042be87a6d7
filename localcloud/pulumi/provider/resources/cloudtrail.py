"""Trails: who did what, as files in a bucket."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import Shape
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

KIND = "aws:cloudtrail/trail:Trail"
SHAPE = Shape()
SELECTORS = "eventSelectors"
SETTINGS = {
    "s3BucketName": "S3BucketName",
    "s3KeyPrefix": "S3KeyPrefix",
    "includeGlobalServiceEvents": "IncludeGlobalServiceEvents",
    "isMultiRegionTrail": "IsMultiRegionTrail",
    "enableLogFileValidation": "EnableLogFileValidation",
    "kmsKeyId": "KmsKeyId",
}
MANAGEMENT = [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": []}]
"""What a trail records that nobody has told anything else."""


def _too_new(error: BaseException) -> bool:
    """The bucket's policy is not in force yet."""
    return code(error) == "InsufficientS3BucketPolicyException"


class Trail(Handler):
    """A trail. Its id is its ARN; it records from its creation on unless ``enableLogging`` is false."""

    def create(self, call: Call, inputs: Properties) -> str:
        client = call.client("cloudtrail")
        arguments = {"Name": inputs["name"], **_settings(inputs)}
        made = call.retry(lambda: client.create_trail(**arguments), _too_new, seconds=60)
        arn = call.created(str(made["TrailARN"]))
        if tags := call.all_tags(inputs):
            client.add_tags(ResourceId=arn, TagsList=pairs(tags))
        self._select(call, arn, inputs)
        if inputs.get("enableLogging") is not False:
            client.start_logging(Name=arn)
        return arn

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("cloudtrail")
        found = client.get_trail(Name=resource_id)["Trail"]
        selected = client.get_event_selectors(TrailName=resource_id).get("EventSelectors") or []
        listed = client.list_tags(ResourceIdList=[resource_id])["ResourceTagList"]
        return {
            "name": found["Name"],
            "arn": found["TrailARN"],
            "homeRegion": found["HomeRegion"],
            "s3BucketName": found["S3BucketName"],
            "s3KeyPrefix": found.get("S3KeyPrefix"),
            "includeGlobalServiceEvents": bool(found.get("IncludeGlobalServiceEvents")),
            "isMultiRegionTrail": bool(found.get("IsMultiRegionTrail")),
            "enableLogFileValidation": bool(found.get("LogFileValidationEnabled")),
            "kmsKeyId": found.get("KmsKeyId"),
            "enableLogging": bool(client.get_trail_status(Name=resource_id).get("IsLogging")),
            SELECTORS: SHAPE.from_aws(selected, load().resources[KIND].inputs[SELECTORS])
            if found.get("HasCustomEventSelectors")
            else None,
            "tagsAll": from_pairs(listed[0]["TagsList"] if listed else []),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("cloudtrail")
        if any(news.get(name) != olds.get(name) for name in SETTINGS if name in news or name in olds):
            call.retry(
                lambda: client.update_trail(Name=resource_id, **_settings(news, cleared=olds)),
                _too_new,
                seconds=60,
            )
        if news.get(SELECTORS) != olds.get(SELECTORS):
            self._select(call, resource_id, news, always=True)
        logging = news.get("enableLogging") is not False
        if logging != (olds.get("enableLogging") is not False):
            (client.start_logging if logging else client.stop_logging)(Name=resource_id)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.remove_tags(ResourceId=resource_id, TagsList=[{"Key": key} for key in gone])
        if new:
            client.add_tags(ResourceId=resource_id, TagsList=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("cloudtrail").delete_trail(Name=resource_id)

    @staticmethod
    def _select(call: Call, arn: str, inputs: Properties, *, always: bool = False) -> None:
        wanted = inputs.get(SELECTORS)
        if wanted or always:
            selectors = (
                SHAPE.to_aws(wanted, load().resources[KIND].inputs[SELECTORS]) if wanted else MANAGEMENT
            )
            call.client("cloudtrail").put_event_selectors(TrailName=arn, EventSelectors=selectors)


def _settings(inputs: Properties, cleared: Properties | None = None) -> dict[str, Any]:
    """The arguments of the service. ``cleared``: what was set before and may be no longer."""
    given = {
        service: inputs[name] for name, service in SETTINGS.items() if inputs.get(name) not in (None, "")
    }
    gone = {
        service: ""
        for name, service in SETTINGS.items()
        if (cleared or {}).get(name) and service not in given
    }
    return {
        **given,
        **{service: value for service, value in gone.items() if service in ("S3KeyPrefix", "KmsKeyId")},
    }
