"""The bucket of an analysis, with S3's errors told as people read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from neurocaas.errors import client_error, code_of, s3_errors

if TYPE_CHECKING:
    import boto3
    import botocore.session

AT_ONCE = 16
"""So many objects are asked for at a time."""

TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
"""How S3 answers a conditional write where an object is, or is just being written (S3 user guide,
"Conditional writes").
"""

UNCONDITIONAL = frozenset({"501", "NotImplemented"})
"""How an endpoint answers it that has no such writes."""


def s3_client(session: Any) -> Any:
    """A client of S3 for many small objects. A session of another kind than boto3's is asked as it can be."""
    import boto3
    from botocore.config import Config

    if isinstance(session, boto3.Session):
        return session.client("s3", config=Config(max_pool_connections=AT_ONCE))
    return session.client("s3")


def own_session() -> boto3.Session:
    """A session with the shell's credentials, for long listings (`own_core`)."""
    import boto3

    return boto3.Session(botocore_session=own_core())


def own_core() -> botocore.session.Session:
    """The inside of a session for long listings: botocore's parser for times of any form takes half of
    theirs, so S3's form is read as what it is.
    """
    import botocore.session
    import botocore.utils

    def parse(value: Any) -> datetime:
        with contextlib.suppress(TypeError, ValueError):
            time = datetime.fromisoformat(value)
            if time.tzinfo is not None:
                return time
        return botocore.utils.parse_timestamp(value)

    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse)
    return core


class Bucket:
    """Reads and writes objects of one bucket. Safe to use from several threads, as boto3's clients are."""

    def __init__(self, s3: Any, name: str) -> None:
        self.s3, self.name = s3, name

    def list(self, prefix: str) -> Iterator[dict[str, Any]]:
        """The objects below a prefix, as S3 describes them, sorted by key."""
        with s3_errors(self.name, prefix):
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from page.get("Contents", [])

    def after(self, prefix: str, name: str, most: int) -> Iterator[dict[str, Any]]:
        """Of the objects below a prefix, those behind `name`, at most so many of them."""
        with s3_errors(self.name, prefix):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name,
                Prefix=prefix,
                StartAfter=f"{prefix}{name}",
                PaginationConfig={"MaxItems": most},
            )
            for page in pages:
                yield from page.get("Contents", [])

    def entry(self, key: str) -> dict[str, Any] | None:
        """The object of that very key, as S3 lists it; None when there is none. What it has in it need not be
        readable.
        """
        first = next(self.list(key), None)  # S3 sorts by key, so it comes before all that are longer
        return first if first is not None and first["Key"] == key else None

    def folders(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """What follows `prefix` up to the next "/", once each; only what lies behind `after`. One LIST for a
        thousand.
        """
        start = {"StartAfter": f"{prefix}{after}0"} if after else {}  # "0" is the character behind "/"
        with s3_errors(self.name, prefix):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/", **start
            )
            for page in pages:
                yield from (
                    one["Prefix"].removeprefix(prefix).removesuffix("/")
                    for one in page.get("CommonPrefixes", [])
                )

    def get(self, key: str, limit: int | None = None) -> bytes | None:
        """An object's content, None when there is no such object, or when it has more than `limit` bytes."""
        with s3_errors(self.name, key):
            try:
                answer = self.s3.get_object(Bucket=self.name, Key=key)
                with contextlib.closing(answer["Body"]) as body:
                    return (
                        None if limit is not None and answer["ContentLength"] > limit else bytes(body.read())
                    )
            except client_error() as error:
                if code_of(error) in ("NoSuchKey", "404"):
                    return None
                raise

    def metadata(self, key: str) -> Mapping[str, str]:
        """What an object's writer has noted beside its content; nothing when there is no such object."""
        with s3_errors(self.name, key):
            try:
                found: Mapping[str, str] = self.s3.head_object(Bucket=self.name, Key=key)["Metadata"]
                return found
            except client_error() as error:
                if code_of(error) in ("NoSuchKey", "404"):
                    return {}
                raise

    def open(self, key: str) -> Any:
        """An object's content as a stream."""
        with s3_errors(self.name, key):
            return self.s3.get_object(Bucket=self.name, Key=key)["Body"]

    def text(self, key: str) -> str:
        """An object's content as text, "" when there is no such object."""
        return (self.get(key) or b"").decode("utf-8", "replace")

    def put(self, key: str, body: bytes) -> None:
        with s3_errors(self.name, key):
            self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def create(self, key: str, body: bytes, **more: str) -> bool:
        """Write what is not there yet; False, and nothing written, when it is. (An endpoint without
        conditional writes replaces it.)
        """
        with s3_errors(self.name, key):
            try:
                self.s3.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*", **more)
            except client_error() as error:
                if code_of(error) in TAKEN:
                    return False
                if code_of(error) not in UNCONDITIONAL:
                    raise
                self.s3.put_object(Bucket=self.name, Key=key, Body=body, **more)
        return True

    def copy(self, source: Mapping[str, str], key: str) -> None:
        """Copy an object (`Bucket`, `Key` and perhaps `VersionId`) to `key`, in parts where it is large."""
        with s3_errors(source["Bucket"], source["Key"]):
            self.s3.copy(dict(source), self.name, key)
