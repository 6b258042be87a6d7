"""Objects: a file or a text under a key."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from localcloud.pulumi.provider.archives import asset_bytes, zip_bytes
from localcloud.pulumi.provider.codec import Archive
from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import ProviderError
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.s3_bucket import empty
from localcloud.pulumi.provider.tags import from_pairs, pairs

CONTENT = ("source", "content", "contentType")
"""Inputs whose change makes a new upload."""


class BucketObjectv2(Handler):
    """One object. Its id is `bucket/key`."""

    def create(self, call: Call, inputs: Properties) -> str:
        self._upload(call, inputs)
        return f"{inputs['bucket']}/{inputs['key']}"

    @staticmethod
    def _upload(call: Call, inputs: Properties) -> None:
        optional = {"ContentType": inputs.get("contentType"), "Tagging": urlencode(call.all_tags(inputs))}
        call.client("s3").put_object(
            Bucket=inputs["bucket"],
            Key=_clean(inputs["key"]),
            Body=_body(inputs),
            **{name: value for name, value in optional.items() if value},
        )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        bucket, _, key = resource_id.removeprefix("s3://").partition("/")
        if not key:
            raise ProviderError(f"got the id {resource_id!r}; BUCKET/KEY is needed; write it so")
        client, where = call.client("s3"), {"Bucket": bucket, "Key": _clean(key)}
        head: dict[str, Any] = client.head_object(**where)
        return {
            "bucket": bucket,
            "key": key,
            "arn": f"arn:aws:s3:::{bucket}/{_clean(key)}",
            "etag": head["ETag"].strip('"'),
            "contentType": head.get("ContentType"),
            "serverSideEncryption": head.get("ServerSideEncryption"),
            "kmsKeyId": head.get("SSEKMSKeyId"),
            "bucketKeyEnabled": head.get("BucketKeyEnabled"),
            "storageClass": head.get("StorageClass") or "STANDARD",
            "versionId": None if head.get("VersionId") in (None, "null") else head["VersionId"],
            "tagsAll": from_pairs(client.get_object_tagging(**where)["TagSet"]),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        watched = [key for key in CONTENT if key in news or key != "contentType"]
        if any(not same(olds.get(key), news.get(key)) for key in watched):
            self._upload(call, news)
        elif (wanted := call.all_tags(news)) != olds.get("tagsAll"):
            call.client("s3").put_object_tagging(
                Bucket=news["bucket"], Key=_clean(news["key"]), Tagging={"TagSet": pairs(wanted)}
            )

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        client = call.client("s3")
        bucket, key = state["bucket"], _clean(state["key"])
        if state.get("versionId"):
            empty(client, bucket, key)
        else:
            client.delete_object(Bucket=bucket, Key=key)


def _body(inputs: Properties) -> bytes:
    source = inputs.get("source")
    if source is not None:
        return zip_bytes(source) if isinstance(source, Archive) else asset_bytes(source)
    return str(inputs.get("content") or "").encode()


def _clean(key: str) -> str:
    """The key as the real provider sends it: no leading `./` or `/`, no double `/`."""
    key = key.removeprefix("./").lstrip("/")
    while "//" in key:
        key = key.replace("//", "/")
    return key
