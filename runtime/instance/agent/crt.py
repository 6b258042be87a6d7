"""Large objects by the AWS Common Runtime, where the machine's Python has it (package `awscrt`): it fills networks that one Python
process does not.

It talks to S3 itself and to nothing else: another address, a proxy or a certificate of one's own would pass it by. So it is taken only
where botocore would ask S3's own public address, directly. What fails here is tried again without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .storage import Location, Seen, StorageError

MEMORY = 1 << 30
"""Bytes that its buffers may take: the least that it allows."""

_PASSED_BY = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")

Credentials = Callable[[], tuple[str, str, "str | None"]]
"""The keys that are valid now: access key, secret key, session token."""

Address = Callable[[Location], "tuple[str, str]"]
"""Host and path of an object."""


def safe(endpoint: str, region: str, environment: Mapping[str, str]) -> bool:
    """Whether the runtime would reach what a botocore client with `endpoint` (its `meta.endpoint_url`) reaches."""
    own = {f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com"}
    return endpoint in own and not any(environment.get(name) or environment.get(name.lower()) for name in _PASSED_BY)


def opened(endpoint: str, region: str, credentials: Credentials, environment: Mapping[str, str]) -> Runtime | None:
    """The runtime, or None where it is not safe or not installed."""
    if not safe(endpoint, region, environment):
        return None
    try:
        return Runtime(region, credentials, lambda place: (f"{place.bucket}.s3.{region}.amazonaws.com", f"/{quote(place.key, safe='/~')}"))
    except (ImportError, AttributeError, TypeError):  # not there, or too old
        return None


class Runtime:
    """Moves single objects; may be shared by threads. `encrypted` is False only for tests without TLS."""

    def __init__(self, region: str, credentials: Credentials, address: Address, *, encrypted: bool = True) -> None:
        auth, io, self._http, self._s3 = (import_module(f"awscrt.{name}") for name in ("auth", "io", "http", "s3"))
        provider = auth.AwsCredentialsProvider.new_delegate(lambda: auth.AwsCredentials(*credentials()))
        self._address = address
        mode = self._s3.S3RequestTlsMode
        self._client = self._s3.S3Client(
            bootstrap=io.ClientBootstrap.get_or_create_static_default(),
            region=region,
            tls_mode=mode.ENABLED if encrypted else mode.DISABLED,
            signing_config=self._s3.create_default_s3_signing_config(region=region, credential_provider=provider),
            memory_limit=MEMORY,
        )

    def takes(self, place: Location) -> bool:
        """A bucket with dots in its name has no certificate for its host."""
        return "." not in place.bucket

    def download(self, source: Location, target: Path, seen: Seen) -> None:
        """The object into `target`, checked against the checksums that S3 has of it; `seen` gets it in order."""
        with target.open("wb") as file:

            def take(chunk: bytes, offset: int, **_: Any) -> None:
                if offset != file.tell():
                    raise StorageError(f"{source}: a part is missing before byte {offset}")
                file.write(chunk)
                seen(chunk)

            kind, checks = self._s3.S3RequestType.GET_OBJECT, self._s3.S3ChecksumConfig(validate_response=True)
            self._done(source, kind, "GET", (), on_body=take, checksum_config=checks)

    def upload(self, source: Path, target: Location) -> None:
        """The file, in parts, each checked by S3 against its CRC-32."""
        checksum, place = self._s3.S3ChecksumAlgorithm.CRC32, self._s3.S3ChecksumLocation.TRAILER
        headers = (("Content-Length", str(source.stat().st_size)), ("Content-Type", "application/octet-stream"))
        checks = self._s3.S3ChecksumConfig(algorithm=checksum, location=place)
        self._done(target, self._s3.S3RequestType.PUT_OBJECT, "PUT", headers, send_filepath=str(source), checksum_config=checks)

    def _done(self, place: Location, kind: Any, method: str, headers: tuple[tuple[str, str], ...], **options: Any) -> None:
        host, path = self._address(place)
        request = self._http.HttpRequest(method, path, self._http.HttpHeaders([("Host", host), *headers]))
        try:
            self._client.make_request(type=kind, request=request, **options).finished_future.result()
        except Exception as error:  # its own kinds, and what `seen` raised: each is a reason to go on without it
            raise StorageError(f"{place}: {error}") from error
