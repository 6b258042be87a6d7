"""What hangs on a bucket, one of each kind: the id is the bucket's name."""

from __future__ import annotations

import secrets
from typing import Any

from localcloud.pulumi.provider.errors import code, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.sdk import load
from localcloud.pulumi.provider.shape import Shape

S3 = Shape(names={"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID", "id": "ID"})


class _BucketSetting(Handler):
    """A setting that is put, got and deleted as a whole."""

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        raise NotImplementedError

    def get(self, call: Call, bucket: str) -> Properties | None:
        raise NotImplementedError

    def create(self, call: Call, inputs: Properties) -> str:
        bucket = str(inputs["bucket"])
        # S3 answers OperationAborted when two settings of one bucket change at once
        call.retry(lambda: self.put(call, bucket, inputs), _is_conflict, seconds=60)
        return bucket

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        try:
            found = self.get(call, resource_id)
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        return None if found is None else {"bucket": resource_id, **found}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        call.retry(lambda: self.put(call, resource_id, news), _is_conflict, seconds=60)


def _is_conflict(error: BaseException) -> bool:
    return code(error) in ("OperationAborted", "ConflictException")


class BucketVersioning(_BucketSetting):
    """Versioning. It cannot be removed, only suspended."""

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        wanted = inputs["versioningConfiguration"]
        if wanted["status"] == "Disabled":  # the state of a bucket that never was versioned: nothing to put
            return
        arguments = {
            "Status": wanted["status"],
            **({"MFADelete": wanted["mfaDelete"]} if wanted.get("mfaDelete") else {}),
        }
        call.client("s3").put_bucket_versioning(
            Bucket=bucket,
            VersioningConfiguration=arguments,
            **({"MFA": inputs["mfa"]} if inputs.get("mfa") else {}),
        )

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_bucket_versioning(Bucket=bucket)
        return {
            "versioningConfiguration": {
                "status": found.get("Status", "Disabled"),
                "mfaDelete": found.get("MFADelete"),
            }
        }

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if (state.get("versioningConfiguration") or {}).get("status") == "Enabled":
            call.client("s3").put_bucket_versioning(
                Bucket=resource_id, VersioningConfiguration={"Status": "Suspended"}
            )


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    """Default encryption."""

    KIND = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        rules = S3.to_aws(inputs["rules"], load().resources[self.KIND].inputs["rules"])
        call.client("s3").put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules}
        )

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
        return {"rules": S3.from_aws(found["Rules"], load().resources[self.KIND].inputs["rules"])}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_encryption(Bucket=resource_id)


class BucketPublicAccessBlock(_BucketSetting):
    """The four switches against public access."""

    SWITCHES = {
        "blockPublicAcls": "BlockPublicAcls",
        "blockPublicPolicy": "BlockPublicPolicy",
        "ignorePublicAcls": "IgnorePublicAcls",
        "restrictPublicBuckets": "RestrictPublicBuckets",
    }

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        wanted = {service: bool(inputs.get(name)) for name, service in self.SWITCHES.items()}
        call.client("s3").put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        return {name: bool(found.get(service)) for name, service in self.SWITCHES.items()}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            call.client("s3").delete_public_access_block(Bucket=resource_id)


class BucketOwnershipControls(_BucketSetting):
    """Who owns objects, and whether ACLs count."""

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        rules = [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]
        call.client("s3").put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})

    def get(self, call: Call, bucket: str) -> Properties | None:
        rules = call.client("s3").get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
        return {"rule": {"objectOwnership": rules[0]["ObjectOwnership"]}} if rules else None

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_ownership_controls(Bucket=resource_id)


class BucketLifecycleConfiguration(_BucketSetting):
    """Rules that expire objects, versions and unfinished uploads, or move them to other storage classes."""

    KIND = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        rules = S3.to_aws(inputs.get("rules") or [], load().resources[self.KIND].inputs["rules"])
        for rule, given in zip(rules, inputs.get("rules") or [], strict=True):
            if given.get("prefix") is None:
                rule["Filter"] = _filter_to_aws(rule.get("Filter") or {}, given.get("filter") or {})
        arguments: dict[str, Any] = {}
        if inputs.get("transitionDefaultMinimumObjectSize"):
            arguments["TransitionDefaultMinimumObjectSize"] = inputs["transitionDefaultMinimumObjectSize"]
        call.client("s3").put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": rules}, **arguments
        )

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)
        rules = S3.from_aws(found["Rules"], load().resources[self.KIND].inputs["rules"])
        for rule, raw in zip(rules, found["Rules"], strict=True):
            tags = ((raw.get("Filter") or {}).get("And") or {}).get("Tags")
            if tags:
                rule["filter"]["and"]["tags"] = {tag["Key"]: tag["Value"] for tag in tags}
            if rule.get("filter") == {}:  # S3 drops the filter that matches everything
                del rule["filter"]
        size = found.get("TransitionDefaultMinimumObjectSize") or "all_storage_classes_128K"
        return {"rules": rules, "transitionDefaultMinimumObjectSize": size}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_lifecycle(Bucket=resource_id)


def _filter_to_aws(converted: dict[str, Any], given: Properties) -> dict[str, Any]:
    tags = (given.get("and") or {}).get("tags")
    if tags:
        converted["And"]["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return converted or {"Prefix": ""}


class BucketCorsConfiguration(_BucketSetting):
    """Which web pages of other origins may ask for objects."""

    KIND = "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration"

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        rules = S3.to_aws(inputs["corsRules"], load().resources[self.KIND].inputs["corsRules"])
        call.client("s3").put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
        return {"corsRules": S3.from_aws(found, load().resources[self.KIND].inputs["corsRules"])}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_cors(Bucket=resource_id)


class BucketPolicy(_BucketSetting):
    """The bucket's resource policy."""

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        call.client("s3").put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def get(self, call: Call, bucket: str) -> Properties | None:
        return {"policy": call.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").delete_bucket_policy(Bucket=resource_id)


class BucketNotification(_BucketSetting):
    """All notifications of a bucket: it overwrites what other resources for the same bucket wrote."""

    GROUPS = (
        ("queues", "QueueConfigurations", "queueArn", "QueueArn", "tf-s3-queue-"),
        ("topics", "TopicConfigurations", "topicArn", "TopicArn", "tf-s3-topic-"),
        (
            "lambdaFunctions",
            "LambdaFunctionConfigurations",
            "lambdaFunctionArn",
            "LambdaFunctionArn",
            "tf-s3-lambda-",
        ),
    )

    def put(self, call: Call, bucket: str, inputs: Properties) -> None:
        wanted: dict[str, Any] = {"EventBridgeConfiguration": {}} if inputs.get("eventbridge") else {}
        for name, service_name, target, service_target, prefix in self.GROUPS:
            targets = [
                {
                    "Id": item.get("id") or prefix + secrets.token_hex(13),
                    service_target: item[target],
                    "Events": item["events"],
                    **_key_filter(item),
                }
                for item in inputs.get(name) or []
            ]
            if targets:
                wanted[service_name] = targets
        call.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=wanted
        )

    def get(self, call: Call, bucket: str) -> Properties | None:
        found = call.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        result: Properties = {"eventbridge": "EventBridgeConfiguration" in found}
        for name, service_name, target, service_target, _ in self.GROUPS:
            result[name] = [
                {
                    "id": item.get("Id"),
                    target: item[service_target],
                    "events": sorted(item["Events"]),
                    **_key_filter_back(item),
                }
                for item in found.get(service_name) or []
            ] or None
        return result

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("s3").put_bucket_notification_configuration(
            Bucket=resource_id, NotificationConfiguration={}
        )


def _key_filter(item: Properties) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": item[key]}
        for key, name in (("filterPrefix", "prefix"), ("filterSuffix", "suffix"))
        if item.get(key)
    ]
    return {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}


def _key_filter_back(item: dict[str, Any]) -> Properties:
    rules = ((item.get("Filter") or {}).get("Key") or {}).get("FilterRules") or []
    found = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return {
        key: found[name]
        for key, name in (("filterPrefix", "prefix"), ("filterSuffix", "suffix"))
        if found.get(name)
    }
