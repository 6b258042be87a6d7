"""A folder as a tar.gz whose bytes depend on its content only."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One member: a file's content, or the target of a symbolic link."""

    path: str
    content: bytes = b""
    executable: bool = False
    link: str | None = None


def entry(path: str, file: Path) -> Entry:
    return Entry(path, file.read_bytes(), bool(file.stat().st_mode & 0o111))


def tar_gz(entries: Iterable[Entry]) -> bytes:
    """Sorted members, owner root, time 0, modes 0644 and 0755: the same content gives the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in sorted(entries, key=lambda item: item.path):
            info = tarfile.TarInfo(item.path)
            info.mode = 0o755 if item.executable or item.link is not None else 0o644
            info.uname = info.gname = "root"
            if item.link is not None:
                info.type, info.linkname = tarfile.SYMTYPE, item.link
                tar.addfile(info)
            else:
                info.size = len(item.content)
                tar.addfile(info, io.BytesIO(item.content))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=6, mtime=0) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


def pack(files: Iterable[tuple[str, Path]]) -> bytes:
    """The archive of a `provision/` folder (`Provision.files`); scripts are executable whatever their
    mode.
    """
    return tar_gz(
        Entry(path, file.read_bytes(), bool(file.stat().st_mode & 0o111) or path.endswith(".sh"))
        for path, file in files
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
