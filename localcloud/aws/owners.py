"""A request that says whose bucket it expects is refused where the bucket is another's (S3 user guide,
"Verifying bucket ownership with bucket owner condition").

Stock MiniStack ignores what was said.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from localcloud.aws import hooks

EXPECTED = "x-amz-expected-bucket-owner"
EXPECTED_SOURCE = "x-amz-source-expected-bucket-owner"
_SOURCE = "x-amz-copy-source"
_ACCOUNT = re.compile(r"\d{12}")


def install() -> None:
    """Judge each request of S3 before its handler does anything. Install before what waits until requests are
    saved.
    """
    table = hooks.handlers()
    original = table["s3"]

    async def serve(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> hooks.Reply:
        refused = _refused(path, headers, query)
        if refused is None:
            return await original(method, path, headers, body, query)
        return refused if method != "HEAD" else (refused[0], refused[1], b"")

    table["s3"] = serve


def _refused(path: str, headers: dict[str, str], query: dict[str, list[str]]) -> hooks.Reply | None:
    """The refusal; None where the owners are those that were said, or the buckets are not there."""
    said = {name.lower(): value for name, value in headers.items()}
    said = {**{name.lower(): values[0] for name, values in query.items() if values}, **said}
    source = unquote(said.get(_SOURCE, "")).lstrip("/").partition("/")[0]
    for header, bucket in (
        (EXPECTED, hooks.s3._parse_bucket_key(path, headers)[0]),
        (EXPECTED_SOURCE, source),
    ):
        expected = said.get(header)
        if expected is None:
            continue
        if not _ACCOUNT.fullmatch(expected):
            text = "The value of the expected bucket owner parameter must be an AWS account ID"
            return _error("InvalidBucketOwnerAWSAccountID", text, 400, f"/{bucket}")
        if hooks.s3._bucket_owner_account(bucket) not in (None, expected):
            return _error("AccessDenied", "Access Denied", 403, f"/{bucket}")
    return None


def _error(code: str, message: str, status: int, resource: str) -> hooks.Reply:
    reply: hooks.Reply = hooks.s3._error(code, message, status, resource)
    return reply
