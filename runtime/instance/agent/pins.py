"""What a job reads is what was there when it was submitted: the objects of its dataset are pinned to the
versions that the manager saw.

The list is a local file, NEUROCAAS_PINS: `{"<path>": {"etag": …, "version_id": … or null, "size": …}}`, where
a path is a key of the job's bucket or a whole s3:// path. Without a job there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .storage import Location, ObjectPin, StorageError

FILE = "NEUROCAAS_PINS"


@dataclass(frozen=True)
class Pins:
    """`folder` is the prefix of a dataset that is a folder: of what lies below it there is only what is
    pinned.
    """

    objects: Mapping[Location, ObjectPin] = field(default_factory=dict)
    folder: Location | None = None

    def of(self, place: Location) -> ObjectPin | None:
        return self.objects.get(place)

    def cover(self, place: Location) -> bool:
        """Whether all that there is at or below `place` is what the pins say."""
        folder = self.folder
        return folder is not None and place.bucket == folder.bucket and f"{place.key}/".startswith(folder.key)

    def below(self, prefix: Location) -> Iterator[tuple[Location, int]]:
        """The pinned objects whose keys begin with that of `prefix`, with their sizes."""
        for place, pin in self.objects.items():
            if place.bucket == prefix.bucket and place.key.startswith(prefix.key):
                yield place, pin.size


def read_pins(environment: Mapping[str, str]) -> Pins:
    """The pins of this machine's dataset. Raises StorageError for a list that cannot be read: nothing is
    fetched without it.
    """
    name = environment.get(FILE)
    if not name:
        return Pins()
    bucket, inputpath = environment.get("bucketname", ""), environment.get("inputpath", "")
    try:
        text = Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return Pins()
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    try:
        listed = {
            Location.parse(path, bucket): _pin(entry) for path, entry in json.loads(text or "{}").items()
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unreadable(name, error) from error
    return Pins(listed, Location.parse(inputpath, bucket) if listed and inputpath.endswith("/") else None)


def _pin(entry: Mapping[str, object]) -> ObjectPin:
    version = entry.get("version_id")
    return ObjectPin(
        str(entry["etag"]).strip('"'), None if version is None else str(version), int(str(entry["size"]))
    )


def _unreadable(name: str, error: Exception) -> StorageError:
    return StorageError(
        f"The list of the dataset's versions, {name}, cannot be read: {error}. Allowed: the list as the "
        "service wrote it. "
        "Do not change it; run the job again.",
        permanent=True,
    )
