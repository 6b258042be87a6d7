"""The contents of assets and archives. Archives become the same bytes for the same files, whenever and
wherever they are built.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localcloud.pulumi.provider.codec import Archive, Asset
from localcloud.pulumi.provider.errors import ProviderError

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip entry can have; all entries get it, so that time is no content."""
_MODE = 0o755
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def asset_bytes(asset: Asset) -> bytes:
    """The contents of `asset`.

    Raises `ProviderError`: the file cannot be read, or it lies on the network.
    """
    if asset.text is not None:
        return asset.text.encode()
    path = _local_path(asset.path, asset.uri)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProviderError(f"the file asset {path} cannot be read: {error.strerror or error}") from error


def zip_bytes(archive: Archive) -> bytes:
    """`archive` as a zip. An archive that is a zip file already is taken as it is.

    Raises `ProviderError`: a part of it cannot be read, lies on the network, or is of an unknown kind.
    """
    if archive.assets is None:
        path = _local_path(archive.path, archive.uri)
        if path.is_file() and path.suffix in (".zip", ".jar"):
            return asset_bytes(Asset(path=str(path)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, contents in sorted(_entries(archive)):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.external_attr = _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, contents)
    return buffer.getvalue()


def _entries(archive: Archive) -> Iterator[tuple[str, bytes]]:
    if archive.assets is not None:
        for name, item in archive.assets.items():
            if isinstance(item, Archive):
                for inner, contents in _entries(item):
                    yield f"{name.rstrip('/')}/{inner}", contents
            else:
                yield name, asset_bytes(item)
        return
    path = _local_path(archive.path, archive.uri)
    if path.is_dir():
        yield from _folder_entries(path)
    elif path.name.endswith(_TAR_SUFFIXES):
        yield from _tar_entries(path)
    elif path.suffix in (".zip", ".jar"):
        yield from _zip_entries(path)
    else:
        what = "does not exist" if not path.exists() else "is no folder, .zip, .jar, .tar, .tar.gz or .tgz"
        raise ProviderError(
            f"the file archive {path} {what}; paths are relative to the folder of "
            "Pulumi.yaml; correct the path"
        )


def _folder_entries(folder: Path) -> Iterator[tuple[str, bytes]]:
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != ".pulumi")
        for name in sorted(files):
            path = Path(root, name)
            yield path.relative_to(folder).as_posix(), asset_bytes(Asset(path=str(path)))


def _tar_entries(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as source:
        for member in source:
            stream = source.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield member.name.removeprefix("./"), stream.read()


def _zip_entries(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as source:
        for name in source.namelist():
            if not name.endswith("/"):
                yield name, source.read(name)


def _local_path(path: str | None, uri: str | None) -> Path:
    if path is not None:
        return Path(path)
    parts = urlsplit(uri or "")
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if uri:
        raise ProviderError(
            f"got the remote file {uri}; the local AWS provider reads files of this machine "
            "only; download it first"
        )
    raise ProviderError("the engine sent a file without its contents; run the deployment again")
