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
from dataclasses import dataclass

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.typed_json import data_of, read

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


@dataclass(frozen=True)
class _Record:
    objects: tuple[Pin, ...]
    schema_version: int = SCHEMA_VERSION


def pins_text(pins: Iterable[Pin]) -> str:
    """The record of a folder's objects."""
    return dumps(data_of(_Record(tuple(pins))))


def read_pins(text: str | bytes) -> list[Pin]:
    """Raises DocumentError for a record of another version or shape."""
    return list(read(_Record, loads(text, _WHAT, SCHEMA_VERSION), _WHAT).objects)
