"""Trails record who reads and writes the objects of the buckets that they watch, as files in a bucket
(CloudTrail user guide, "CloudTrail record contents" and "CloudTrail log file examples").

Stock MiniStack keeps trails and records nothing of S3. Here a trail's records are written when somebody looks
into its bucket, or when there are many: nobody waits for them, and they cost a request no write. Records that
are not written are lost with the process. Listings are not recorded, nor what the local cloud does itself.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.aws import hooks, tracking
from localcloud.aws.iam import conditions

MANY = 500
"""Records that are written without anybody asking."""
OLD = 60.0
"""Seconds after which the next request to S3 has them written."""
_NAMES = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


@dataclass(frozen=True)
class Watcher:
    """A trail that watches an object: where its files go."""

    account: str
    region: str
    bucket: str
    prefix: str

    def key(self, now: float) -> str:
        """Of a new file."""
        at = time.gmtime(now)
        name = f"{self.account}_CloudTrail_{self.region}_{time.strftime('%Y%m%dT%H%MZ', at)}"
        folder = f"AWSLogs/{self.account}/CloudTrail/{self.region}/{time.strftime('%Y/%m/%d', at)}"
        prefix = f"{self.prefix}/" if self.prefix else ""
        return f"{prefix}{folder}/{name}_{uuid.uuid4().hex[:16]}.json.gz"


class Trails:
    """The records that are still to be written."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Watcher, dict[str, Any]]] = []
        self._since = 0.0
        self._lock = threading.Lock()

    def install(self) -> None:
        """Record each request for an object of S3 with its answer, and each that is refused. Install before
        what waits until requests are saved."""
        table, actions = hooks.handlers(), hooks.iam_actions
        original, response_original = table["s3"], actions.access_denied_response

        async def serve(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
        ) -> hooks.Reply:
            bucket, key = hooks.s3._parse_bucket_key(path, headers)
            if self._due(bucket):
                await self._write()
            answer = await original(method, path, headers, body, query)
            if key:
                sizes = {"bytesTransferredIn": len(body), "bytesTransferredOut": len(answer[2] or b"")}
                error = "" if answer[0] < 400 else "AccessDenied" if answer[0] == 403 else f"HTTP{answer[0]}"
                self._note(method, bucket, key, headers, query, {"additionalEventData": sizes}, error)
            return answer

        def response(service: str, action: str, principal_arn: str, request_id: str, **options: Any) -> Any:
            request = tracking.current.get()
            if service == "s3" and request is not None:
                bucket, key = hooks.s3._parse_bucket_key(request.path, request.headers)
                if key:
                    query = {name: value for name, value in request.params.items() if isinstance(value, list)}
                    self._note(request.method, bucket, key, request.headers, query, {}, "AccessDenied")
            return response_original(service, action, principal_arn, request_id, **options)

        table["s3"] = serve
        actions.access_denied_response = response

    def _note(
        self,
        method: str,
        bucket: str,
        key: str,
        headers: dict[str, str],
        query: dict[str, list[str]],
        more: dict[str, Any],
        error: str,
    ) -> None:
        name = _event_name(method, headers, query)
        watchers = list(_watchers(bucket, key, reads=name.startswith(("Get", "Head")))) if name else []
        if not watchers:
            return
        now = time.time()
        record = {
            "eventVersion": "1.11",
            "userIdentity": _identity(headers, query),
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "eventSource": "s3.amazonaws.com",
            "eventName": name,
            "awsRegion": hooks.region(),
            "sourceIPAddress": "127.0.0.1",
            "userAgent": f"[{headers.get('user-agent', '')}]",
            "requestParameters": {"bucketName": bucket, "key": key},
            "responseElements": None,
            "requestID": uuid.uuid4().hex[:16].upper(),
            "eventID": str(uuid.uuid4()),
            "readOnly": name.startswith(("Get", "Head")),
            "resources": [
                {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
                {
                    "accountId": hooks.s3._bucket_owner_account(bucket),
                    "type": "AWS::S3::Bucket",
                    "ARN": f"arn:aws:s3:::{bucket}",
                },
            ],
            "eventType": "AwsApiCall",
            "managementEvent": False,
            "recipientAccountId": hooks.account(),
            "eventCategory": "Data",
            **more,
            **({"errorCode": error} if error else {}),
        }
        with self._lock:
            self._since = self._since or now
            self._waiting += [(one, record) for one in watchers]

    def _due(self, bucket: str) -> bool:
        with self._lock:
            return bool(self._waiting) and (
                len(self._waiting) >= MANY
                or time.time() - self._since > OLD
                or any(one.bucket == bucket for one, _ in self._waiting)
            )

    async def _write(self) -> None:
        with self._lock:
            waiting, self._waiting, self._since = self._waiting, [], 0.0
        records = dict[Watcher, list[dict[str, Any]]]()
        for watcher, record in waiting:
            records.setdefault(watcher, []).append(record)
        for watcher, some in records.items():
            body = gzip.compress(json.dumps({"Records": some}).encode())
            path = f"/{watcher.bucket}/{watcher.key(time.time())}"
            with hooks.scope(watcher.account, watcher.region):
                await hooks.s3.handle_request("PUT", path, {}, body, {}, internal=True)


def _event_name(method: str, headers: dict[str, str], query: dict[str, list[str]]) -> str:
    """The API call of a request for an object, "" for one that is no data event here."""
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        by = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return by.get(method, "ListParts")
    if set(query) & {"tagging", "acl", "retention", "legal-hold", "attributes", "select", "restore"}:
        return ""
    copied = {name.lower() for name in headers} & {"x-amz-copy-source"}
    return "CopyObject" if method == "PUT" and copied else _NAMES.get(method, "")


def _watchers(bucket: str, key: str, *, reads: bool) -> Iterator[Watcher]:
    """The trails that record the objects of a bucket (basic event selectors)."""
    cloudtrail, arn = hooks.cloudtrail, f"arn:aws:s3:::{bucket}/{key}"
    for (account, region, name), trail in cloudtrail._trails.all_items():
        if not trail.get("IsLogging"):
            continue
        for selector in cloudtrail._event_selectors.get_scoped(account, region, name, ()) or ():
            kind = selector.get("ReadWriteType", "All")
            if kind != "All" and (kind == "ReadOnly") is not reads:
                continue
            for resource in selector.get("DataResources", ()):
                wanted = resource.get("Type") == "AWS::S3::Object"
                if wanted and any(arn.startswith(value) for value in resource.get("Values", ())):
                    yield Watcher(
                        account, region, trail["S3BucketName"], str(trail.get("S3KeyPrefix") or "").strip("/")
                    )
                    break


def _identity(headers: dict[str, str], query: dict[str, list[str]]) -> dict[str, Any]:
    """`userIdentity` of a record (CloudTrail user guide, "CloudTrail userIdentity element")."""
    key = hooks.router.extract_access_key_id(headers, query)
    found: Any = hooks.iam_evaluator.resolve_credential(key, hooks.account()) if key else None
    arn = getattr(found, "principal_arn", "")
    if not arn:
        return {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    known = {
        "principalId": found.principal_id,
        "arn": arn,
        "accountId": found.account_id,
        "accessKeyId": key,
    }
    if found.principal_type == "AssumedRole":
        role = conditions.principal(arn)
        issuer = {
            "type": "Role",
            "principalId": found.principal_id.partition(":")[0],
            "arn": role,
            "accountId": found.account_id,
            "userName": role.rpartition("/")[2],
        }
        return {"type": "AssumedRole", **known, "sessionContext": {"sessionIssuer": issuer}}
    if found.principal_type == "Root":
        return {"type": "Root", **known}
    return {"type": "IAMUser", **known, "userName": found.principal_name}
