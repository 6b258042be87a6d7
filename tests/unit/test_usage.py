"""What a machine has used over time and in all: how it is measured, kept small, sent, and shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas import Analysis
from neurocaas.cli import main
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.resources import EVERY, IDLE_AFTER, NAMES, POINTS, Course, Resources, columns
from neurocaas.protocol.status import DatasetStatus
from neurocaas.resources import curve
from runtime.instance.agent.usage import Usage, covered, note_time
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import MEMBER, put, service
from tests.unit.test_command_documents import schema_of

KB = 1024


class Proc:
    """A machine of two processors, by its /proc."""

    def __init__(self, root: Path) -> None:
        self.root, self.busy, self.total = root, 0, 0
        self.memory_kib, self.io_kib, self.network = 1_000_000, 0, 0
        (root / "proc/net").mkdir(parents=True)
        self.write()

    def write(self) -> None:
        proc = self.root / "proc"
        idle = self.total - self.busy
        proc.joinpath("stat").write_text(f"cpu  {self.busy} 0 0 {idle} 0 0 0 0\ncpu0 0\ncpu1 0\n")
        free = 8_000_000 - self.memory_kib
        proc.joinpath("meminfo").write_text(f"MemTotal: 8000000 kB\nMemAvailable: {free} kB\n")
        proc.joinpath("vmstat").write_text(f"pgpgin {self.io_kib}\npgpgout 0\n")
        card = f" eth0: {self.network} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        proc.joinpath("net/dev").write_text(f"Inter-| Receive\n    lo: 999999999 0 0 0 0 0 0 0 9 0 0\n{card}")

    def pass_time(self, seconds: float, cores: float, network: int = 0, io_kib: int = 0) -> None:
        self.total += round(200 * seconds)
        self.busy += round(100 * seconds * cores)
        self.network += network
        self.io_kib += io_kib
        self.write()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def usage(proc: Proc, gpu: str = "NONE") -> Usage:
    made = Usage(proc.root, lambda: gpu, proc.root)
    made.look(0.0)
    return made


def idle(one: Usage) -> str:
    return one.idle_since


def test_a_minute_is_a_point_and_a_short_use_of_memory_is_seen(proc: Proc) -> None:
    one = usage(proc, "50 %, 1024 MiB")
    proc.memory_kib = 7_000_000
    proc.write()
    assert not one.look(10.0)
    proc.memory_kib = 2_000_000
    proc.pass_time(60, 1.5, network=600_000, io_kib=600)
    assert one.look(60.0)
    found = one.resources("a", "i-1", 1)
    assert dict(found.points) == {
        "cpu": (1.5,),
        "memory": (7_000_000 * KB,),
        "gpu": (0.5,),
        "gpu_memory": (1024 * KB * KB,),
        "disk": found.points["disk"],
        "read_write": (600 * KB / 60,),
        "network": (10_000,),
    }
    used = one.used(proc.root / "files")
    assert (used.cpu, used.cpu_peak, used.cpus, used.memory) == (1.5, 1.5, 2, 7_000_000 * KB)


def test_without_proc_nothing_is_known_and_nothing_fails(tmp_path: Path) -> None:
    one = Usage(tmp_path / "none", lambda: "NONE", tmp_path)
    assert not one.look(0.0)
    assert one.look(60.0)
    assert one.used(tmp_path / "files").cpu is None
    assert not idle(one)


def test_a_machine_that_does_next_to_nothing_is_idle_after_a_quarter_of_an_hour(proc: Proc) -> None:
    one = usage(proc)
    for minute in range(1, 15):
        proc.pass_time(60, 0.05, network=60_000)
        one.look(60.0 * minute)
        assert not idle(one)
    proc.pass_time(60, 0.05)
    one.look(IDLE_AFTER)
    assert idle(one)
    proc.pass_time(60, 1.0)
    one.look(IDLE_AFTER + 60.0)
    assert not idle(one)


@pytest.mark.parametrize(
    "work", [{"cores": 0.2}, {"cores": 0, "network": 60 * 60_000}, {"cores": 0, "io_kib": 9000}]
)
def test_what_works_at_one_thing_is_not_idle(proc: Proc, work: Any) -> None:
    one = usage(proc)
    for minute in range(1, 40):
        proc.pass_time(60, **work)
        one.look(60.0 * minute)
    assert not idle(one)


def test_seconds_of_transfers_that_overlap_count_once(tmp_path: Path, proc: Proc) -> None:
    record = tmp_path / "files"
    for begin, end in ((0.0, 4.0), (2.0, 6.0), (10.0, 11.0)):
        note_time(record, "input", 100, begin, end)
    with record.with_name("times").open("a") as file:
        file.write('["input", NaN, 0, 1]\n["x"]\nnull\n["input", 1, 5, 2]\n')
    used = usage(proc).used(record)
    assert (used.fetched, used.fetched_seconds, used.sent) == (300, 7.0, None)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e3))))
def test_covered_is_between_the_longest_and_the_sum(some: list[tuple[float, float]]) -> None:
    spans = [(begin, begin + length) for begin, length in some]
    longest = max((end - begin for begin, end in spans), default=0.0)
    assert longest * 0.999 - 1e-3 <= covered(spans) <= sum(end - begin for begin, end in spans) + 1e-3


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=3000))
@settings(max_examples=examples(50))
def test_a_course_stays_small_and_keeps_its_peak_and_its_time(values: list[float]) -> None:
    course = Course()
    for value in values:
        course.add({"cpu": value, "memory": value})
    points = course.all()
    assert len(points) <= POINTS + 1
    assert max(one["memory"] or 0 for one in points) == max(values)
    assert (len(points) - 1) * course.every <= len(values) * EVERY <= len(points) * course.every
    assert max(one["cpu"] or 0 for one in points) <= max(values) * 1.001


numbers = st.one_of(st.none(), st.floats(), st.integers(-(10**40), 10**40), st.text(max_size=3))


@given(
    st.dictionaries(st.sampled_from([*NAMES, "x"]), st.one_of(numbers, st.lists(numbers, max_size=20))),
    numbers,
)
@settings(max_examples=examples(100))
def test_whatever_a_machine_says_it_is_shown_or_refused(points: dict[str, Any], other: Any) -> None:
    data = {
        "schema_version": 1,
        "begun": "2026-01-31T12:00:00Z",
        "points": points,
        "every": other,
        "cpus": other,
    }
    found = Resources.from_json(json.dumps(data))
    assert all(value is None or 0 <= value <= 1e18 for column in found.points.values() for value in column)
    assert len({len(column) for column in found.points.values()}) == 1
    assert 0 < found.every <= 1e7
    assert Resources.from_json(found.to_json()).count == found.count
    with pytest.raises(DocumentError):
        Resources.from_json(json.dumps({**data, "points": other}))
    for values in found.points.values():
        for ascii_only in (True, False):
            assert len(curve(values, found.cpus, ascii_only=ascii_only)) <= 40


def test_a_curve_is_what_it_should_be() -> None:
    assert curve([0, 1, 2, None], 2) == "▁▅█ "
    assert curve([0, 1, 2], 2, ascii_only=True) == ".+@"
    assert curve([math.pi] * 400, None) == "█" * 40


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        keys = JobKeys.of(GROUP, "t1")
        put(client, f"{GROUP}/submissions/t1_submit.json", "{}")
        put(client, keys.job, job_json("s", "a", "b", stamp="t1"))
        put(client, keys.records.certificate, "begun")
        put(client, keys.status("a"), DatasetStatus(status="IN PROGRESS").to_json())
        points = [{"cpu": 1.0, "memory": 5e9, "network": 1e6}, {"cpu": 2.0, "memory": 6e9}]
        course = Resources("other", "i-1", 1, "2026-01-31T12:00:00.000Z", 60.0, columns(points), 2.0, 8e9)
        put(client, f"{keys.logs_prefix}a_resources.json", course.to_json())
        put(client, f"{keys.logs_prefix}b_resources.json", "{}")
        yield client


def test_status_shows_what_was_used_and_a_program_gets_the_data(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "t1", "--resources"]) == 0
    shown = capsys.readouterr().out
    assert "mean 1.5 of 2 processors" in shown
    assert "at most 6.0 GB of 8.0 GB" in shown
    assert main(["status", "t1", "--resources", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, schema_of("status"))
    (course,) = printed["resources"]
    assert (course["dataset"], course["points"]["cpu"]) == ("a", [1.0, 2.0])


def test_a_notebook_gets_them_too(s3: Any) -> None:
    found = Analysis(BUCKET, GROUP).job("t1").resources()
    assert [one.dataset for one in found] == ["a"]
    assert found["a"].points["memory"] == (5e9, 6e9)
    assert "processors" in found._repr_html_()


def test_an_idle_machine_is_seen_in_the_status(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    since = "2026-01-31T12:00:00.000Z"
    put(s3, JobKeys.of(GROUP, "t1").status("a"), DatasetStatus("IN PROGRESS", idle_since=since).to_json())
    assert main(["status", "t1"]) == 0
    assert f"IDLE since {since}" in capsys.readouterr().out
