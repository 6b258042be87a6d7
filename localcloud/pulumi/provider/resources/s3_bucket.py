"""Buckets and their objects' removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError, code, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import from_pairs, pairs

HOSTED_ZONES = {
    "us-east-1": "Z3AQBSTGFJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-central-1": "Z21DNDUVLTQW6Q",
}
"""Route 53 zone of S3 in a region. Source: https://docs.aws.amazon.com/general/latest/gr/s3.html (website
endpoints).
"""


class Bucket(Handler):
    """A bucket. `forceDestroy` is taken from the state at delete: without it, a bucket with contents
    stays.
    """

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("s3"), inputs["bucket"]
        # in us-east-1 S3 answers success for a bucket one owns: the second resource would take the first's
        if _own(client, name):
            raise ProviderError(
                f"BucketAlreadyOwnedByYou: the bucket {name} exists already; import it or choose another name"
            )
        arguments: dict[str, Any] = {"Bucket": name}
        if call.region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": call.region}
        client.create_bucket(**arguments)
        call.created(name)
        self._tag(call, name, call.all_tags(inputs))
        return str(name)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("s3")
        if not _exists(client, resource_id):
            return None
        return {
            "bucket": resource_id,
            "arn": f"arn:aws:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{resource_id}.s3.{call.region}.amazonaws.com",
            "bucketRegion": call.region,
            "hostedZoneId": HOSTED_ZONES.get(call.region),
            "objectLockEnabled": False,
            "tagsAll": _tags(client, resource_id),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        wanted = call.all_tags(news)
        if wanted != olds.get("tagsAll"):
            self._tag(call, resource_id, wanted)

    @staticmethod
    def _tag(call: Call, name: str, tags: dict[str, str]) -> None:
        if tags:
            call.client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(tags)})
        else:
            call.client("s3").delete_bucket_tagging(Bucket=name)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("s3")
        try:
            client.delete_bucket(Bucket=resource_id)
        except Exception as error:
            if code(error) != "BucketNotEmpty" or not state.get("forceDestroy"):
                raise
            empty(client, resource_id)
            client.delete_bucket(Bucket=resource_id)


def _own(client: Any, name: str) -> bool:
    """Whether the bucket is there and one's own. Of a stranger's, CreateBucket says it in better words."""
    try:
        return _exists(client, name)
    except Exception as error:
        if code(error) == "403":
            return False
        raise


def _exists(client: Any, name: str) -> bool:
    try:
        client.head_bucket(Bucket=name)
    except Exception as error:
        if is_not_found(error):
            return False
        raise
    return True


def _tags(client: Any, name: str) -> dict[str, str]:
    try:
        return from_pairs(client.get_bucket_tagging(Bucket=name)["TagSet"])
    except Exception as error:
        if is_not_found(error):
            return {}
        raise


def empty(client: Any, bucket: str, key: str | None = None) -> None:
    """Delete all versions and delete markers in `bucket` (only those of `key` when given), and unfinished
    uploads.

    Raises `ProviderError`: S3 refused some of them.
    """
    for batch in _versions(client, bucket, key):
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        refused = answer.get("Errors") or []
        if refused:
            first = refused[0]
            raise ProviderError(
                f"{first.get('Code')}: {len(refused)} objects of {bucket} could not be deleted, the first "
                f"{first.get('Key')!r}"
            )
    if key is None:
        for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads") or ():
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _versions(client: Any, bucket: str, key: str | None) -> Iterator[list[dict[str, str]]]:
    arguments = {"Bucket": bucket} if key is None else {"Bucket": bucket, "Prefix": key}
    for page in client.get_paginator("list_object_versions").paginate(**arguments):
        found = [*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ())]
        batch = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in found
            if key is None or item["Key"] == key
        ]
        if batch:
            yield batch
