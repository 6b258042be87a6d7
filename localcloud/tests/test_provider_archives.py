"""Files and archives: the same bytes for the same contents."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from localcloud.pulumi.provider.archives import asset_bytes, zip_bytes
from localcloud.pulumi.provider.codec import Archive, Asset
from localcloud.pulumi.provider.errors import ProviderError


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return {name: source.read(name) for name in source.namelist()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code" / "inner").mkdir(parents=True)
    (tmp_path / "code" / "b.py").write_text("b")
    (tmp_path / "code" / "inner" / "a.py").write_text("a")
    return tmp_path / "code"


def test_time_order_and_mode_are_no_content(folder: Path) -> None:
    first = zip_bytes(Archive(path=str(folder)))
    os.utime(folder / "b.py", (1, 1))
    (folder / "b.py").chmod(0o600)
    assert zip_bytes(Archive(path=str(folder))) == first
    parts: dict[str, Asset | Archive] = {
        "b.py": Asset(text="b"),
        "inner": Archive(assets={"a.py": Asset(text="a")}),
    }
    assert zip_bytes(Archive(assets=parts)) == first
    assert zip_bytes(Archive(assets=dict(reversed(parts.items())))) == first
    assert contents(first) == {"b.py": b"b", "inner/a.py": b"a"}


def test_a_zip_is_taken_as_it_is_and_a_tar_is_converted(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "code.zip"
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("x.py", "x")
    assert zip_bytes(Archive(path=str(packed))) == packed.read_bytes()
    assert zip_bytes(Archive(uri=packed.as_uri())) == packed.read_bytes()
    tar = tmp_path / "code.tar.gz"
    with tarfile.open(tar, "w:gz") as archive:
        archive.add(folder, arcname=".")
    assert zip_bytes(Archive(path=str(tar))) == zip_bytes(Archive(path=str(folder)))


def test_an_archive_in_an_archive_keeps_its_place(tmp_path: Path) -> None:
    packed = tmp_path / "lib.zip"
    with zipfile.ZipFile(packed, "w") as target:
        target.writestr("x.py", "x")
    assert contents(zip_bytes(Archive(assets={"lib/": Archive(path=str(packed))}))) == {"lib/x.py": b"x"}


@pytest.mark.parametrize(
    ("archive", "part"),
    [
        (Archive(path="no/such/folder"), "does not exist"),
        (Archive(uri="https://example.com/a.zip"), "remote"),
        (Archive(hash="only"), "without its contents"),
        (Archive(assets={"a": Asset(path="no/such/file")}), "cannot be read"),
    ],
)
def test_what_cannot_be_packed_is_said(archive: Archive, part: str) -> None:
    with pytest.raises(ProviderError, match=part):
        zip_bytes(archive)


def test_a_text_is_its_own_file() -> None:
    assert asset_bytes(Asset(text="é")) == "é".encode()
