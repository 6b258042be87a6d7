"""Whether a file is NWB (Neurodata Without Borders) before it is uploaded: an HDF5 file that is whole, with
the attribute `nwb_version` at its root.

What HDF5 says of itself at its beginning is read here ("HDF5 File Format Specification", III.A "Disk Format:
Level 0A"): the signature, and where the file ends. The attribute is read with h5py where that is installed;
else its name is looked for, since no other group of an NWB file has one of that name.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from neurocaas.errors import AnalysisError
from neurocaas.layout import cell
from neurocaas.protocol.units import size as size_text

CONTENT_TYPE = "application/x-hdf5"
SUFFIXES = (".nwb",)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LOOKED_AT = 8 << 20
"""So many bytes at the beginning and at the end are looked through for the attribute's name: the root's
header is written first, or, when a file was changed, last."""

_NAME = b"nwb_version"


@dataclass(frozen=True)
class NwbFile:
    """`version` of NWB; "" where it is not known without h5py. `seen`: the attribute was found."""

    path: Path
    size: int
    version: str = ""
    seen: bool = True

    def line(self) -> str:
        """What it is, for people."""
        kind = (
            f"NWB {cell(self.version)}".rstrip()
            if self.seen
            else "HDF5 (h5py, if installed, sees whether NWB)"
        )
        return f"{cell(self.path.name)}: {kind}, {size_text(self.size)}"


def is_named_so(path: str | os.PathLike[str]) -> bool:
    """Whether a file says by its name that it is NWB."""
    return os.fspath(path).lower().endswith(SUFFIXES)


def content_type(path: str | os.PathLike[str]) -> str:
    """The media type of a file of HDF5, by its name; "" for every other."""
    return CONTENT_TYPE if os.fspath(path).lower().endswith((*SUFFIXES, ".h5", ".hdf5")) else ""


def checked(path: Path) -> NwbFile:
    """What a file that is called NWB is. Raises AnalysisError where it is not, or not all of it is here."""
    allowed, do = "an NWB file: HDF5 with the attribute nwb_version", "check how it was written, or rename it"
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        base = _signature_at(file, size)
        if base is None:
            raise AnalysisError(f"{path} is no HDF5 file", allowed, do)
        end = _end(file, base)
        if end is not None and size < end:
            got = f"{path} is not whole: {size:,} of {end:,} bytes"
            raise AnalysisError(got, "a file that was copied to its end", "copy or download it again")
        named = _has_name(file, size)
    version = _version(path)
    if version is None and not named and (size <= 2 * _LOOKED_AT or _has_h5py()):
        raise AnalysisError(f"{path} is HDF5 without the attribute nwb_version", allowed, do)
    return NwbFile(path, size, version or "", version is not None or named)


def _signature_at(file: BinaryIO, size: int) -> int | None:
    """Where the superblock is: at 0, 512, 1024, 2048, …; None for what is no HDF5."""
    place = 0
    while place + len(_SIGNATURE) <= size:
        file.seek(place)
        if file.read(len(_SIGNATURE)) == _SIGNATURE:
            return place
        place = 512 if place == 0 else place * 2
    return None


def _end(file: BinaryIO, base: int) -> int | None:
    """The length that the file says it has, None where it is of a version that is not known here."""
    file.seek(base)
    head = file.read(96)
    version = head[8] if len(head) > 8 else 255
    if version in (0, 1):
        width, first = head[13], 24 + 4 * version
        places = (first, first + 2 * width)  # base address, (free space,) end of file
    elif version in (2, 3):
        width, first = head[9], 12
        places = (first, first + 2 * width)  # base address, (extension,) end of file
    else:
        return None
    if width not in (4, 8) or len(head) < places[1] + width:
        return None
    begin, end = (int.from_bytes(head[place : place + width], "little") for place in places)
    return end + base - begin  # absolute, for a file that begins where it was when it was written


def _has_name(file: BinaryIO, size: int) -> bool:
    file.seek(0)
    if _NAME in file.read(_LOOKED_AT):
        return True
    file.seek(max(0, size - _LOOKED_AT))
    return _NAME in file.read(_LOOKED_AT)


def _has_h5py() -> bool:
    return importlib.util.find_spec("h5py") is not None


def _version(path: Path) -> str | None:
    """By h5py; None where that is not installed, or the file has none."""
    if not _has_h5py():
        return None
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("nwb_version")
    except OSError as error:
        raise AnalysisError(
            f"{path} cannot be read as HDF5 ({error})", "an NWB file that is whole", "copy it again"
        ) from error
    return (
        found.decode("utf-8", "replace")
        if isinstance(found, bytes)
        else None
        if found is None
        else str(found)
    )
