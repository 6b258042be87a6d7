"""A root in numbers: what is in it beyond its parent, and how two roots differ."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image_builder.recording import changes
from image_builder.recording.root import View

_CACHES = (
    (r"\.pyc$|/__pycache__$", "compiled Python (contains the time)"),
    (r"^/var/log(/|$)", "log"),
    (r"^/var/(cache/apt|lib/apt/lists|lib/apt/periodic)(/|$)", "apt's index and downloads"),
    (r"^/var/cache/ldconfig(/|$)|^/etc/ld\.so\.cache$", "ldconfig's cache"),
    (r"^/var/cache/(debconf|man|fontconfig)(/|$)|^/var/lib/dpkg/[a-z]+-old$|/fontlist-v[\d.]+\.json$", "cache of the package tools"),
    (r"^/(tmp|var/tmp|run|dev|proc|sys)(/|$)", "temporary"),
    (r"^/etc/machine-id$|^/var/lib/dbus/machine-id$|^/etc/ssh/ssh_host_|^/var/lib/systemd/random-seed$", "identity of one machine"),
    (r"^/(root|home/[^/]+)/(\.cache(/|$)|\.(bash|python)_history$|\.viminfo$|\.wget-hsts$|\.lesshst$)", "cache or history of a user"),
    (r"/\.git/(index|logs/|ORIG_HEAD$|FETCH_HEAD$|objects/pack/)", "git's own bookkeeping"),
    (r"\.dist-info/(direct_url\.json|RECORD)$", "pip's own bookkeeping"),
    (r"^/etc/neurocaas(/|$)", "what a build notes about itself"),
    (r"/conda-meta/history$|/pkgs/cache/|/pkgs/urls(\.txt)?$", "conda's cache"),
)


@dataclass
class Manifest:
    """`entries`: path -> [type, mode, uid, gid, link target or SHA-256]; `packages`: kind -> name -> version."""

    entries: dict[str, list[str]] = field(default_factory=dict)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One path or package that two roots do not share alike. `cache` says why it is harmless; None: it counts."""

    path: str
    what: str
    cache: str | None = None

    def text(self) -> str:
        return f"{self.path}: {self.what}" + (f" [{self.cache}]" if self.cache else "")


def cache_of(path: str) -> str | None:
    """What kind of cache a path is known to be, None for everything else."""
    return next((reason for pattern, reason in _CACHES if re.search(pattern, path)), None)


def take(views: Sequence[View]) -> Manifest:
    """The manifest of a root on which nothing runs. What is as in the parent is left out."""
    manifest = Manifest()
    metadata = []
    for view in views:
        for path, file, status in changes.entries(view):
            own = _entry(file, status)
            below = changes.lower_status(view, path)
            if below is None or own != _entry(*below):
                manifest.entries[path] = own
            if changes.PYTHON_METADATA.search(path):
                metadata.append(path)
    manifest.packages = {
        "apt": changes.apt_packages(views),
        "python": changes.python_packages(views, metadata),
        "conda": dict.fromkeys(changes.conda_packages(views, manifest.entries).values(), ""),
    }
    return manifest


def compare(recorded: Manifest, replayed: Manifest) -> list[Difference]:
    """Every difference: packages first, then files; those of known caches last."""
    found = []
    for kind in sorted(recorded.packages.keys() | replayed.packages.keys()):
        first, second = recorded.packages.get(kind, {}), replayed.packages.get(kind, {})
        found += [
            Difference(f"{kind} package {name.rpartition('|')[2]}", _versions(first.get(name), second.get(name)))
            for name in sorted(first.keys() | second.keys())
            if first.get(name) != second.get(name)
        ]
    for path in sorted(recorded.entries.keys() | replayed.entries.keys()):
        one, other = recorded.entries.get(path), replayed.entries.get(path)
        if one != other:
            found.append(Difference(path, _what(one, other), cache_of(path)))
    return sorted(found, key=lambda difference: difference.cache is not None)


def save(manifest: Manifest, path: Path, recipe_sha256: str) -> None:
    """Write a manifest, with the recipe that made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"recipe_sha256": recipe_sha256, "entries": manifest.entries, "packages": manifest.packages})
    path.write_bytes(gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0))


def load(path: Path, recipe_sha256: str) -> Manifest | None:
    """A saved manifest; None when there is none, or it is of another recipe."""
    try:
        raw = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8", "surrogateescape"))
        return Manifest(raw["entries"], raw["packages"]) if raw["recipe_sha256"] == recipe_sha256 else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _entry(file: Path, status: os.stat_result) -> list[str]:
    own = os.getuid()
    uid, gid = (0, 0) if own and status.st_uid in (own, 0) else (status.st_uid, status.st_gid)
    head = [f"{stat.S_IMODE(status.st_mode):04o}", str(uid), str(gid)]
    if changes.is_whiteout(status):
        return ["removed", "", "", "", ""]
    if stat.S_ISLNK(status.st_mode):
        return ["link", "", *head[1:], os.readlink(file)]
    if stat.S_ISREG(status.st_mode):
        try:
            with file.open("rb") as stream:
                return ["file", *head, hashlib.file_digest(stream, "sha256").hexdigest()]
        except OSError:  # a file of the parent that only its owner may read
            return ["file", *head, "unreadable"]
    return ["folder" if stat.S_ISDIR(status.st_mode) else "special", *head, ""]


def _versions(first: str | None, second: str | None) -> str:
    def shown(version: str | None) -> str:
        return "not there" if version is None else version or "there"

    return f"{shown(first)} in the first, {shown(second)} in the replay"


def _what(one: list[str] | None, other: list[str] | None) -> str:
    if one is None or other is None:
        is_removed = (one or other or [""])[0] == "removed"
        return f"{'removed' if is_removed else 'changed or made'} only in the {'replay' if one is None else 'first'}"
    names = ("type", "mode", "owner", "group", "link target" if one[0] == "link" else "content")
    parts = []
    for name, first, second in zip(names, one, other, strict=True):
        if first != second:
            parts.append(name if name == "content" else f"{name} {first} and {second}")
    return "other " + ", ".join(parts)
