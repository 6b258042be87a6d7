"""NWB files are looked at before they are uploaded. The files are made by HDF5's format specification, with
addresses as h5py writes them (from the file's beginning); it is too large to be installed for this, so it is
stood in for."""

import struct
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from neurocaas.errors import AnalysisError
from neurocaas.formats import nwb

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def hdf5(version: int = 0, *, body: bytes = b"nwb_version\0", before: int = 0, cut: int = 0) -> bytes:
    """A superblock of HDF5 and what follows it; a user block of `before` bytes, and `cut` bytes missing."""
    size = {0: 96, 1: 100, 2: 48, 3: 48}[version] + len(body)
    end, undefined = before + size, 2**64 - 1
    if version in (0, 1):
        head = SIGNATURE + bytes([version, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
        head += b"\0" * (4 * version) + struct.pack("<QQQQ", before, undefined, end, undefined) + b"\0" * 40
    else:
        head = SIGNATURE + bytes([version, 8, 8, 0]) + struct.pack("<QQQQI", before, undefined, end, 48, 0)
    return b"u" * before + (head + body)[: size - cut]


@pytest.fixture(autouse=True)
def without_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nwb, "_has_h5py", lambda: False)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [0, 512, 1024])
def test_a_whole_file_is_known_whatever_wrote_it(tmp_path: Path, version: int, before: int) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes(hdf5(version, before=before))
    found = nwb.checked(path)
    assert found.seen
    assert found.line().startswith("a.nwb: NWB, ")


@pytest.mark.parametrize("version", [0, 1, 2, 3])
@pytest.mark.parametrize("before", [0, 512])
def test_half_a_file_is_told_with_what_is_missing(tmp_path: Path, version: int, before: int) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes(hdf5(version, body=b"nwb_version" + b"x" * 2000, before=before, cut=1))
    with pytest.raises(AnalysisError, match=r"a\.nwb is not whole: [0-9,]+ of [0-9,]+ bytes") as error:
        nwb.checked(path)
    assert "download it again" in error.value.do


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\x89HDF", SIGNATURE[:-1] + b"x" * 2000])
def test_what_is_no_hdf5_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nwb").write_bytes(content)
    with pytest.raises(AnalysisError, match="is no HDF5 file") as error:
        nwb.checked(tmp_path / "a.nwb")
    assert "nwb_version" in error.value.allowed


def test_hdf5_that_is_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(hdf5(body=b"pandas_version"))
    with pytest.raises(AnalysisError, match="HDF5 without the attribute nwb_version"):
        nwb.checked(tmp_path / "a.nwb")


def test_a_superblock_that_nobody_knows_yet_is_not_taken_for_half_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(SIGNATURE + b"\x09" + b"\xff" * 200 + b"nwb_version")
    assert nwb.checked(tmp_path / "a.nwb").seen


def test_a_large_file_whose_attribute_cannot_be_seen_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nwb, "_LOOKED_AT", 200)
    (tmp_path / "a.nwb").write_bytes(hdf5(body=b"x" * 1000 + b"nwb_version" + b"x" * 1000))
    found = nwb.checked(tmp_path / "a.nwb")
    assert not found.seen
    assert "h5py" in found.line()
    (tmp_path / "a.nwb").write_bytes(hdf5(body=b"x" * 2000 + b"nwb_version"))
    assert nwb.checked(tmp_path / "a.nwb").seen


class File:
    """h5py.File as far as it is used."""

    attrs: dict[str, Any] = {}

    def __init__(self, path: Path, mode: str) -> None:
        assert mode == "r"
        if b"broken" in path.read_bytes():
            raise OSError("Unable to open file (bad object header)")

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("value", ["2.6.0", b"2.6.0"])
def test_h5py_tells_the_version_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | bytes
) -> None:
    module = types.ModuleType("h5py")
    module.__spec__ = ModuleSpec("h5py", None)
    vars(module)["File"] = File
    monkeypatch.setitem(sys.modules, "h5py", module)
    monkeypatch.setattr(nwb, "_has_h5py", lambda: True)
    monkeypatch.setattr(File, "attrs", {"nwb_version": value})
    path = tmp_path / "a.nwb"
    path.write_bytes(hdf5())
    assert nwb.checked(path).version == "2.6.0"
    monkeypatch.setattr(File, "attrs", {})
    path.write_bytes(hdf5(body=b"other"))
    with pytest.raises(AnalysisError, match="without the attribute"):
        nwb.checked(path)
    path.write_bytes(hdf5(body=b"nwb_version broken"))
    with pytest.raises(AnalysisError, match=r"cannot be read as HDF5 .*bad object header"):
        nwb.checked(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.nwb", nwb.CONTENT_TYPE), ("A.NWB", nwb.CONTENT_TYPE), ("a.h5", nwb.CONTENT_TYPE), ("a.nii", "")],
)
def test_the_media_type_goes_by_the_name(name: str, kind: str) -> None:
    assert nwb.content_type(name) == kind
    assert nwb.is_named_so(name) == name.lower().endswith(".nwb")
