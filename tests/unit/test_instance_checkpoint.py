"""Checkpoints: one complete set is always there, whatever dies when; only complete ones are gone on from."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.checkpoint import CheckpointManifest, complete_ones, read_manifest
from runtime.instance.agent.checkpoint import Checkpoint, restore
from runtime.instance.agent.storage import FolderStorage, Location, Sent, StorageError

PLACE = Location("b", "logs/d/checkpoint")


class Dying(FolderStorage):
    """A storage whose writer dies after so many writes; `sent` are the names of files that have gone."""

    def __init__(self, root: Path, left: int = 10**9) -> None:
        super().__init__(root)
        self.left, self.sent = left, list[str]()

    def _one(self) -> None:
        if not self.left:
            raise StorageError("the machine is gone", permanent=True)
        self.left -= 1

    def write(self, place: Location, body: bytes) -> None:
        self._one()
        super().write(place, body)

    def upload(self, source: Path, target: Location) -> Sent:
        self._one()
        self.sent.append(target.key.removeprefix(f"{PLACE.key}/"))
        return super().upload(source, target)


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def keep(folder: Path, files: dict[str, str]) -> None:
    """As a script does: each file anew, and renamed; what it has no more goes."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text() != text:
            fresh = path.with_name(f"{path.name}.new")
            fresh.write_text(text)
            fresh.replace(path)


STATES = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "deep/b", "deep/c"]), st.sampled_from(["1", "22", "333"]), min_size=1
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=examples(60), deadline=None)
@given(STATES, st.integers(0, 20), st.booleans())
def test_what_is_gone_on_from_is_a_state_that_there_was_and_never_an_older_one(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[str, str]], dies: int, again: bool
) -> None:
    root, folder = tmp_path_factory.mktemp("s3"), tmp_path_factory.mktemp("work") / "checkpoint"
    folder.mkdir()
    storage = Dying(root, dies)
    one = Checkpoint(storage, folder, PLACE)
    good = None
    for state in states:
        if again:
            one = Checkpoint(storage, folder, PLACE)
        keep(folder, state)
        if one.save() is None:
            good = state
    back = tmp_path_factory.mktemp("next") / "checkpoint"
    back.mkdir()
    found = restore(FolderStorage(root), PLACE, back)
    assert content(back) == (good or {})
    assert (found is not None) == (good is not None)


def test_only_what_changed_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    storage = Dying(tmp_path / "s3")
    one = Checkpoint(storage, folder, PLACE)
    assert one.save() is None
    assert (storage.sent, one.time) == ([], None)  # an empty folder is none
    keep(folder, {"large": "x" * 100, "step": "1"})
    one.save()
    one.save()
    assert sorted(storage.sent) == ["1/large", "1/step"]
    for step in "234":
        keep(folder, {"large": "x" * 100, "step": step})
        one.save()
    assert sorted(storage.sent[2:]) == ["1/step", "2/large", "2/step", "2/step"]
    manifest = read_manifest((tmp_path / "s3/b/logs/d/checkpoint/2.json").read_bytes())
    assert manifest is not None
    assert (manifest.number, manifest.complete, manifest.size, manifest.time) == (4, True, 101, one.time)


def test_a_file_that_is_written_in_place_makes_no_complete_set(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "step").write_text("1")

    class Slow(Dying):
        def upload(self, source: Path, target: Location) -> Sent:
            sent = super().upload(source, target)
            with (folder / "step").open("a") as file:
                file.write("2")
            return sent

    storage = Slow(tmp_path / "s3")
    assert "write a new file and rename it" in str(Checkpoint(storage, folder, PLACE).save())
    assert restore(storage, PLACE, folder) is None


def test_a_folder_that_never_keeps_still_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "a").touch()
    link, names = os.link, map(str, itertools.count())

    def linked(source: Path, target: Path, **more: bool) -> None:
        (folder / next(names)).touch()
        link(source, target, **more)

    monkeypatch.setattr("os.link", linked)
    storage = Dying(tmp_path / "s3")
    assert Checkpoint(storage, folder, PLACE).save() == "its files change all the time"
    assert storage.sent == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["checkpoint"]  # nothing of ours is left


def test_too_much_is_not_saved_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    keep(folder, {"a": "x" * 11})
    one = Checkpoint(Dying(tmp_path / "s3"), folder, PLACE, most=10)
    assert one.save() == "it has 11 bytes in 1 files; allowed: 10 bytes in 10000 files"
    assert one.fault
    keep(folder, {"a": "x" * 10})
    assert one.save() is None
    assert one.fault is None


def test_files_that_are_not_those_of_the_set_send_back_to_the_one_before(tmp_path: Path) -> None:
    folder, root = tmp_path / "checkpoint", tmp_path / "s3"
    folder.mkdir()
    one = Checkpoint(FolderStorage(root), folder, PLACE)
    for step in "12":
        keep(folder, {"step": step})
        one.save()
    (root / "b/logs/d/checkpoint/2/step").write_text("another's")
    back = tmp_path / "back"
    back.mkdir()
    found = restore(FolderStorage(root), PLACE, back)
    assert found is not None
    assert (found.number, content(back)) == (1, {"step": "1"})
    manifest = json.loads((root / "b/logs/d/checkpoint/1.json").read_text())
    manifest["files"][0]["path"] = "../../outside"
    (root / "b/logs/d/checkpoint/1.json").write_text(json.dumps(manifest))
    assert restore(FolderStorage(root), PLACE, tmp_path / "back") is None
    assert not (tmp_path / "outside").exists()


def test_the_next_machine_counts_on_and_spares_the_newest_set(tmp_path: Path) -> None:
    folder, root = tmp_path / "checkpoint", tmp_path / "s3"
    folder.mkdir()
    keep(folder, {"step": "1"})
    Checkpoint(FolderStorage(root), folder, PLACE).save()
    keep(folder, {"step": "2"})
    assert Checkpoint(Dying(root, 1), folder, PLACE, attempt=2).save()  # it dies on the way
    back = tmp_path / "back"
    back.mkdir()
    assert restore(FolderStorage(root), PLACE, back) is not None
    assert content(back) == {"step": "1"}


def test_saving_in_the_background_is_begun_once(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    one = Checkpoint(FolderStorage(tmp_path / "s3"), folder, PLACE)
    with one._busy:
        assert not one.begin()
    keep(folder, {"step": "1"})
    assert one.begin()
    while one.time is None:
        assert one.fault is None
    assert one.save() is None


@pytest.mark.parametrize(
    "text", ["", "{}", '{"number": 0}', '{"number": 1, "complete": true, "time": "now"}']
)
def test_what_is_no_manifest_is_none(text: str) -> None:
    assert read_manifest(text) is None


def test_the_newest_complete_one_comes_first() -> None:
    made = [
        CheckpointManifest(1, True, "2026-01-31T12:00:00Z"),
        CheckpointManifest(3),
        None,
        CheckpointManifest(2, True, "2026-01-31T12:01:00Z"),
    ]
    assert [one.number for one in complete_ones(made)] == [2, 1]


def test_links_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refused)
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    keep(folder, {"step": "1"})
    assert Checkpoint(FolderStorage(tmp_path / "s3"), folder, PLACE).save() is None
    assert restore(FolderStorage(tmp_path / "s3"), PLACE, folder) is not None
