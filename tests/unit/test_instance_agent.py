"""The parts of the agent one by one: following logs, sending reports, storage in a folder, measuring."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.status import LINE_CHARS, LINES
from runtime.instance.agent import logs, measure, reporter
from runtime.instance.agent.context import Context
from runtime.instance.agent.ending import Ending
from runtime.instance.agent.opening import open_storage
from runtime.instance.agent.reporter import Piece, Reporter
from runtime.instance.agent.stop import StopWatch
from runtime.instance.agent.storage import (
    FolderStorage,
    Location,
    ObjectPin,
    Seen,
    Sent,
    Storage,
    StorageError,
)
from runtime.instance.agent.transfer import Transfer, read_record
from runtime.instance.agent.watch import ScriptWatch

ENVIRONMENT = {
    "bucketname": "mock",
    "groupdir": "lab",
    "resultdir": "results/job_1",
    "inputpath": "lab/inputs/d.zip",
    "configpath": "lab/configs/c.json",
    "configname": "c.json",
    "dataname": "d.zip",
}


class Memory:
    """A storage that can be made to fail. `fail` is asked before each write."""

    def __init__(self) -> None:
        self.objects: dict[Location, bytes] = {}
        self.order: list[str] = []
        self.failing: dict[str, StorageError] = {}
        self.gate = threading.Event()
        self.gate.set()

    def write(self, place: Location, body: bytes) -> None:
        self.gate.wait(10)
        if error := self.failing.get(place.key):
            raise error
        self.objects[place] = body
        self.order.append(place.key)

    def read(self, place: Location) -> bytes:
        raise StorageError("none", missing=True)

    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]:
        return iter(())

    def download(
        self,
        source: Location,
        target: Path,
        seen: object,
        size: int | None = None,
        pin: ObjectPin | None = None,
    ) -> None:
        raise NotImplementedError

    def upload(self, source: Path, target: Location) -> Sent:
        raise NotImplementedError


def at(key: str) -> Location:
    return Location("b", key)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=12))
def test_a_log_read_in_pieces_is_the_log_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.touch()
    slow = logs.ScriptLog(path)
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        slow.poll()
    fast = logs.ScriptLog(path)
    fast.poll()
    assert (slow.tail(), slow.size) == (fast.tail(), fast.size)
    whole = b"".join(pieces)
    lines = whole.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    numbers = [int(number) for number in slow.tail()]
    assert numbers == list(range(max(0, len(lines) - LINES), len(lines)))


def test_a_log_keeps_to_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000 + b"\n" + b"".join(b"%d\n" % number for number in range(1, 1001)))
    log = logs.ScriptLog(path)
    log.poll()
    assert list(log.tail().items())[-1] == ("1000", "1000")
    assert len(log.tail()) == LINES
    path.write_bytes(b"y" * 3_000_000)
    endless = logs.ScriptLog(path)
    endless.poll()
    assert endless.tail() == {"0": "y" * LINE_CHARS}


def test_a_progress_bar_is_its_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"begin\r\n 10%\r 50%\r100%\r\nend \xff")
    log = logs.ScriptLog(path)
    log.poll()
    assert log.tail() == {"0": "begin", "1": "100%", "2": "end �"}


def test_a_missing_log_is_empty(tmp_path: Path) -> None:
    log = logs.ScriptLog(tmp_path / "nothing")
    assert not log.poll()
    assert log.tail() == {}


def test_progress_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = logs.ScriptLog(path)
    expected = [
        (b"::progress 0.4", None),
        (b"2 fit\n", (0.42, "fit")),
        (b"::progress 7 no\n::progress -1\n::progress nan\n", (0.42, "fit")),
        (b"text ::progress 0.9 no\n", (0.42, "fit")),
        (b"::progress 1\r\n", (1.0, "")),
    ]
    for text, progress in expected:
        with path.open("ab") as file:
            file.write(text)
        log.poll()
        assert log.progress == progress


def test_of_several_reports_for_one_place_the_last_is_sent(tmp_path: Path) -> None:
    storage = Memory()
    storage.gate.clear()
    sender = Reporter(storage)
    for number in range(50):
        sender.put(at("status"), b"%d" % number)
    sender.put(at("log"), b"log")
    sender.put(at("status"), b"last")
    storage.gate.set()
    assert sender.close(5)
    assert storage.objects == {at("status"): b"last", at("log"): b"log"}
    assert storage.order[-1] == "status"
    assert len(storage.order) <= 3


def test_a_report_is_sent_again_until_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    storage = Memory()
    storage.failing["status"] = StorageError("503")
    sender = Reporter(storage, wait=0.01)
    told: list[int] = []
    sender.put(at("status"), b"x", lambda: told.append(1))
    time.sleep(0.1)
    assert told == []
    storage.failing.clear()
    assert sender.close(10)
    assert storage.objects[at("status")] == b"x"
    assert told == [1]
    assert capsys.readouterr().err.count("could not be sent") == 1  # not once a try


def test_one_report_that_is_refused_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "HOPELESS", 0.5)
    storage = Memory()
    storage.failing["log"] = StorageError("denied", permanent=True)
    sender = Reporter(storage, wait=0.01)
    sender.put(at("log"), b"x")
    sender.put(at("status"), b"y")
    assert not sender.close(60)
    assert storage.objects == {at("status"): b"y"}


def test_a_log_that_is_gone_does_not_stop_reports(tmp_path: Path) -> None:
    storage = Memory()
    sender = Reporter(storage, wait=0.01)
    sender.put(at("log"), Piece(tmp_path / "gone", 0, 5))
    sender.put(at("status"), b"y")
    assert sender.close(5)
    assert storage.objects == {at("status"): b"y"}


@pytest.mark.parametrize("key", ["../other/x", "a/../../other/x", "/../../x"])
def test_a_key_stays_in_its_bucket(tmp_path: Path, key: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("secret")
    storage = FolderStorage(tmp_path)
    with pytest.raises(StorageError):
        storage.read(Location("mock", key))
    with pytest.raises(StorageError, match="outside its bucket"):
        storage.write(Location("..", "x"), b"")


def test_a_folder_download_stays_in_its_folder(tmp_path: Path) -> None:
    class Hostile(Memory):
        def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]:
            yield Location(prefix.bucket, prefix.key + "../../evil"), 1

    with pytest.raises(StorageError, match="outside"):
        Transfer(Hostile()).download_folder(at("lab/inputs/x"), tmp_path / "in")


def test_a_folder_is_found_where_s3_denies_instead_of_missing(tmp_path: Path) -> None:
    class Denying(FolderStorage):
        def download(
            self,
            source: Location,
            target: Path,
            seen: Seen,
            size: int | None = None,
            pin: ObjectPin | None = None,
        ) -> None:
            if not self.path(source).is_file():
                raise StorageError("AccessDenied", permanent=True)
            super().download(source, target, seen, size)

    storage = Denying(tmp_path / "buckets")
    storage.write(at("lab/inputs/set/a.txt"), b"A")
    Transfer(storage).download(at("lab/inputs/set"), tmp_path / "in")
    assert (tmp_path / "in" / "set" / "a.txt").read_text() == "A"
    with pytest.raises(StorageError, match="AccessDenied"):
        Transfer(storage).download(at("lab/inputs/nothing"), tmp_path / "in")


def test_the_folder_may_be_an_address(tmp_path: Path) -> None:
    storage: Storage = open_storage({"NEUROCAAS_LOCAL_BUCKET_ROOT": f"file://{tmp_path}/with%20space"})
    assert isinstance(storage, FolderStorage)
    assert storage.root == tmp_path / "with space"


def test_the_record_has_each_object_once(tmp_path: Path) -> None:
    storage, record = FolderStorage(tmp_path / "buckets"), tmp_path / "record"
    source = tmp_path / "a.txt"
    for text in ("one", "two2"):
        source.write_text(text)
        Transfer(storage, record).upload(source, at("r"))
    (moved,) = read_record(record)
    assert (moved.kind, moved.key, moved.bytes) == ("result", "r/a.txt", 4)


def test_the_context_of_a_call_by_hand() -> None:
    context = Context.from_environment(ENVIRONMENT)
    assert context.status_key == "lab/results/job_1/logs/DATASET_NAME:d.zip_STATUS.txt"
    assert (context.duration, context.instance, context.attempt) == (None, "NONE", 1)


@pytest.mark.parametrize("text", ["", "[]", '{"datasets": []}', '{"datasets": [{}]}'])
def test_a_job_file_that_is_broken_counts_as_none(tmp_path: Path, text: str) -> None:
    job = tmp_path / "job.json"
    job.write_text(text)
    made = Context.from_environment(
        {**ENVIRONMENT, "NEUROCAAS_JOB_FILE": str(job), "NEUROCAAS_DATASET_INDEX": "0"}
    )
    assert made == Context.from_environment(ENVIRONMENT)


def test_processor_usage(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu 100 0 100 800 0 0 0 0 0 0\n")
    processor = measure.Processor(stat)
    stat.write_text("cpu 150 0 125 825 0 0 0 0 0 0\n")
    assert processor.usage() == "75 %"
    assert processor.usage() == "NONE"
    stat.unlink()
    assert processor.usage() == "NONE"


def test_memory_usage(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000000 kB\nMemFree: 1 kB\nMemAvailable: 1500000 kB\n")
    assert measure.memory(meminfo) == "512 MB"
    meminfo.write_text("nothing")
    assert measure.memory(meminfo) == "NONE"


@pytest.fixture
def watch(tmp_path: Path) -> ScriptWatch:
    for name in ("joboutput.txt", "joberror.txt"):
        (tmp_path / name).touch()
    return ScriptWatch(
        Context.from_environment(ENVIRONMENT),
        tmp_path,
        tmp_path,
        FolderStorage(tmp_path / "buckets"),
        grace=0.2,
    )


def final(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "buckets/mock/lab/results/job_1/logs/DATASET_NAME:d.zip_STATUS.txt"
    return dict(json.loads(path.read_text()))


def test_finish_without_an_exit_code_is_a_failure(watch: ScriptWatch, tmp_path: Path) -> None:
    assert watch.finish() == 0
    assert (final(tmp_path)["status"], final(tmp_path)["exit_code"]) == ("FAILED", None)


def test_finish_reads_the_exit_code_that_was_left(watch: ScriptWatch, tmp_path: Path) -> None:
    (tmp_path / "exit").write_text("0\n")
    assert watch.finish() == 0
    assert final(tmp_path)["status"] == "SUCCESS"


def test_data_that_changed_after_the_submission_is_no_success_whatever_the_script_says(
    watch: ScriptWatch, tmp_path: Path
) -> None:
    (tmp_path / "exit").write_text("0\n")
    (tmp_path / "outdated").write_text("the data changed after it was submitted: lab/inputs/d.zip")
    assert watch.finish() == 0
    assert (final(tmp_path)["status"], final(tmp_path)["reason"]) == (
        "FAILED",
        "the data changed after it was submitted: lab/inputs/d.zip",
    )


def test_a_second_agent_goes_on_where_the_first_stopped(watch: ScriptWatch, tmp_path: Path) -> None:
    (tmp_path / "joboutput.txt").write_text("one\ntwo\n")
    (tmp_path / "sent").write_text('{"stdout": [3, 4]}')
    config = tmp_path / "buckets/mock/lab/configs/c.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("{}")
    second = ScriptWatch(watch.context, tmp_path, tmp_path, watch.storage)
    (tmp_path / "exit").write_text("0")
    assert second.finish() == 0
    logs_of = tmp_path / "buckets/mock/lab/results/job_1/logs/d.zip"
    assert [(path.name, path.read_text()) for path in logs_of.iterdir()] == [("stdout.00003", "two\n")]


def test_the_record_of_commands_is_emptied_when_it_grows(watch: ScriptWatch, tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    commands.write_bytes(b"x\0" * 600_000 + b"the last\0")
    (tmp_path / "exit").write_text("1")
    watch.finish()
    assert final(tmp_path)["last_command"] == "the last"
    assert final(tmp_path)["reason"] == "exit code 1, its last command: the last"
    assert commands.stat().st_size == 0


def test_an_order_to_stop_is_seen_when_it_comes(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    watch = StopWatch(storage, at("logs/stop.json"), every=0.01)
    for text in (
        "no order",
        '{"schema_version": 1, "outcome": "quota", "reason": "no money", "time": "now"}',
    ):
        assert watch.order is None
        storage.write(at("logs/stop.json"), text.encode())
        time.sleep(0.1)
    end = time.monotonic() + 10
    while watch.order is None and time.monotonic() < end:
        time.sleep(0.01)
    assert watch.order is not None
    assert watch.order.text == "quota: no money"


def test_a_script_that_ignores_term_is_killed_after_the_grace() -> None:
    ready = "trap '' TERM; echo; while :; do sleep 0.05; done"
    with subprocess.Popen(["bash", "-c", ready], start_new_session=True, stdout=subprocess.PIPE) as script:
        assert script.stdout
        script.stdout.readline()
        ending = Ending(30)
        ending.group = script.pid
        assert not ending.begun
        ending.begin("first", 100.0)
        ending.begin("second", 101.0)
        assert ending.because == "first"
        ending.tick(129.9)
        time.sleep(0.1)
        assert script.poll() is None
        ending.tick(130.0)
        assert script.wait(10) == -signal.SIGKILL
    end = time.monotonic() + 10
    while ending.kill(signal.SIGKILL) and time.monotonic() < end:  # its children are gone a moment later
        time.sleep(0.01)
    assert not ending.kill(signal.SIGKILL)
