"""What is known about a recording: whether it was replayed on a clean root, as it is now, and how that ended.

`invoke verify-recording` writes `provision/recording/verified.json`; baking reads it through `verification`.
Differences that a person has looked at and found harmless are in `provision/recording/accepted.json`, by
their paths, for all replays to come.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints import BASE, Imaged, base
from blueprints.provision import ABOUT, Provision, read
from image_builder.versions import GENERATOR

FILE = f"{ABOUT}/verified.json"
ACCEPTED = f"{ABOUT}/accepted.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Verified:
    """The scripts were replayed as they are now. `verdict` is in words ("reproduces"); `when` is an ISO date
    in UTC.
    """

    verdict: str
    when: str


@dataclass(frozen=True)
class Unverified:
    """The scripts were never replayed, or the replay did not reproduce. `why` is a phrase for a person."""

    why: str


@dataclass(frozen=True)
class Stale:
    """The scripts, their files or the parent changed since they were replayed. `why` is a phrase for a
    person.
    """

    why: str


def recipe_digest(parent: str, provision: Provision) -> str:
    """SHA-256 of what a replay depends on: the parent's name, the scripts with their files, and the
    compiler's generation.
    """
    return hashlib.sha256(f"{GENERATOR}\0{parent}\0{provision.digest()}".encode()).hexdigest()


def digest_of(imaged: Imaged, provision: Provision) -> str:
    """`recipe_digest` of an image's scripts. Of `base` as a parent it is the base's scripts that count:
    accounts share them.
    """
    parent = imaged.image.parent
    if parent == BASE:
        below = base.load(imaged.root)
        parent = digest_of(below, read(below.folder / "provision", whole=False))
    return recipe_digest(parent, provision)


def verification(imaged: Imaged) -> Verified | Unverified | Stale:
    """What is known about the recording of an image. One without scripts is Verified: there is nothing to
    replay.

    Raises InvalidInput when the scripts cannot be read (see `blueprints.provision.read`).
    """
    folder = imaged.folder / "provision"
    provision = read(folder, whole=False) if folder.is_dir() else Provision((), ())
    if not provision.scripts:
        return Verified("no scripts", "")
    stored = load(folder)
    if stored is None:
        return Unverified("it was never replayed")
    if stored.get("recipe_sha256") != digest_of(imaged, provision):
        return Stale(
            "the scripts or the parent changed since it was replayed on "
            f"{stored.get('when', 'an unknown day')}"
        )
    if stored.get("reproduces") is not True:
        return Unverified(f"its replay: {stored.get('verdict', 'unknown')}")
    return Verified(str(stored.get("verdict", "")), str(stored.get("when", "")))


def way_out(imaged: Imaged) -> str:
    """What makes an image's recording a verified one, for a person."""
    known, verify = verification(imaged), f"`invoke verify-recording --analysis {imaged.name}`"
    stored = load(imaged.folder / "provision")
    if isinstance(known, Stale) or stored is None:
        return f"Replay it: {verify}"
    if stored.get("failure"):
        return f"Correct that line in {imaged.folder.name}/provision/ (or record it again), then {verify}"
    return (
        f"Have the scripts make the same each time, and {verify} again; or, where the differences do not "
        f"matter, {verify[:-1]} --accept`"
    )


def accept(folder: Path, recipe_sha256: str) -> list[str]:
    """Take the differences of the last replay of these scripts for harmless, from now on; returns their
    paths.

    None to accept, because the scripts were not replayed or the replay failed, is an empty list.
    """
    result = load(folder)
    if result is None or result.get("recipe_sha256") != recipe_sha256 or result.get("failure"):
        return []
    paths = [str(difference["path"]) for difference in result.get("differences", [])]
    if paths:
        text = (
            json.dumps({"schema_version": _SCHEMA, "paths": sorted(accepted(folder) | set(paths))}, indent=2)
            + "\n"
        )
        (folder / ACCEPTED).write_text(text, encoding="utf-8")
        kept = {
            name: value for name, value in result.items() if name not in ("schema_version", "recipe_sha256")
        }
        caches = {**kept.get("known_caches", {}), "accepted": len(paths)}
        verdict = f"reproduces with {len(paths)} accepted difference{'s' if len(paths) > 1 else ''}"
        store(
            folder,
            recipe_sha256,
            {**kept, "differences": [], "known_caches": caches, "verdict": verdict, "reproduces": True},
        )
    return paths


def accepted(folder: Path) -> frozenset[str]:
    """The paths of differences that were accepted."""
    try:
        said = json.loads((folder / ACCEPTED).read_text(encoding="utf-8"))
        return (
            frozenset(str(path) for path in said["paths"])
            if said.get("schema_version") == _SCHEMA
            else frozenset()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()


def load(folder: Path) -> Mapping[str, Any] | None:
    """The stored result below a `provision/` folder; None when there is none that this version
    understands.
    """
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) and stored.get("schema_version") == _SCHEMA else None


def store(folder: Path, recipe_sha256: str, result: Mapping[str, Any]) -> Path:
    """Write the result of a replay; returns the file."""
    target = folder / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    text = (
        json.dumps(
            {"schema_version": _SCHEMA, "recipe_sha256": recipe_sha256, **result}, indent=2, sort_keys=True
        )
        + "\n"
    )
    temporary = target.with_name(target.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)
    return target
