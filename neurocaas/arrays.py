"""Numbers out of array files, with the standard library alone: NumPy's .npy and .npz, and NIfTI (.nii,
.nii.gz).

Formats: numpy.lib.format (versions 1 to 3), and the NIfTI-1 header of 348 bytes (nifti.nimh.nih.gov/nifti-1).
"""

import ast
import gzip
import io
import math
import struct
import sys
import zipfile
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NPY = b"\x93NUMPY"
_CODES = {
    "b1": "B",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
    "f4": "f",
    "f8": "d",
}
_NIFTI = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_COMPLEX = {"c8": "f4", "c16": "f8"}


_BROKEN = (
    *(
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        SyntaxError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
    ),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What reading half a file, or a file of another kind, can end in."""

UNPACKED = 1 << 30
"""Bytes up to which packed arrays are unpacked."""


class UnreadableError(Exception):
    """Not an array file, or one with values that are no plain numbers; the text says which."""


@dataclass(frozen=True)
class Numbers:
    """An array: its shape, its kind ("f4", "i8", …) and its values in the order of the file, complex ones as
    pairs.
    """

    shape: tuple[int, ...]
    kind: str
    values: Sequence[float]


def read(name: str, raw: bytes) -> Mapping[str, Numbers]:
    """The arrays in a file by their names ("" where a file has only one). Raises UnreadableError."""
    try:
        if raw.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(UNPACKED + 1)
            _check_size(len(raw))
        if raw.startswith(_NPY):
            return {"": _npy(raw)}
        if raw.startswith(b"PK") and name.lower().endswith(".npz"):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                _check_size(sum(one.file_size for one in archive.infolist()))
                return {
                    one.removesuffix(".npy"): _npy(archive.read(one)) for one in sorted(archive.namelist())
                }
        if raw[344:347] in (b"n+1", b"ni1"):
            return {"": _nifti(raw)}
    except _BROKEN as error:
        raise UnreadableError(f"{name} cannot be read: {error}") from error
    raise UnreadableError(f"{name} is neither .npy, .npz nor NIfTI")


def _check_size(size: int) -> None:
    """A few bytes can be packed zeros without end."""
    if size > UNPACKED:
        raise UnreadableError(f"it unpacks to more than {UNPACKED >> 20} MiB")


def _npy(raw: bytes) -> Numbers:
    wide = raw[6] > 1
    start = 12 if wide else 10
    length = struct.unpack_from("<I" if wide else "<H", raw, 8)[0]
    header = ast.literal_eval(raw[start : start + length].decode("utf-8" if raw[6] > 2 else "latin-1"))
    described, shape = header["descr"], tuple(int(size) for size in header["shape"])
    if not isinstance(described, str) or described[1:] not in {*_CODES, *_COMPLEX, "f2"}:
        raise UnreadableError(f"an array of {described!r} has no plain numbers")
    kind = described[1:]
    values = _values(
        raw[start + length :],
        _COMPLEX.get(kind, kind),
        swapped=described[0] == (">" if sys.byteorder == "little" else "<"),
    )
    _check_whole(values, shape, pair=kind in _COMPLEX)
    if header["fortran_order"] and len(shape) > 1 and kind not in _COMPLEX:
        values = _c_order(values, shape)
    return Numbers(shape, kind, values)


def _nifti(raw: bytes) -> Numbers:
    order = "<" if struct.unpack_from("<i", raw, 0)[0] == 348 else ">"
    dimensions = struct.unpack_from(f"{order}8h", raw, 40)
    shape = tuple(dimensions[1 : 1 + dimensions[0]])
    (code,) = struct.unpack_from(f"{order}h", raw, 70)
    offset, slope, intercept = struct.unpack_from(f"{order}3f", raw, 108)
    if code not in _NIFTI or raw[344:347] == b"ni1":
        raise UnreadableError(
            f"a NIfTI file of data type {code} in {'two files' if raw[344:347] == b'ni1' else 'one file'}"
        )
    kind = _NIFTI[code]
    start = int(offset)
    values = _values(
        raw[start : start + math.prod(shape) * int(kind[1])],
        kind,
        swapped=order != ("<" if sys.byteorder == "little" else ">"),
    )
    _check_whole(values, shape)
    if slope not in (0.0, 1.0) or (slope and intercept):
        values = array("d", (value * slope + intercept for value in values))
    return Numbers(shape, kind, values)


def _check_whole(values: Sequence[float], shape: Sequence[int], *, pair: bool = False) -> None:
    """Raise ValueError unless there are as many values as the shape says (`pair`: two for each)."""
    if len(values) != math.prod(shape) * (1 + pair):
        raise ValueError(f"{len(values)} values for the shape {tuple(shape)}: the file is not whole")


def _values(raw: bytes, kind: str, *, swapped: bool) -> Sequence[float]:
    if kind == "f2":
        swap = {"little": ">", "big": "<"}[sys.byteorder] if swapped else "="
        return array("d", (value for (value,) in struct.iter_unpack(f"{swap}e", raw)))
    values = array(_CODES[kind])
    values.frombytes(raw)
    if swapped:
        values.byteswap()
    return values


def _c_order(values: Sequence[float], shape: Sequence[int]) -> Sequence[float]:
    """Values that lie column by column, row by row."""
    steps = [1]
    for size in shape[:-1]:
        steps.append(steps[-1] * size)
    places = [0]
    for size, step in zip(shape, steps, strict=True):
        places = [place + index * step for place in places for index in range(size)]
    return [values[place] for place in places]
