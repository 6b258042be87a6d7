"""AWS Signature Version 4 for the few calls that the local cloud makes itself (source: AWS General Reference,
"Signing AWS API requests").
"""

import datetime as dt
import hashlib
import hmac
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    """An access key, with its session token when it is a temporary one."""

    access_key_id: str
    secret_access_key: str
    token: str | None = None


def sign(
    method: str,
    url: str,
    body: bytes,
    service: str,
    region: str,
    credentials: Credentials,
    headers: dict[str, str] | None = None,
    now: dt.datetime | None = None,
) -> dict[str, str]:
    """All headers to send, the signature included.

    ``url`` must have its path already percent-encoded. It is signed as it is, as S3 wants it; other services
    are called at ``/``.
    """
    stamp = (now or dt.datetime.now(dt.UTC)).strftime("%Y%m%dT%H%M%SZ")
    parts = urllib.parse.urlsplit(url)
    digest = hashlib.sha256(body).hexdigest()
    signed = {
        **{key.lower(): value for key, value in (headers or {}).items()},
        "host": parts.netloc,
        "x-amz-date": stamp,
        "x-amz-content-sha256": digest,
    }
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(signed))
    pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    quote = urllib.parse.quote
    query = "&".join(
        f"{key}={value}"
        for key, value in sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in pairs)
    )
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            query,
            *(f"{key}:{signed[key].strip()}" for key in sorted(signed)),
            "",
            names,
            digest,
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + credentials.secret_access_key).encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    del signed["host"]
    return {
        **signed,
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        ),
    }
