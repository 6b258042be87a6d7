"""Large objects by the AWS Common Runtime, where the machine's Python has it (package `awscrt`): it fills
networks that one Python process does not.

It talks to S3 itself and to nothing else: another address, a proxy or a certificate of one's own would pass
it by. So it is taken only where botocore would ask S3's own public address, directly. What fails here is
tried again without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neurocaas.protocol.owner import HEADER

from .reading import FileReading
from .storage import Location, Seen, StorageError

MEMORY = 1 << 30
"""Bytes that its buffers may take: the least that it allows."""

_PASSED_BY = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")

Credentials = Callable[[], tuple[str, str, "str | None"]]
"""The keys that are valid now: access key, secret key, session token."""

Owner = Callable[[str], str]
"""The account that a bucket is expected to be of; "" for any."""

Address = Callable[[Location], "tuple[str, str]"]
"""Host and path of an object."""


def domain(region: str) -> str:
    """Of the endpoints in a region (AWS General Reference, "S3 endpoints")."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def safe(endpoint: str, region: str, environment: Mapping[str, str]) -> bool:
    """Whether the runtime would reach what a botocore client with `endpoint` (its `meta.endpoint_url`)
    reaches.
    """
    own = {f"https://s3.{region}.{domain(region)}", f"https://s3.{domain(region)}"}
    return endpoint in own and not any(
        environment.get(name) or environment.get(name.lower()) for name in _PASSED_BY
    )


def opened(
    endpoint: str,
    region: str,
    credentials: Credentials,
    environment: Mapping[str, str],
    owner: Owner = lambda _: "",
) -> Runtime | None:
    """The runtime, or None where it is not safe or not installed."""
    if not safe(endpoint, region, environment):
        return None
    try:
        return Runtime(
            region,
            credentials,
            lambda place: (f"{place.bucket}.s3.{region}.{domain(region)}", f"/{quote(place.key, safe='/~')}"),
            owner=owner,
        )
    except (ImportError, AttributeError, TypeError):  # not there, or too old
        return None


class Runtime:
    """Moves single objects; may be shared by threads. `encrypted` is False only for tests without TLS."""

    def __init__(
        self,
        region: str,
        credentials: Credentials,
        address: Address,
        *,
        owner: Owner = lambda _: "",
        encrypted: bool = True,
    ) -> None:
        auth, io, self._http, self._s3 = (
            import_module(f"awscrt.{name}") for name in ("auth", "io", "http", "s3")
        )
        provider = auth.AwsCredentialsProvider.new_delegate(lambda: auth.AwsCredentials(*credentials()))
        self._address, self._owner = address, owner
        mode = self._s3.S3RequestTlsMode
        self._client = self._s3.S3Client(
            bootstrap=io.ClientBootstrap.get_or_create_static_default(),
            region=region,
            tls_mode=mode.ENABLED if encrypted else mode.DISABLED,
            signing_config=self._s3.create_default_s3_signing_config(
                region=region, credential_provider=provider
            ),
            memory_limit=MEMORY,
        )

    def takes(self, place: Location) -> bool:
        """A bucket with dots in its name has no certificate for its host."""
        return "." not in place.bucket

    def download(
        self, source: Location, target: Path, seen: Seen, etag: str, version: str | None = None
    ) -> None:
        """The object into `target`, if it is the one with this ETag (of this version), checked against the
        checksums that S3 has of it; `seen` gets it in order."""
        with target.open("wb") as file:

            def take(chunk: bytes, offset: int, **_: Any) -> None:
                if offset != file.tell():
                    raise StorageError(f"{source}: a part is missing before byte {offset}")
                file.write(chunk)
                seen(chunk)

            kind, checks = (
                self._s3.S3RequestType.GET_OBJECT,
                self._s3.S3ChecksumConfig(validate_response=True),
            )
            query = f"?versionId={quote(version, safe='')}" if version else ""
            request = self._request(source, "GET", (("If-Match", etag),), query)
            self._done(source, request, type=kind, on_body=take, checksum_config=checks)

    def upload(self, reading: FileReading, target: Location) -> dict[str, str] | None:
        """What is read of a file, in parts, each checked by S3 against its CRC-32. `VersionId`, where S3 has
        told it; None when the file has to be read again first."""
        checksum, place = self._s3.S3ChecksumAlgorithm.CRC32, self._s3.S3ChecksumLocation.TRAILER
        headers = (("Content-Length", str(reading.size)), ("Content-Type", "application/octet-stream"))
        checks = self._s3.S3ChecksumConfig(algorithm=checksum, location=place)
        answered: dict[str, str] = {}

        def hear(status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
            if version := next(
                (value for name, value in headers if name.lower() == "x-amz-version-id"), None
            ):
                answered["VersionId"] = version

        request = self._request(target, "PUT", headers)
        request.body_stream = _Body(reading)
        try:
            self._done(
                target,
                request,
                type=self._s3.S3RequestType.PUT_OBJECT,
                on_headers=hear,
                checksum_config=checks,
            )
        except StorageError:
            if reading.again:
                return None
            raise
        return answered

    def _request(
        self, place: Location, method: str, headers: tuple[tuple[str, str], ...], query: str = ""
    ) -> Any:
        host, path = self._address(place)
        owner = self._owner(place.bucket)
        said = [(HEADER, owner)] if owner else []
        return self._http.HttpRequest(
            method, path + query, self._http.HttpHeaders([("Host", host), *headers, *said])
        )

    def _done(self, place: Location, request: Any, **options: Any) -> None:
        try:
            self._client.make_request(request=request, **options).finished_future.result()
        # its own kinds, and what `seen` raised: each is a reason to go on without it
        except Exception as error:
            raise StorageError(f"{place}: {error}") from error


class _Body:
    """A file as the runtime reads it: once, in order. It breaks off where the file has changed and is to be
    read again, so that no object comes of it."""

    def __init__(self, reading: FileReading) -> None:
        self._reading = reading

    def read(self, most: int) -> bytes:
        block = self._reading.read(most)
        if self._reading.bytes == self._reading.size and self._reading.again:
            raise StorageError(f"{self._reading.path} has changed while it was read")
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        if (offset, whence) != (self._reading.bytes, 0):
            raise StorageError(f"{self._reading.path} is read only once")
        return offset
