"""Transfers of a machine: the digest is of what went, a file that changes is told, every name is taken, and
pins hold.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from runtime.instance.agent import reading, s3, transfer
from runtime.instance.agent.checkpoint import Checkpoint, restore
from runtime.instance.agent.pins import Pins, read_pins
from runtime.instance.agent.reading import BufferRoom, FileReading
from runtime.instance.agent.storage import FolderStorage, Location, ObjectPin, Sent, StorageError, lasting
from runtime.instance.agent.transfer import Transfer, outdated_input, read_record
from tests.unit.fake_s3 import FakeS3, error, etag

PART = 16
"""Bytes of a part here: a file of 32 goes in parts."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART", PART)
    monkeypatch.setattr(reading, "PAUSE", 0)
    monkeypatch.setattr(reading, "_TICK", 0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def storage() -> tuple[s3.S3Storage, FakeS3]:
    made, fake = s3.S3Storage(), FakeS3()
    made.__dict__.update(_client=fake, _runtime=None)
    return made, fake


def at(key: str) -> Location:
    return Location("lab", key)


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "append": lambda path: path.open("ab").write(b"more of it"),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "overwrite": lambda path: _write_in_place(path),
    "replace": lambda path: _replace(path),
    "rename": lambda path: (path.rename(path.with_name("x")), path.with_name("x").rename(path)),
}


def _write_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(3))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


def _replace(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(os.urandom(path.stat().st_size))
    fresh.replace(path)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 100), st.lists(st.sampled_from(sorted(CHANGES)), max_size=12))
# a part with the same end as in the read before, and another beginning
@example(90, ["append", "append", "cut", "append"])
def test_what_is_recorded_is_what_is_stored_whatever_happens_to_the_file(
    tmp_path_factory: pytest.TempPathFactory, size: int, changes: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("out")
    source, left = folder / "a.bin", list(changes)
    source.write_bytes(os.urandom(size))
    plain, touched = FileReading.read, list[str]()

    def read(self: FileReading, most: int) -> bytes:
        block = plain(self, most)
        if left:
            touched.append(left.pop(0))
            CHANGES[touched[-1]](source)
        return block

    for kept in (storage()[0], FolderStorage(folder / "buckets")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FileReading, "read", read)
            (moved,) = Transfer(kept).upload(source, at("r"))
        body = kept.read(at("r/a.bin"))
        assert (moved.sha256, moved.bytes) == (sha(body), len(body))
        if not moved.changed:
            assert body == source.read_bytes()
        left, touched = list(changes), []


@pytest.mark.parametrize("size", [10, 50])
def test_a_file_that_changes_once_is_read_again_and_three_times_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    source, plain, times = tmp_path / "a", FileReading.read, [1]

    def read(self: FileReading, most: int) -> bytes:
        block = plain(self, most)
        if self.bytes == self.size and times[0] > 0 and block:
            times[0] -= 1
            _write_in_place(source)
        return block

    source.write_bytes(b"x" * size)
    monkeypatch.setattr(FileReading, "read", read)
    made, fake = storage()
    (moved,) = Transfer(made, tmp_path / "record").upload(source, at("r"))
    assert not moved.changed
    assert fake.content("lab", "r/a") == source.read_bytes()
    assert len(fake.versions["lab", "r/a"]) == 1, "what was read of a file that changed is no version"
    times[0] = 99
    (moved,) = Transfer(made, tmp_path / "record").upload(source, at("r"))
    assert moved.changed
    assert 99 - times[0] == reading.READS
    assert moved.sha256 == sha(fake.content("lab", "r/a"))
    assert json.loads((tmp_path / "record").read_text().splitlines()[-1])["changed"] is True
    assert "changed while it was uploaded" in capsys.readouterr().err
    assert [one.changed for one in read_record(tmp_path / "record")] == [True]


def test_a_file_that_grows_for_ever_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, plain = tmp_path / "a", FileReading.read
    source.write_bytes(b"x" * 40)

    def read(self: FileReading, most: int) -> bytes:
        with source.open("ab") as file:
            file.write(b"y" * 20)
        return plain(self, most)

    monkeypatch.setattr(FileReading, "read", read)
    made, fake = storage()
    (moved,) = Transfer(made).upload(source, at("r"))
    assert moved.changed
    assert moved.sha256 == sha(fake.content("lab", "r/a"))


def test_what_was_just_written_is_left_alone_for_a_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(reading, "_TICK", 60)
    monkeypatch.setattr(time, "sleep", waited.append)
    (tmp_path / "new").write_bytes(b"x")
    (tmp_path / "old").write_bytes(b"x")
    os.utime(tmp_path / "old", (1, 1))
    for name in ("new", "old"):
        FileReading(tmp_path / name).__exit__()
    assert waited == [60]


def test_an_upload_goes_on_with_the_parts_that_are_the_same(tmp_path: Path) -> None:
    """Of a file that has grown meanwhile, what was sent counts; of one that begins otherwise, nothing."""
    source, (made, fake) = tmp_path / "a", storage()
    for text, sent in ((b"x" * 70, 5), (b"x" * 64 + b"other" + b"x" * 30, 3), (b"y" + b"x" * 98, 7)):
        source.write_bytes(text[:-1])
        fake.before = lambda name: (
            (_ for _ in ()).throw(error("SlowDown")) if name == "complete_multipart_upload" else None
        )
        if not list(tmp_path.glob(".a*")):
            with pytest.raises(StorageError, match="SlowDown"):
                made.upload(source, at("r"))
            assert len(list(tmp_path.glob(".a*"))) == 1
            fake.calls.clear()
            continue
        source.write_bytes(text)
        with pytest.raises(StorageError, match="SlowDown"):
            made.upload(source, at("r"))
        assert fake.calls.count("upload_part") == sent
        fake.calls.clear()
    fake.before = lambda name: None
    assert made.upload(source, at("r")) == Sent(99, sha(source.read_bytes()), "1")
    assert "upload_part" not in fake.calls
    assert fake.content("lab", "r") == source.read_bytes()
    assert list(tmp_path.iterdir()) == [source]


def test_a_part_that_fails_gives_its_memory_back(tmp_path: Path) -> None:
    source, (made, fake) = tmp_path / "a", storage()
    source.write_bytes(os.urandom(PART * 40))
    fake.before = lambda name: (_ for _ in ()).throw(error("SlowDown")) if name == "upload_part" else None
    for _ in range(3):
        with pytest.raises(StorageError, match="SlowDown"):
            made.upload(source, at("r"))
    fake.before = lambda name: None
    assert made.upload(source, at("r")).sha256 == sha(source.read_bytes())
    made._room.take((s3.WORKERS + 1) * PART)  # all of it is free


def test_memory_lets_in_what_is_larger_than_it() -> None:
    room, seen = BufferRoom(10), list[str]()
    room.take(99)

    def enter() -> None:
        room.take(1)
        seen.append("in")

    waiting = threading.Thread(target=enter)
    waiting.start()
    seen.append("out")
    room.give(99)
    waiting.join(10)
    assert seen == ["out", "in"]


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=260
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=4))
def test_files_of_any_name_go_there_and_come_back(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str]
) -> None:
    folder, (made, fake) = tmp_path_factory.mktemp("any"), storage()
    for number, path in enumerate(paths):
        try:
            (folder / "out" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "out" / path).write_bytes(str(number).encode() * 40)
        except OSError:  # a file has the name of a folder
            continue
    written = {
        str(path.relative_to(folder / "out")): path.read_bytes()
        for path in (folder / "out").rglob("*")
        if path.is_file()
    }
    Transfer(made, folder / "record").upload(folder / "out", at("lab/results"))
    assert {key.removeprefix("lab/results/") for _, key in fake.versions} == written.keys()
    Transfer(made, folder / "record").download_folder(at("lab/results"), folder / "back")
    assert {
        str(path.relative_to(folder / "back")): path.read_bytes()
        for path in (folder / "back").rglob("*")
        if path.is_file()
    } == written
    assert len(list(read_record(folder / "record"))) == 2 * len(written)


def test_one_bad_file_keeps_no_other_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, (made, fake) = tmp_path / "out", storage()
    out.mkdir()
    for name in ("a", "locked", "gone", "z", b"\xff.txt".decode(errors="surrogateescape")):
        (out / name).write_text(name, errors="surrogateescape")
    deep = out.joinpath(*["d" * 200] * 6)
    deep.mkdir(parents=True)
    (deep / "x").touch()
    plain = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        for name, number in (("locked", errno.EACCES), ("gone", errno.ENOENT)):
            if Path(path).name == name:
                raise OSError(number, os.strerror(number))
        return plain(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(StorageError) as caught:
        Transfer(made).upload(out, at("r"))
    assert sorted(key for _, key in fake.versions) == ["r/a", "r/z"]
    for said in (
        "4 of 6 files were not uploaded",
        "locked (Permission denied)",
        "gone (No such file",
        "\\udcff.txt (its key",
        "longer than 1024",
    ):
        assert said in str(caught.value)
    assert caught.value.permanent


def test_what_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "shut/b", "hidden", "open/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to("loop")
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    looks: dict[str, Callable[..., Any]] = {"iterdir": Path.iterdir, "stat": Path.stat}

    def asked(name: str, refused: str) -> Callable[..., Any]:
        def ask(self: Path, **more: Any) -> Any:
            if self.name == refused:
                raise denied
            return looks[name](self, **more)

        return ask

    monkeypatch.setattr(Path, "iterdir", asked("iterdir", "shut"))
    monkeypatch.setattr(Path, "stat", asked("stat", "hidden"))
    plain = os.open

    def opened(path: Any, *arguments: Any, **more: Any) -> int:
        if Path(path).name in ("shut", "hidden"):
            raise denied
        return plain(path, *arguments, **more)

    monkeypatch.setattr(os, "open", opened)
    made, fake = storage()
    with pytest.raises(
        StorageError,
        match=r"2 of 4 files were not uploaded: .*hidden \(Permission denied\); .*shut \(Permission denied\)",
    ):
        Transfer(made).upload(tmp_path, at("r"))
    assert sorted(key for _, key in fake.versions) == ["r/a", "r/open/c"]


def test_where_s3_is_away_not_every_file_waits_for_it(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number:03d}").touch()
    made, fake = storage()
    fake.before = lambda name: (_ for _ in ()).throw(error("SlowDown"))
    with pytest.raises(StorageError, match=r"[0-9]+ more were left, as S3 does not answer") as caught:
        Transfer(made).upload(tmp_path, at("r"))
    assert not caught.value.permanent
    assert len(fake.calls) < 200 * transfer.TRIES


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="no file any more"):
        FileReading(tmp_path / "a")


def test_a_line_of_the_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "two\nlines\x1b[2J").write_bytes(b"x" * 2000)
    Transfer(storage()[0]).upload(tmp_path, at("r"))
    (line,) = capsys.readouterr().out.splitlines()
    assert "two\\x0alines\\x1b[2J: 2.0 kB in " in line


def test_only_faults_that_pass_are_waited_for() -> None:
    stay = [
        OSError(number, "")
        for number in (
            errno.ENAMETOOLONG,
            errno.ENOSPC,
            errno.EACCES,
            errno.EISDIR,
            errno.ENOENT,
            errno.EROFS,
        )
    ]
    passing = [
        OSError(errno.EIO, ""),
        ConnectionResetError(),
        TimeoutError(),
        OSError("no number"),
        ValueError(),
    ]
    assert [lasting(one) for one in (*stay, *passing)] == [True] * len(stay) + [False] * len(passing)


def test_a_checkpoint_of_which_one_file_fails_is_not_complete(tmp_path: Path) -> None:
    made, fake = storage()
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("a", b"\xff".decode(errors="surrogateescape"), "z"):
        (folder / name).touch()
    assert "not uploaded" in str(Checkpoint(made, folder, at("c")).save())
    assert sorted(key for _, key in fake.versions) == ["c/1.json", "c/1/a", "c/1/z"]
    assert restore(made, at("c"), folder) is None


# What is pinned


def pinned(fake: FakeS3, *keys: str, folder: str | None = None) -> Pins:
    pins = {}
    for key in keys:
        body = fake.content("lab", key)
        pins[at(key)] = ObjectPin(etag(body).strip('"'), str(len(fake.versions["lab", key])), len(body))
    return Pins(pins, at(folder) if folder else None)


KEY = "lab/inputs/scan.txt"


@pytest.mark.parametrize("size", [5, 100])
@pytest.mark.parametrize("versions", [True, False])
@pytest.mark.parametrize("change", ["nothing", "another", "the same again", "gone"])
def test_the_data_of_a_job_is_that_of_its_submission(
    tmp_path: Path, size: int, versions: bool, change: str
) -> None:
    """`versions`: whether the machine may read them; without, the data must still be what it was."""
    made, fake = storage()
    first = os.urandom(size)
    fake.put("lab", KEY, first)
    pins = pinned(fake, KEY)
    if not versions:
        fake.denied = {"VersionId"}
    if change == "another":
        fake.put("lab", KEY, os.urandom(size))
    elif change == "the same again":
        fake.put("lab", KEY, first)
    elif change == "gone":
        del fake.versions["lab", KEY]
    mover = Transfer(made, tmp_path / "record", pins)
    if change == "nothing" or change == "the same again" or (change == "another" and versions):
        (moved,) = mover.download(at(KEY), tmp_path / "in")
        assert (tmp_path / "in" / "scan.txt").read_bytes() == first
        assert moved.sha256 == sha(first)
        assert moved.version_id == ("1" if versions or change == "nothing" else "2")
        return
    with pytest.raises(
        StorageError, match=f"^the data changed after it was submitted: {KEY}. Allowed: .*Submit"
    ) as caught:
        mover.download(at(KEY), tmp_path / "in")
    assert caught.value.permanent
    assert list((tmp_path / "in").iterdir()) == []
    assert outdated_input(tmp_path / "record") == f"the data changed after it was submitted: {KEY}"


def test_an_object_that_is_gone_is_told_where_s3_only_says_denied(tmp_path: Path) -> None:
    made, fake = storage()
    fake.put("lab", KEY, b"x")
    pins = pinned(fake, KEY)
    fake.denied = {"get_object"}
    with pytest.raises(StorageError, match="AccessDenied"):
        Transfer(made, None, pins).download(at(KEY), tmp_path)
    del fake.versions["lab", KEY]
    with pytest.raises(StorageError, match="the data changed after"):
        Transfer(made, None, pins).download(at(KEY), tmp_path)


def test_a_large_object_is_of_one_version_in_all_its_parts(tmp_path: Path) -> None:
    """It is replaced while its parts are fetched: with a pin the parts are of the first, without one all are
    of the second.
    """
    first, second = os.urandom(200), os.urandom(200)
    for with_pin in (True, False):
        made, fake = storage()
        fake.put("lab", KEY, first)
        pins = pinned(fake, KEY) if with_pin else Pins()
        left = [3]

        def replace(name: str, fake: FakeS3 = fake, left: list[int] = left) -> None:
            left[0] -= name == "get_object"
            if left[0] == 0 and len(fake.versions["lab", KEY]) == 1:
                fake.put("lab", KEY, second)

        fake.before = replace
        (moved,) = Transfer(made, None, pins).download(at(KEY), tmp_path)
        expected = first if with_pin else second
        assert (tmp_path / "scan.txt").read_bytes() == expected
        assert moved.sha256 == sha(expected)


def test_a_folder_is_what_was_pinned(tmp_path: Path) -> None:
    made, fake = storage()
    for name in ("a", "sub/b", "sub/deep/c"):
        fake.put("lab", f"lab/inputs/set/{name}", name.encode())
    fake.put("lab", "lab/inputs/other", b"other")
    keys = [key for _, key in fake.versions if "/set/" in key]
    mover = Transfer(made, None, pinned(fake, *keys, folder="lab/inputs/set/"))
    fake.put("lab", "lab/inputs/set/added", b"later")
    fake.put("lab", "lab/inputs/set/a", b"changed")
    for ask, into in (
        ("lab/inputs/set/", "one/set"),
        ("lab/inputs/set", "two/set"),
        ("lab/inputs/set/sub", "three/sub"),
    ):
        mover.download(at(ask), tmp_path / into.partition("/")[0])
        found = {
            str(path.relative_to(tmp_path / into)): path.read_text()
            for path in (tmp_path / into).rglob("*")
            if path.is_file()
        }
        assert found == (
            {"a": "a", "sub/b": "sub/b", "sub/deep/c": "sub/deep/c"}
            if into.endswith("set")
            else {"b": "sub/b", "deep/c": "sub/deep/c"}
        )
    with pytest.raises(StorageError, match="as they were when the job was submitted"):
        mover.download(at("lab/inputs/set/added"), tmp_path)
    mover.download(at("lab/inputs/other"), tmp_path)
    assert (tmp_path / "other").read_text() == "other", "what is no dataset is not pinned"
    mover.download_folder(at("lab/inputs"), tmp_path / "all")
    assert (tmp_path / "all/set/a").read_text() == "a", (
        "from above, too, an object of the dataset is that of then"
    )


def test_what_cannot_be_files_of_one_folder_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    made, fake = storage()
    for name in ("a", "a/b", "c//d", "é" * 128, "good"):
        fake.put("lab", f"lab/inputs/set/{name}", b"x")
    with pytest.raises(
        StorageError, match=r"there are objects below it.*; 'c//d'.*longer than 255 bytes.*Rename them"
    ) as caught:
        Transfer(made).download_folder(at("lab/inputs/set"), tmp_path / "in")
    assert caught.value.permanent
    assert "get_object" not in fake.calls


def test_the_list_of_pins(tmp_path: Path) -> None:
    file = tmp_path / "pins.json"
    entries = {
        "lab/inputs/set/a": {"etag": "e", "version_id": "v", "size": 3},
        "s3://outside/b": {"etag": "e-2", "version_id": None, "size": 0},
    }
    file.write_text(json.dumps(entries))
    environment = {"NEUROCAAS_PINS": str(file), "bucketname": "lab", "inputpath": "lab/inputs/set/"}
    pins = read_pins(environment)
    assert pins.objects == {
        at("lab/inputs/set/a"): ObjectPin("e", "v", 3),
        Location("outside", "b"): ObjectPin("e-2", None, 0),
    }
    assert pins.folder == at("lab/inputs/set/")
    assert read_pins({**environment, "inputpath": "lab/inputs/set/a"}).folder is None
    assert read_pins({**environment, "inputpath": "s3://outside/x/"}).folder == Location("outside", "x/")
    for text in ("", "{}"):
        file.write_text(text)
        assert read_pins(environment) == Pins()
    assert read_pins({}) == read_pins({"NEUROCAAS_PINS": str(tmp_path / "none")}) == Pins()


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"a": 1}', '{"a": {"etag": "x"}}', '{"a": {"etag": "x", "size": "big"}}', "\xff"]
)
def test_a_list_of_pins_that_cannot_be_read_lets_nothing_through(tmp_path: Path, text: str) -> None:
    (tmp_path / "pins").write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"cannot be read.*Allowed.*run the job again"):
        read_pins({"NEUROCAAS_PINS": str(tmp_path / "pins"), "bucketname": "lab"})
