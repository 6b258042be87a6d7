"""What hangs on a bucket, one of each kind: the id is the bucket's name."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.shape import Shape

CONFLICTS = ("OperationAborted", "ConflictException")
"""What S3 answers when two settings of one bucket change at once."""


VERSIONING = "versioningConfiguration"


class _BucketSetting(Handler):
    """A setting that is put, got and deleted as a whole."""

    noun: ClassVar[str]
    """In operation names: `put_bucket_NOUN`."""
    argument: ClassVar[str]
    """The setting in calls and answers."""
    inner: ClassVar[str] = ""
    """The list in it."""
    prop: ClassVar[str] = ""
    """The input that the setting is made of."""
    shape = Shape(names={"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID", "id": "ID"})

    def __init_subclass__(cls) -> None:
        if cls.prop:
            cls.request = ("s3", f"put_{cls.noun}")
            cls.sent = {cls.prop: f"{cls.argument}.{cls.inner}".rstrip(".")}

    def _do(self, call: Call, verb: str, bucket: str, **arguments: Any) -> Any:
        action = getattr(call.client("s3"), f"{verb}_{self.noun}")
        in_conflict = lambda error: code(error) in CONFLICTS  # noqa: E731
        return call.retry(lambda: action(Bucket=bucket, **arguments), in_conflict, seconds=60)

    def to_aws(self, call: Call, inputs: Properties) -> Any:
        """The inputs as the service has them."""
        value = self.shape.to_aws(inputs[self.prop], call.types[self.prop])
        return {self.inner: value} if self.inner else value

    def from_aws(self, call: Call, found: Any) -> Properties:
        """The inverse."""
        return {
            self.prop: self.shape.from_aws(found[self.inner] if self.inner else found, call.types[self.prop])
        }

    def create(self, call: Call, inputs: Properties) -> str:
        self.update(call, inputs["bucket"], {}, inputs)
        return str(inputs["bucket"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = self._do(call, "get", resource_id)
        return {
            "bucket": resource_id,
            **self.from_aws(call, found[self.argument] if self.argument else found),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._do(call, "put", resource_id, **{self.argument: self.to_aws(call, news)})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._do(call, "delete", resource_id)


class BucketVersioning(_BucketSetting):
    """Versioning. It cannot be removed, only suspended. "Disabled" is a word of the provider's."""

    noun, argument = "bucket_versioning", "VersioningConfiguration"

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        status = self._do(call, "get", resource_id).get("Status", "Disabled")
        return {"bucket": resource_id, VERSIONING: {"status": status}}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        status = news[VERSIONING]["status"]
        if status != "Disabled":  # the state of a bucket that never was versioned: nothing to put
            self._do(call, "put", resource_id, VersioningConfiguration={"Status": status})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if (state.get(VERSIONING) or {}).get("status") == "Enabled":
            self.update(call, resource_id, state, {VERSIONING: {"status": "Suspended"}})


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    """Default encryption."""

    noun, argument = "bucket_encryption", "ServerSideEncryptionConfiguration"
    inner, prop = "Rules", "rules"


class BucketPublicAccessBlock(_BucketSetting):
    """The four switches against public access."""

    noun, argument = "public_access_block", "PublicAccessBlockConfiguration"
    SWITCHES: ClassVar = {
        "blockPublicAcls": "BlockPublicAcls",
        "blockPublicPolicy": "BlockPublicPolicy",
        "ignorePublicAcls": "IgnorePublicAcls",
        "restrictPublicBuckets": "RestrictPublicBuckets",
    }

    def to_aws(self, call: Call, inputs: Properties) -> Any:
        return {service: bool(inputs.get(name)) for name, service in self.SWITCHES.items()}

    def from_aws(self, call: Call, found: Any) -> Properties:
        return {name: bool(found.get(service)) for name, service in self.SWITCHES.items()}


class BucketOwnershipControls(_BucketSetting):
    """Who owns objects, and whether ACLs count."""

    noun, argument = "bucket_ownership_controls", "OwnershipControls"

    def to_aws(self, call: Call, inputs: Properties) -> Any:
        return {"Rules": [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]}

    def from_aws(self, call: Call, found: Any) -> Properties:
        return {"rule": {"objectOwnership": found["Rules"][0]["ObjectOwnership"]}}


class BucketLifecycleConfiguration(_BucketSetting):
    """Rules that expire objects, versions and unfinished uploads, or move them to other storage classes."""

    noun, argument, inner, prop = "bucket_lifecycle_configuration", "LifecycleConfiguration", "Rules", "rules"

    def to_aws(self, call: Call, inputs: Properties) -> Any:
        result = super().to_aws(call, inputs)
        for rule in result["Rules"]:
            rule["Filter"] = rule.get("Filter") or {"Prefix": ""}
        return result

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = self._do(call, "get", resource_id)
        result = self.from_aws(call, found)
        for rule in result["rules"]:
            if rule.get("filter") == {}:  # S3 drops the filter that matches everything
                del rule["filter"]
        size = found.get("TransitionDefaultMinimumObjectSize") or "all_storage_classes_128K"
        return {"bucket": resource_id, **result, "transitionDefaultMinimumObjectSize": size}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_lifecycle(Bucket=resource_id)


class BucketCorsConfiguration(_BucketSetting):
    """Which web pages of other origins may ask for objects."""

    noun, argument, inner, prop = "bucket_cors", "CORSConfiguration", "CORSRules", "corsRules"

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        return {"bucket": resource_id, **self.from_aws(call, self._do(call, "get", resource_id))}


class BucketPolicy(_BucketSetting):
    """The bucket's resource policy."""

    noun, argument, prop = "bucket_policy", "Policy", "policy"


class BucketNotification(_BucketSetting):
    """All notifications of a bucket: it overwrites what other resources for the same bucket wrote."""

    noun, argument, inner, prop = (
        "bucket_notification_configuration",
        "NotificationConfiguration",
        "QueueConfigurations",
        "queues",
    )

    def to_aws(self, call: Call, inputs: Properties) -> Any:
        queues = [
            {
                "Id": item.get("id") or f"tf-s3-queue-{secrets.token_hex(13)}",
                "QueueArn": item["queueArn"],
                "Events": item["events"],
                **_key_filter(item),
            }
            for item in inputs.get("queues") or []
        ]
        return {"QueueConfigurations": queues} if queues else {}

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = self._do(call, "get", resource_id)
        queues = [
            {
                "id": item.get("Id"),
                "queueArn": item["QueueArn"],
                "events": sorted(item["Events"]),
                **_key_filter_back(item),
            }
            for item in found.get("QueueConfigurations") or []
        ]
        return {
            "bucket": resource_id,
            "eventbridge": "EventBridgeConfiguration" in found,
            "queues": queues or None,
        }

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self.update(call, resource_id, state, {})


_FILTERS = (("filterPrefix", "prefix"), ("filterSuffix", "suffix"))


def _key_filter(item: Properties) -> dict[str, Any]:
    rules = [{"Name": name, "Value": item[key]} for key, name in _FILTERS if item.get(key)]
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


def _key_filter_back(item: dict[str, Any]) -> Properties:
    rules = ((item.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    found = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return {key: found[name] for key, name in _FILTERS if found.get(name)}
