"""Sample recordings: what is checked before anybody uses them. (Fetching them is in tests/local.)"""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from blueprints.samples import Sample, SampleError, Wheel, make, zipped
from tests.shell.machines import ROOT

NAMES = ("b.txt", "a.txt")


class Recordings(Wheel):
    """A folder in the place of the wheel."""

    def recordings(self) -> Path:
        return self.requirements


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(f"content of {name}")
    return Recordings("package", folder, NAMES)


@pytest.fixture
def known(wheel: Wheel) -> dict[str, Sample]:
    content = zipped(*NAMES)
    return {"both.zip": Sample(content, hashlib.sha256(content(wheel.recordings())).hexdigest())}


def test_changed_recordings_are_refused(wheel: Wheel, known: dict[str, Sample], tmp_path: Path) -> None:
    (wheel.recordings() / "a.txt").write_text("changed")
    with pytest.raises(SampleError, match="was changed"):
        make(wheel, known, tmp_path / "out", ["both.zip"])
    assert list((tmp_path / "out").iterdir()) == []


def test_the_same_bytes_each_time(wheel: Wheel, known: dict[str, Sample], tmp_path: Path) -> None:
    (first,), (second,) = (make(wheel, known, tmp_path / name, ["both.zip"]) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == list(NAMES)


def test_a_damaged_dataset_is_made_again(wheel: Wheel, known: dict[str, Sample], tmp_path: Path) -> None:
    (path,) = make(wheel, known, tmp_path / "a", ["both.zip"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    make(wheel, known, tmp_path / "a", ["both.zip"])
    assert path.read_bytes() == whole


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "requirements.txt"
    path.write_text(
        "other==1 \\\n    --hash=sha256:00\npackage==2.0 \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"
    )
    return path


def test_what_is_wanted_is_taken_from_the_pinned_wheel_once(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(Path(command[-1]).read_text())
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "package-2.0.whl", "w") as archive:
            archive.writestr("package/data/a.txt", "A")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    wheel = Wheel("package", lock, ("package/data/a.txt",))
    for _ in range(2):
        assert (wheel.recordings() / "a.txt").read_text() == "A"
    assert asked == ["package==2.0 \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"]


def test_no_index_is_one_clear_message(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no index")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(SampleError, match="ERROR: no index\nAllowed: a package index"):
        Wheel("package", lock, ("x",)).recordings()
    assert list((tmp_path / "cache" / "neurocaas").iterdir()) == []


def test_a_package_that_is_not_pinned_is_refused(lock: Path) -> None:
    with pytest.raises(SampleError, match="does not pin absent"):
        Wheel("absent", lock, ("x",)).recordings()


@pytest.mark.parametrize(
    "lock",
    sorted((ROOT / "blueprints").glob("*/provision/requirements.txt")),
    ids=lambda path: path.parts[-3],
)
def test_every_package_of_an_image_has_digests(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    pinned = [number for number, line in enumerate(lines) if "==" in line and not line.startswith("#")]
    assert pinned
    assert all(lines[number + 1].lstrip().startswith("--hash=sha256:") for number in pinned)
