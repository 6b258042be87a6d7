"""What scripts have printed, from pieces and status files: each line once, in order, and nothing lost without
a word.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from neurocaas import Analysis, AnalysisError
from neurocaas.commands import jobs as job_commands
from neurocaas.commands.command import Ended
from neurocaas.logs import LogReader
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.log_gap import gap_line
from neurocaas.protocol.status import DatasetStatus
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import MEMBER, put, run, service

KEYS = JobKeys.of(GROUP, "t1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        put(client, KEYS.job, job_json("s", "a", "b", stamp="t1"))
        yield client


class Reading:
    """A reader of the job's dataset `a`, as `logs -f` uses it."""

    def __init__(self, *, live: bool = True) -> None:
        self.job = Analysis(BUCKET, GROUP).job("t1")
        self.reader = LogReader(self.job, ["a"], live=live)

    def new(self) -> list[str]:
        self.job.status()
        return [f"[{line.text}]" if line.note else line.text for line in self.reader.lines()]


def piece(s3: Any, number: int, text: str) -> None:
    put(s3, f"{KEYS.logs_prefix}a/stdout.{number:05d}", text)


def tail(s3: Any, first: int, *lines: str, state: str = "IN PROGRESS", instance: str = "i-1") -> None:
    stdout = {str(first + number): line for number, line in enumerate(lines)}
    put(s3, KEYS.status("a"), DatasetStatus(status=state, stdout=stdout, instance=instance).to_json())


def test_logs_are_the_pieces_and_then_the_newest_lines(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    piece(s3, 0, "zero\none\n 1%\r 99%\rtwo\nthr")
    tail(s3, 2, "two", "three", "four")
    put(s3, KEYS.status("b"), DatasetStatus(status="IN PROGRESS", stderr={"0": "oh"}).to_json())
    run(job_commands.logs, "t1", [])
    captured = capsys.readouterr()
    assert captured.out == "a: zero\na: one\na: two\na: three\na: four\n"
    assert captured.err == "b: oh\n"
    run(job_commands.logs, "t1", ["b"], stderr=True)
    assert capsys.readouterr().out == "oh\n"
    with pytest.raises(AnalysisError, match="no dataset z"):
        run(job_commands.logs, "t1", ["z"])


def test_each_line_is_given_once_however_it_comes(s3: Any) -> None:
    reading = Reading()
    tail(s3, 0, "0", "1")
    assert reading.new() == ["0", "1"]
    assert reading.new() == []
    piece(s3, 0, "0\n1\n2\n3")
    tail(s3, 1, "1", "2", "3", "4")
    assert reading.new() == ["2", "3", "4"]


def test_a_script_that_is_ahead_of_its_pieces(s3: Any) -> None:
    live, whole = Reading(live=True), Reading(live=False)
    tail(s3, 0, "0")
    assert live.new() == whole.new() == ["0"]
    tail(s3, 5, "5", "6")
    assert live.new() == [
        "[4 lines are not in the bucket yet; `neurocaas logs t1` shows them a minute later]",
        "5",
        "6",
    ]
    assert whole.new() == [], "waits for the piece"
    piece(s3, 0, "0\n1\n2\n3\n4\n5\n6\n7\n")
    tail(s3, 8, "8")
    assert live.new() == ["7", "8"]
    assert whole.new() == ["1", "2", "3", "4", "5", "6", "7", "8"]
    tail(s3, 20, "20", state="FAILED")
    assert whole.new() == [
        "[11 lines are not in the bucket yet; `neurocaas logs t1` shows them a minute later]",
        "20",
    ], "no piece comes any more"


def test_another_machine_of_a_dataset_begins_again(s3: Any) -> None:
    reading = Reading()
    piece(s3, 0, "0\n1\n2\n")
    tail(s3, 2, "2")
    assert reading.new() == ["0", "1", "2"]
    tail(s3, 0, "again", instance="i-2")
    note = "[machine 2 begins again: the one before was taken back]"
    assert reading.new() == [note, "again"]
    piece(s3, 10_000, "again\nand on\n")
    tail(s3, 1, "and on", "end", instance="i-2")
    assert reading.new() == ["and on", "end"]
    assert Reading().new() == ["0", "1", "2", note, "again", "and on", "end"]


def test_a_job_that_has_not_begun_says_so(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(s3, f"{GROUP}/submissions/t2_submit.json", "{}")
    with pytest.raises(Ended) as caught:
        run(job_commands.logs, "t2", [])
    assert caught.value.code == 0
    assert "waits for the manager" in capsys.readouterr().err
    put(s3, JobKeys.of(GROUP, "t2").records.certificate, "…")
    put(s3, JobKeys.of(GROUP, "t2").records.end, "FAILED 0/0 no data")
    with pytest.raises(Ended) as caught:
        run(job_commands.logs, "t2", [], follow=True)
    assert caught.value.code == 1
    assert "was refused" in capsys.readouterr().err


def test_a_log_that_was_too_large_says_where_lines_are_missing(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    piece(s3, 0, "0\n1\n")
    piece(s3, 1, gap_line(1000, 96, 40).decode())
    piece(s3, 2, "98\n99\n")
    tail(s3, 50, *map(str, range(50, 100)), "100", state="SUCCESS")
    run(job_commands.logs, "t1", ["a"])
    captured = capsys.readouterr()
    assert captured.out == "0\n1\n98\n99\n100\n"
    assert (
        captured.err
        == "[NeuroCAAS: 1000 bytes in 96 lines are left out here: 40 bytes of an output are kept]\n"
    )


def test_who_has_followed_a_log_sees_each_line_once_beside_its_gap(s3: Any) -> None:
    reading = Reading()
    tail(s3, 0, "0", "1", "2")
    assert reading.new() == ["0", "1", "2"]
    tail(s3, 97, "97", "98")
    assert reading.new()[-2:] == ["97", "98"]
    piece(s3, 0, "0\n1\n")
    piece(s3, 1, gap_line(1000, 96, 40).decode())
    piece(s3, 2, "98\n99\n100\n")
    tail(s3, 101, "101", state="SUCCESS")
    assert reading.new()[-3:] == ["99", "100", "101"]
