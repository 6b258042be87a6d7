"""What a script finds when it starts: its configuration and the pins of its dataset as local files, and the
deployed code in the home.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .opening import open_storage
from .pins import FILE as PINS
from .storage import LOCAL_ROOT, Location, Storage, StorageError
from .transfer import INPUT, Moved, note

CONFIG = "NEUROCAAS_CONFIG"
_OWN = frozenset({"agent", "neurocaas", "vendor"})
"""Folders of the deployed code into which nothing of an image comes: its programs are in them."""

_LEVELS = 2


def prepared(environment: Mapping[str, str], state: Path, storage: Storage | None = None) -> dict[str, str]:
    """The variables NEUROCAAS_CONFIG and NEUROCAAS_PINS, whose files are made in `state`; none for what there
    is no job for, and none that is set already. Raises StorageError when a record of the job cannot be read:
    without its pins a dataset could be another."""
    made: dict[str, Any] = {}
    job = job_of(environment)
    dataset = _dataset(environment, job)
    if not environment.get(CONFIG):
        with suppress(KeyError, ValueError):  # by hand: there may be none, or one that is no JSON
            made[CONFIG] = _config(environment, job, dataset, state, storage)
    if not environment.get(PINS) and dataset:
        made[PINS] = _pins(environment, dataset, storage)
    variables = {}
    for name, content in made.items():
        path = state / f"{name.rpartition('_')[2].lower()}.json"
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        variables[name] = str(path)
    return variables


def job_of(environment: Mapping[str, str]) -> dict[str, Any]:
    """The content of job.json; {} where there is none, or one that cannot be read."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return dict(json.loads(Path(environment["NEUROCAAS_JOB_FILE"]).read_bytes()))
    return {}


def _dataset(environment: Mapping[str, str], job: Mapping[str, Any]) -> dict[str, Any]:
    with suppress(ValueError, LookupError, TypeError):
        return dict(job["datasets"][int(environment["NEUROCAAS_DATASET_INDEX"])])
    return {}


def _config(
    environment: Mapping[str, str],
    job: Mapping[str, Any],
    dataset: Mapping[str, Any],
    state: Path,
    storage: Storage | None,
) -> Any:
    """The record that the service has checked, noted as an input of the job; for a job without one, what its
    job.json says.
    """
    with suppress(OSError, KeyError, ValueError):
        values = job["config"]
        if not dataset.get("configpath"):
            return values
        with suppress(ValueError):  # the member's of an ensemble
            place, body = _fetched(environment, environment["configpath"], storage)
            values = json.loads(body.decode("utf-8-sig"))
            note(
                state / "files",
                Moved(INPUT, place.bucket, place.key, len(body), hashlib.sha256(body).hexdigest()),
            )
        return values
    if environment.get(LOCAL_ROOT):
        with suppress(StorageError):
            return _read(environment, environment["configpath"], storage)
    raise KeyError(CONFIG)


def _pins(
    environment: Mapping[str, str], dataset: Mapping[str, Any], storage: Storage | None
) -> dict[str, Any]:
    """By path: which content the dataset had at its submission."""
    if dataset.get("pins"):
        records = environment["NEUROCAAS_STOP"].rpartition("/")[0]
        found = _read(environment, f"{records}/pins/{environment['NEUROCAAS_DATASET_INDEX']}.json", storage)[
            "objects"
        ]
    else:
        found = [{**dataset, "path": dataset["inputpath"]}] if dataset.get("etag") else []
    return {
        str(item["path"]): {name: item.get(name) for name in ("etag", "version_id", "size")} for item in found
    }


def _read(environment: Mapping[str, str], path: str, storage: Storage | None) -> Any:
    return json.loads(_fetched(environment, path, storage)[1].decode("utf-8-sig"))


def _fetched(environment: Mapping[str, str], path: str, storage: Storage | None) -> tuple[Location, bytes]:
    place = Location.parse(path, environment["bucketname"])
    return place, (storage or open_storage(environment)).read(place)


def link_home(home: Path, tree: Path, *, move: bool = True) -> Iterator[str]:
    """Make `home`/neurocaas_contrib the deployed code, for paths as in the guide. What the image has there
    (the guide itself tells to clone it there) is moved aside, if `move`, and its files remain to be had where
    the deployed code has none of that name. Yields what is to be said."""
    place = home / "neurocaas_contrib"
    try:
        if place.resolve() == tree.resolve():
            return
        home.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() and (place.resolve().parent == tree.parent or not place.exists()):
            place.unlink()  # of an earlier deployment
        if os.path.lexists(place):
            if not move:
                raise FileExistsError("something is in its place")
            aside = next(path for path in _names(home) if not os.path.lexists(path))
            place.rename(aside)
            yield f"NeuroCAAS: the image's own {place} is {aside} now; the deployed code is in its place."
            _fill(tree, aside, _LEVELS)
        place.symlink_to(tree)
    except OSError as error:
        yield f"NeuroCAAS: {place} is not the deployed code, which is {tree}: {error}"


def _names(home: Path) -> Iterator[Path]:
    yield home / "neurocaas_contrib.image"
    number = 2
    while True:
        yield home / f"neurocaas_contrib.image-{number}"
        number += 1


def _fill(tree: Path, image: Path, levels: int) -> None:
    for path in sorted(image.iterdir()) if image.is_dir() else ():
        own = tree / path.name
        if path.name.startswith(".") or path.name in _OWN:
            continue
        if not os.path.lexists(own):
            own.symlink_to(path)
        elif levels > 1 and own.is_dir() and not own.is_symlink():
            _fill(own, path, levels - 1)
