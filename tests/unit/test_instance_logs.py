"""A log that is larger than anybody reads: its beginning, its end, and one line that says what is between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.log_gap import gap_line, lines_left_out
from runtime.instance.agent import log_pieces, logs
from runtime.instance.agent.context import Context
from runtime.instance.agent.log_pieces import LogPieces
from runtime.instance.agent.logs import ScriptLog
from runtime.instance.agent.reporter import Reporter
from tests.unit.test_instance_agent import ENVIRONMENT, Memory, at


class Sent:
    """A log, what was sent of it, and the agents that send it, one after another."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.path, self.keep, self.storage = folder / "out", keep, Memory()
        self.path.touch()
        self.state = folder / "sent"
        self.begin()

    def begin(self) -> None:
        self.log, self.reporter = ScriptLog(self.path), Reporter(self.storage, wait=0.01)
        self.pieces = LogPieces(self.reporter, {"stdout": self.log}, at("logs"), self.state, keep=self.keep)

    def prints(self, text: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text)

    def send(self, *, everything: bool = False) -> bytes:
        self.log.poll()
        self.pieces.send(everything=everything)
        assert self.reporter.close(5)
        return self.whole

    @property
    def whole(self) -> bytes:
        return b"".join(body for _, body in sorted(self.storage.objects.items(), key=lambda one: one[0].key))


LINES = st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b" ") + b"\n"), max_size=60)


@settings(max_examples=examples(80), deadline=None)
@given(LINES, st.integers(20, 2000), st.integers(0, 60), st.booleans())
def test_what_is_kept_is_a_beginning_and_an_end_and_the_line_between_counts_the_rest(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], keep: int, looked: int, dies: bool
) -> None:
    sent = Sent(tmp_path_factory.mktemp("log"), keep)
    sent.prints(b"".join(lines[:looked]))
    sent.send()
    if dies:
        sent.begin()
    sent.prints(b"".join(lines[looked:]))
    found = sent.send(everything=True).splitlines(keepends=True)
    gaps = [number for number, line in enumerate(found) if lines_left_out(line.rstrip(b"\n")) is not None]
    if sum(map(len, lines)) <= keep:
        assert found == b"".join(lines).splitlines(keepends=True)
        return
    assert len(gaps) == 1
    head, tail = b"".join(found[: gaps[0]]), b"".join(found[gaps[0] + 1 :])
    every = b"".join(lines)
    if len(head) > keep // 2:  # it ends in a line that is longer: the gap has a line of its own
        head = head.removesuffix(b"\n")
    assert every.startswith(head)
    assert every.endswith(tail)
    assert len(head) <= keep // 2
    assert len(tail) <= keep - keep // 2
    if head[-1:] in (b"\n", b"") and (not tail or every[: len(every) - len(tail)].endswith(b"\n")):
        left = every[len(head) : len(every) - len(tail)].count(b"\n")
        assert lines_left_out(found[gaps[0]].rstrip(b"\n")) == left


def test_the_end_grows_after_the_gap(tmp_path: Path) -> None:
    sent = Sent(tmp_path, 40)
    sent.prints(b"".join(b"line %d\n" % number for number in range(100)))
    first = sent.send(everything=True)
    assert first == b"line 0\nline 1\n" + gap_line(760, 96, 40) + b"line 98\nline 99\n"
    sent.prints(b"NeuroCAAS: ended.\n")
    assert sent.send(everything=True) == first + b"NeuroCAAS: ended.\n"


def test_the_disk_does_not_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_SLACK", 1 << 20)
    sent = Sent(tmp_path, 2 << 20)
    block = b"y\n" * (1 << 19)
    for _ in range(24):
        sent.prints(block)
        sent.send()
    assert sent.log.size == 24 << 20
    found = sent.send(everything=True)
    assert len(found) < (2 << 20) + 200
    assert lines_left_out(found[1 << 20 :].partition(b"\n")[0]) == 22 << 19
    blocks = os.stat(sent.path).st_blocks * 512
    if blocks < 24 << 20:  # a file system that can make room
        assert blocks <= 6 << 20
    assert sent.path.stat().st_size == 24 << 20


def test_a_script_that_prints_faster_than_anybody_reads_is_told_of_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_AT_ONCE", 1 << 20)
    sent = Sent(tmp_path, 1 << 20)
    sent.prints(b"hello world\n" * 10)
    sent.send()
    sent.prints(b"hello world\n" * 1_000_000)
    found = sent.send(everything=True)
    (line,) = [one for one in found.split(b"\n") if lines_left_out(one) is not None]
    assert b"about" in line
    assert lines_left_out(line) == pytest.approx(1_000_010 - (1 << 20) / 12, rel=0.01)
    assert list(sent.log.tail().values())[-1] == "hello world"
    assert not sent.log.counted


def test_a_month_of_minutes_has_numbers_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("runtime.instance.agent.log_pieces.time.monotonic", lambda: now[0])
    sent = Sent(tmp_path, 1 << 30)
    numbers = []
    monkeypatch.setattr(sent.pieces, "_put", lambda name, number, body, end: numbers.append(number))
    for _ in range(30 * 24 * 60):
        now[0] += 60.0
        sent.log.size += 10
        sent.pieces.send()
    assert numbers[-1] < log_pieces.ATTEMPT_STEP - 200
    assert numbers[59] == 59  # the first hours: one each minute


def test_a_job_says_how_much_is_kept(tmp_path: Path) -> None:
    job = {"datasets": [{"name": "d", "status_key": "s"}], "duration_minutes": 5, "runs": {"log_mib": 4}}
    (tmp_path / "job.json").write_text(json.dumps(job))
    more = {"NEUROCAAS_JOB_FILE": str(tmp_path / "job.json"), "NEUROCAAS_DATASET_INDEX": "0"}
    context = Context.from_environment({**ENVIRONMENT, **more})
    assert (context.log_bytes, context.duration) == (4 << 20, 300)
    assert Context.from_environment(ENVIRONMENT).log_bytes == 128 << 20


@pytest.mark.parametrize("line", [b"", b"[NeuroCAAS: x]", b"NeuroCAAS: 1 bytes in 1 lines are left out here"])
def test_no_other_line_is_taken_for_a_gap(line: bytes) -> None:
    assert lines_left_out(line) is None


def test_a_gap_says_its_numbers() -> None:
    line = gap_line(5600000000, 2800000000, 128 << 20, exact=False)
    assert line.startswith(
        b"[NeuroCAAS: 5600000000 bytes in about 2800000000 lines are left out here: 128 MiB"
    )
    assert lines_left_out(line.rstrip(b"\n")) == 2800000000
    assert lines_left_out(gap_line(10, 1, 100).rstrip(b"\n")) == 1
