"""Buckets of strangers, and an account that lets nothing of S3 be public.

Sources: S3 API reference, "Error responses" (BucketAlreadyExists), HeadBucket (403 for a bucket that one may
not see); S3 user guide, "Blocking public access".
"""

from __future__ import annotations

from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context

CONTROL = "/v20180820/configuration/publicAccessBlock"
_BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def install(context: Context) -> None:
    """Refuse what touches a stranger's bucket; block what is public; say so when asked."""
    table = hooks.handlers()
    serve_original = table["s3"]
    blocked_original = hooks.s3._public_access_blocked
    validate_original = hooks.s3.validate_object_request
    control_original = hooks.app._handle_s3_control_request

    async def serve(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> hooks.Reply:
        refused = _refused(context, method, path, query)
        return refused or await serve_original(method, path, headers, body, query)

    def validate(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> Any:
        """MiniStack says before anything else that a bucket of which it does not know is not there."""
        return _refused(context, method, path, query) or validate_original(method, path, headers, query)

    def blocked(owner_account: str, bucket_name: str, setting: str) -> bool:
        return context.account.now.block_public_access or blocked_original(
            owner_account, bucket_name, setting
        )

    async def control(
        path: str, method: str, body: bytes, query: Any, request_id: str, headers: Any = None
    ) -> Any:
        if path != CONTROL or method != "GET":
            return await control_original(path, method, body, query, request_id, headers)
        denied = hooks.app._enforce_data_plane(
            "s3", "s3:GetAccountPublicAccessBlock", headers or {}, query, request_id, resource_arn="*"
        )
        return denied or _account_block(context.account.now.block_public_access)

    table["s3"] = serve
    hooks.s3._public_access_blocked = blocked
    hooks.s3.validate_object_request = validate
    hooks.app._handle_s3_control_request = control


def _refused(context: Context, method: str, path: str, query: dict[str, Any]) -> hooks.Reply | None:
    """The answer to whatever touches a stranger's bucket. None: the bucket is no stranger's."""
    bucket, _, key = path.lstrip("/").partition("/")
    if bucket not in context.account.now.taken_buckets or hooks.s3._bucket_owner_account(bucket) is not None:
        return None
    if method == "HEAD":
        return 403, {"Content-Type": "application/xml"}, b""
    if method == "PUT" and not key and not query:
        refused: hooks.Reply = hooks.s3._error(
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the "
            "system. Please select a different name and try again.",
            409,
            f"/{bucket}",
            extra={"BucketName": bucket},
        )
        return refused
    denied: hooks.Reply = hooks.s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}")
    return denied


def _account_block(on: bool) -> hooks.Reply:
    if not on:
        missing: hooks.Reply = hooks.s3.s3control_error(
            "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", 404
        )
        return missing
    members = "".join(f"<{name}>true</{name}>" for name in _BLOCK)
    body = (
        f'<PublicAccessBlockConfiguration xmlns="{hooks.s3.S3CONTROL_NS}">{members}'
        "</PublicAccessBlockConfiguration>"
    )
    return 200, {"Content-Type": "application/xml"}, body.encode()
