"""Objects: a file, a text, or bytes in base64, under a key."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from localcloud.pulumi.provider.archives import asset_bytes, zip_bytes
from localcloud.pulumi.provider.codec import Archive
from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.errors import ProviderError, is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.s3_bucket import empty
from localcloud.pulumi.provider.tags import from_pairs, pairs

_HEADERS = {
    "acl": "ACL",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "metadata": "Metadata",
    "serverSideEncryption": "ServerSideEncryption",
    "kmsKeyId": "SSEKMSKeyId",
    "storageClass": "StorageClass",
    "websiteRedirect": "WebsiteRedirectLocation",
    "checksumAlgorithm": "ChecksumAlgorithm",
}
CONTENT = ("source", "content", "contentBase64", "etag", "sourceHash", *_HEADERS)
"""Inputs whose change makes a new upload. Source: internal/service/s3/object.go (hasObjectContentChanges) of
terraform-provider-aws.
"""


class BucketObjectv2(Handler):
    """One object. Its id is ``bucket/key``."""

    def create(self, call: Call, inputs: Properties) -> str:
        self._upload(call, inputs)
        return f"{inputs['bucket']}/{inputs['key']}"

    @staticmethod
    def _upload(call: Call, inputs: Properties) -> None:
        arguments: dict[str, Any] = {
            name: inputs[key] for key, name in _HEADERS.items() if inputs.get(key) not in (None, "", {})
        }
        if inputs.get("kmsKeyId"):
            arguments["ServerSideEncryption"] = "aws:kms"
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tagging"] = urlencode(tags)
        call.client("s3").put_object(
            Bucket=inputs["bucket"], Key=_clean(inputs["key"]), Body=_body(inputs), **arguments
        )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        bucket, _, key = resource_id.removeprefix("s3://").partition("/")
        if not key:
            raise ProviderError(f"got the id {resource_id!r}; BUCKET/KEY is needed; write it so")
        client = call.client("s3")
        try:
            head = client.head_object(Bucket=bucket, Key=_clean(key))
            tags = from_pairs(client.get_object_tagging(Bucket=bucket, Key=_clean(key))["TagSet"])
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        return {
            "bucket": bucket,
            "key": key,
            "arn": f"arn:aws:s3:::{bucket}/{_clean(key)}",
            "etag": head["ETag"].strip('"'),
            "contentType": head.get("ContentType"),
            "cacheControl": head.get("CacheControl"),
            "contentDisposition": head.get("ContentDisposition"),
            "contentEncoding": head.get("ContentEncoding"),
            "contentLanguage": head.get("ContentLanguage"),
            "metadata": head.get("Metadata") or None,
            "serverSideEncryption": head.get("ServerSideEncryption"),
            "kmsKeyId": head.get("SSEKMSKeyId"),
            "bucketKeyEnabled": head.get("BucketKeyEnabled"),
            "storageClass": head.get("StorageClass") or "STANDARD",
            "versionId": None if head.get("VersionId") in (None, "null") else head["VersionId"],
            "websiteRedirect": head.get("WebsiteRedirectLocation"),
            "checksumSha256": head.get("ChecksumSHA256"),
            "tagsAll": tags,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        computed = (
            "etag",
            "contentType",
            "serverSideEncryption",
            "kmsKeyId",
            "bucketKeyEnabled",
            "storageClass",
        )
        if any(
            not same(olds.get(key), news.get(key)) for key in CONTENT if key in news or key not in computed
        ):
            self._upload(call, news)
            return
        wanted = call.all_tags(news)
        if wanted != olds.get("tagsAll"):
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
    if inputs.get("content") is not None:
        return str(inputs["content"]).encode()
    return base64.b64decode(inputs.get("contentBase64") or "")


def _clean(key: str) -> str:
    """The key as the real provider sends it: no leading ``./`` or ``/``, no double ``/``."""
    key = key.removeprefix("./").lstrip("/")
    while "//" in key:
        key = key.replace("//", "/")
    return key
