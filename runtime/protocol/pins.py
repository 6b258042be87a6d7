"""What a job reads, as it was when it was submitted: each object with its size, its ETag and its version.

A single object is pinned in `job.json`; the objects of a folder in a record beside it (`RecordKeys.pins`):

```json
{"schema_version": 1, "objects": [{"path": "lab/inputs/rec/1.tif", "size": 1, "etag": "…", "version_id": "…"}]}
```
The machine fetches the version that is named, and with `If-Match` the ETag; where an object is another by
then, it fails and says so.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from runtime.protocol.documents import DocumentError, dumps, loads, take, take_optional

SCHEMA_VERSION = 1
_WHAT = "pins"


@dataclass(frozen=True, slots=True)  # a submission may have 100,000
class Pin:
    """One object. `path` as in `Dataset.inputpath`: a key of the analysis's bucket, or a whole s3:// path;
    `size` in bytes; `etag` without quotes; `version_id` where the bucket keeps versions that the service may
    read, which is the analysis's own."""

    path: str
    size: int
    etag: str
    version_id: str | None = None


def pins_text(pins: Iterable[Pin]) -> str:
    """The record of a folder's objects."""
    return dumps({"schema_version": SCHEMA_VERSION, "objects": [asdict(pin) for pin in pins]})


def read_pins(text: str | bytes) -> list[Pin]:
    """Raises DocumentError for a record of another version or shape."""
    data = loads(text, _WHAT)
    if data.get("schema_version") != SCHEMA_VERSION:
        raise DocumentError(
            f"{_WHAT}: schema_version is {data.get('schema_version')!r}, not {SCHEMA_VERSION}"
        )
    return [_pin(item) for item in take(data, "objects", list, _WHAT)]


def _pin(data: object) -> Pin:
    if not isinstance(data, dict):
        raise DocumentError("pins: an entry is not an object")
    etag, version = take(data, "etag", str, _WHAT), take_optional(data, "version_id", str, _WHAT)
    return Pin(take(data, "path", str, _WHAT), take(data, "size", int, _WHAT), etag, version)
