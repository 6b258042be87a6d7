"""A root in numbers: what is in it beyond its parent, and how two roots differ."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from image_builder.recording import changes
from image_builder.recording.root import View

_CACHES = (
    (r"\.pyc$|/__pycache__(/|$)", "compiled Python (contains the time)"),
    (r"^/var/log(/|$)|/config\.log$|/CMakeFiles/(CMake(Output|Error)\.log|CMakeConfigureLog\.yaml)$|/\.ninja_(log|deps)$", "log"),  # noqa: E501
    (r"^/var/(cache/apt|lib/apt/lists|lib/apt/periodic)(/|$)", "apt's index and downloads"),
    (r"^/var/cache/ldconfig(/|$)|^/etc/ld\.so\.cache$", "ldconfig's cache"),
    (r"^/var/cache/(debconf|man|fontconfig)(/|$)|^/var/lib/dpkg/[a-z]+-old$|/fontlist-v[\d.]+\.json$",
        "cache of the package tools"),
    (r"^/var/lib/(command-not-found|PackageKit|update-notifier|man-db|plocate)(/|$)|^/var/lib/texmf/.*\.(fmt|log)$",
     "cache of the package tools"),
    (r"^/(tmp|var/tmp|run|dev|proc|sys)(/|$)", "temporary"),
    (r"^/etc/machine-id$|^/var/lib/dbus/machine-id$|^/etc/ssh/ssh_host_|^/var/lib/systemd/random-seed$",
        "identity of one machine"),
    (r"^/etc/ssl/(certs/ssl-cert-snakeoil\.pem|private/ssl-cert-snakeoil\.key|certs/java/cacerts)$",
        "identity of one machine"),
    (r"/\.conda/aau_token\w*$|^/etc/aau_token\w*$|^/usr/share/fonts/.*\.uuid$", "identity of one machine"),
    (r"^/(root|home/[^/]+)/(\.cache(/|$)|\.(bash|python|octave|node_repl)_(history|hist)$|\.Rhistory$|\.viminfo$|\.wget-hsts$|\.lesshst$)",
     "cache or history of a user"),
    (r"^/(root|home/[^/]+)/\.(npm|ipython/profile_default/history\.sqlite|jupyter/migrated|julia/(logs|compiled|registries))(/|$)",
     "cache or history of a user"),
    (r"^/(root|home/[^/]+)/(\.cargo/(registry|git|\.package-cache.*|\.global-cache)|go/pkg/mod/cache)(/|$)",
        "cache or history of a user"),
    (r"/\.gnupg/(trustdb\.gpg|random_seed|pubring\.kbx~?|\.#lk.*)$", "GnuPG's own bookkeeping"),
    (r"/\.git/(modules/.+/)?(index$|logs(/|$)|ORIG_HEAD$|FETCH_HEAD$|objects(/|$)|gc\.log$)", "git's own "
        "bookkeeping"),
    (r"\.dist-info/(direct_url|uv_cache|uv_build)\.json$|\.dist-info/(RECORD|REQUESTED)$", "pip's own "
        "bookkeeping"),
    (r"/Meta/package\.rds$", "R's note of the time"),
    (r"^/etc/neurocaas(/|$)", "what a build notes about itself"),
    (r"/conda-meta/history$|/pkgs/cache/|/pkgs/urls(\.txt)?$", "conda's cache"),
)  # fmt: skip


def _conda_record(text: str) -> str:
    """Without the words by which the package was asked for: a script names each build, a person asks for some
    packages.
    """
    record = json.loads(text)
    for name in ("requested_spec", "requested_specs"):
        record.pop(name, None)
    return json.dumps(record, sort_keys=True)


def _without_days(text: str) -> str:
    """Accounts without the day of their last change."""
    rows = (line.split(":") for line in text.split("\n"))
    return "\n".join(":".join((*row[:2], "", *row[3:])) for row in rows)


def _in_order(text: str) -> str:
    return "\n\n".join(sorted(text.strip().split("\n\n")))


_MEANING: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r"/conda-meta/[^/]+\.json$", _conda_record),
    (r"^/etc/shadow-?$", _without_days),
    (r"^/var/lib/apt/extended_states$", _in_order),
    (
        r"/DESCRIPTION$",
        lambda text: re.sub(
            r"^(Packaged: [^;]*|(Built: [^;]*;[^;]*;)[^;]*)", r"\2", text, flags=re.MULTILINE
        ),
    ),
    (r"/\.?octave_packages$", lambda text: re.sub(r"^# Created by Octave.*\n", "", text)),
)
"""Files of which something is known to differ, and does not matter: what is left of their text is
compared.
"""


@dataclass
class Inventory:
    """`entries`: path -> [type, mode, uid, gid, link target or SHA-256]; `packages`: kind -> name ->
    version.
    """

    entries: dict[str, list[str]] = field(default_factory=dict)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One path or package that two roots do not share alike. `cache` says why it is harmless; None: it
    counts.
    """

    path: str
    what: str
    cache: str | None = None

    def text(self) -> str:
        return f"{self.path}: {self.what}" + (f" [{self.cache}]" if self.cache else "")


def cache_of(path: str) -> str | None:
    """What kind of cache a path is known to be, None for everything else."""
    return next((reason for pattern, reason in _CACHES if re.search(pattern, path)), None)


def take(views: Sequence[View], looked_at: Callable[[int], None] = lambda count: None) -> Inventory:
    """The inventory of a root on which nothing runs. What is as in the parent is left out. `looked_at` hears
    how many paths were read, at each of them: large roots take a while."""
    inventory = Inventory()
    metadata = []
    count = 0
    for view in views:
        for path, file, status in changes.entries(view):
            count += 1
            looked_at(count)
            own = _entry(path, file, status)
            below = changes.lower_status(view, path)
            if below is None or own != _entry(path, *below):
                inventory.entries[path] = own
            if changes.PYTHON_METADATA.search(path) and cache_of(path) is None:
                metadata.append(path)
    inventory.packages = {
        "apt": changes.apt_packages(views),
        "python": changes.python_packages(views, metadata),
        "conda": dict.fromkeys(changes.conda_packages(views, inventory.entries).values(), ""),
    }
    return inventory


def compare(recorded: Inventory, replayed: Inventory, accepted: Collection[str] = ()) -> list[Difference]:
    """Every difference: packages first, then files; those of known caches, and those of `accepted` paths,
    last.
    """
    found = []
    for kind in sorted(recorded.packages.keys() | replayed.packages.keys()):
        first, second = recorded.packages.get(kind, {}), replayed.packages.get(kind, {})
        found += [
            Difference(
                f"{kind} package {name.rpartition('|')[2]}", _versions(first.get(name), second.get(name))
            )
            for name in sorted(first.keys() | second.keys())
            if first.get(name) != second.get(name)
        ]
    for path in sorted(recorded.entries.keys() | replayed.entries.keys()):
        one, other = recorded.entries.get(path), replayed.entries.get(path)
        if one != other:
            found.append(Difference(path, _what(one, other), cache_of(path)))
    found = [
        replace(one, cache="accepted") if one.cache is None and one.path in accepted else one for one in found
    ]
    return sorted(found, key=lambda difference: difference.cache is not None)


def save(inventory: Inventory, path: Path, recipe_sha256: str) -> None:
    """Write an inventory, with the recipe that made it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {"recipe_sha256": recipe_sha256, "entries": inventory.entries, "packages": inventory.packages}
    )
    path.write_bytes(gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0))


def load(path: Path, recipe_sha256: str) -> Inventory | None:
    """A saved inventory; None when there is none, or it is of another recipe."""
    try:
        raw = json.loads(gzip.decompress(path.read_bytes()).decode("utf-8", "surrogateescape"))
        return Inventory(raw["entries"], raw["packages"]) if raw["recipe_sha256"] == recipe_sha256 else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _entry(path: str, file: Path, status: os.stat_result) -> list[str]:
    own = os.getuid()
    uid, gid = (0, 0) if own and status.st_uid in (own, 0) else (status.st_uid, status.st_gid)
    head = [f"{stat.S_IMODE(status.st_mode):04o}", str(uid), str(gid)]
    if changes.is_whiteout(status):
        return ["removed", "", "", "", ""]
    if stat.S_ISLNK(status.st_mode):
        return ["link", "", *head[1:], os.readlink(file)]
    if stat.S_ISREG(status.st_mode):
        try:
            return ["file", *head, _digest(path, file)]
        except OSError:  # a file of the parent that only its owner may read
            return ["file", *head, "unreadable"]
    return ["folder" if stat.S_ISDIR(status.st_mode) else "special", *head, ""]


def _digest(path: str, file: Path) -> str:
    """SHA-256 of a file, or of what matters of it."""
    for pattern, meaning in _MEANING:
        if re.search(pattern, path):
            try:
                return hashlib.sha256(meaning(file.read_text(encoding="utf-8")).encode()).hexdigest()
            except (UnicodeDecodeError, ValueError, AttributeError):
                break  # it only has the name
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _versions(first: str | None, second: str | None) -> str:
    def shown(version: str | None) -> str:
        return "not there" if version is None else version or "there"

    return f"{shown(first)} in the first, {shown(second)} in the replay"


def _what(one: list[str] | None, other: list[str] | None) -> str:
    if one is None or other is None:
        is_removed = (one or other or [""])[0] == "removed"
        return (
            f"{'removed' if is_removed else 'changed or made'} only in the "
            f"{'replay' if one is None else 'first'}"
        )
    names = ("type", "mode", "owner", "group", "link target" if one[0] == "link" else "content")
    parts = []
    for name, first, second in zip(names, one, other, strict=True):
        if first != second:
            parts.append(name if name == "content" else f"{name} {first} and {second}")
    return "other " + ", ".join(parts)
