"""Finished layers, kept by what they were made of, so that the same build need not run again.

Only where `LOCALCLOUD_LAYERS` names a folder; unset, every build runs its scripts. What package servers gave
on the day is in a layer and not in its key, so layers grow old: after seven days they are gone. An entry
appears whole (it is renamed into place), is not written afterwards, and is looked through against its digest
before it is used. Any number of processes may use a folder at once.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.images.layerfiles import copied, digest
from localcloud.sandbox.base import remove_tree

VARIABLE = "LOCALCLOUD_LAYERS"
_KEPT = 8
"""Layers, of some hundred MiB each: with those of one run of the tests there are those of another program."""
_KEPT_SECONDS = 7 * 86400.0
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class Found:
    """What the build of a layer told, and when it had ended (seconds since 1970)."""

    events: list[dict[str, Any]]
    made: float


class Layers:
    """The layers kept in `folder`, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, key: str, target: Path) -> Found | None:
        """Put the layer of this key at `target`, which must not exist. None when there is none, or when it is
        old or damaged: then it is gone, and there is no `target`.
        """
        entry = self._folder / key
        if not entry.is_dir():
            return None
        try:
            about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
            if time.time() - about["made"] < _KEPT_SECONDS:
                copied(entry / "layer", target)
                if digest(target) == about["digest"]:
                    (entry / "used").touch()
                    return Found(list(about["events"]), float(about["made"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        remove_tree(target)
        self._discard(entry)
        return None

    def keep(self, key: str, layer: Path, events: list[dict[str, Any]]) -> None:
        """Keep a finished layer. Nothing happens when another process was first, or when there is no room."""
        building = None
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            building = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
            copied(layer, building / "layer")
            about = {"made": time.time(), "digest": digest(building / "layer"), "events": events}
            (building / "about.json").write_text(json.dumps(about), encoding="utf-8")
            (building / "used").touch()
            building.chmod(0o500)
            building.rename(self._folder / key)
            self._forget()
        if building is not None:
            remove_tree(building)

    def _discard(self, entry: Path) -> None:
        """Remove an entry that others may be reading: they find it whole, or damaged."""
        with contextlib.suppress(OSError):
            aside = Path(tempfile.mkdtemp(prefix=".old-", dir=self._folder))
            try:
                entry.chmod(0o700)
                entry.rename(aside / "entry")
            finally:
                remove_tree(aside)

    def _forget(self) -> None:
        """Remove what is old, all but the last used ones, and what processes left that were ended."""
        now, entries = time.time(), []
        for entry in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if not entry.name.startswith("."):
                    entries.append(((entry / "used").stat().st_mtime, entry))
                elif now - entry.stat().st_mtime > _ABANDONED_SECONDS:
                    remove_tree(entry)
        for place, (used, entry) in enumerate(sorted(entries, reverse=True)):
            if place >= _KEPT or now - used > _KEPT_SECONDS:
                self._discard(entry)
