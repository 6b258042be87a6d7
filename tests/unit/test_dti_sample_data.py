"""The sample recordings: what is checked before anybody uses them. (Fetching them is in tests/local/test_dti.py.)"""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from blueprints.dti import sample_data


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Invented recordings in the place of the cache, with their digest."""
    folder = tmp_path / "recordings"
    (folder / "small_25").mkdir(parents=True)
    for ending in (".nii.gz", ".bval", ".bvec"):
        (folder / "small_25" / f"small_25{ending}").write_text(f"content of {ending}")
    monkeypatch.setattr(sample_data, "_recordings", lambda: folder)
    with pytest.raises(sample_data.SampleError) as refused:
        sample_data.sample_datasets(tmp_path / "first", ["small_25"])
    assert sample_data.SHA256["small_25.zip"] in str(refused.value)
    digest = str(refused.value).split("SHA-256 ")[1].split(",")[0]
    monkeypatch.setitem(sample_data.SHA256, "small_25.zip", digest)
    return folder


def test_changed_recordings_are_refused(recordings: Path, tmp_path: Path) -> None:
    (recordings / "small_25" / "small_25.bval").write_text("changed")
    with pytest.raises(sample_data.SampleError, match="was changed"):
        sample_data.sample_datasets(tmp_path / "out", ["small_25"])
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_bytes_each_time(recordings: Path, tmp_path: Path) -> None:
    (first,) = sample_data.sample_datasets(tmp_path / "a", ["small_25"])
    (second,) = sample_data.sample_datasets(tmp_path / "b", ["small_25"])
    assert first.read_bytes() == second.read_bytes()
    assert hashlib.sha256(first.read_bytes()).hexdigest() == sample_data.SHA256["small_25.zip"]
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == ["small_25.nii.gz", "small_25.bval", "small_25.bvec"]


def test_a_damaged_dataset_is_made_again(recordings: Path, tmp_path: Path) -> None:
    (path,) = sample_data.sample_datasets(tmp_path / "a", ["small_25"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    sample_data.sample_datasets(tmp_path / "a", ["small_25"])
    assert path.read_bytes() == whole


def test_no_index_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no index")
    monkeypatch.setattr("blueprints.dti.sample_data.subprocess.run", lambda *arguments, **options: failed)
    with pytest.raises(sample_data.SampleError, match="ERROR: no index\nAllowed: a package index"):
        sample_data.sample_datasets(tmp_path / "out")
    assert list((tmp_path / "cache" / "neurocaas").iterdir()) == []
