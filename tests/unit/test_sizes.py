"""What is learned of sizes: kept by the monitor in one small file for each group, read by forecast, advice
and warnings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas import Analysis
from neurocaas.advice import advise
from neurocaas.cli import main
from neurocaas.learned import SURE, warnings
from neurocaas.protocol.need import Need
from neurocaas.protocol.resources import Used
from neurocaas.protocol.sizes import (
    CLASS_ROWS,
    DISK,
    MEMORY,
    OUTCOMES,
    ROWS,
    SIZES_MAX_BYTES,
    TIME,
    SizeRow,
    read_sizes,
    sizes_key,
    sizes_text,
    with_rows,
)
from neurocaas.protocol.status import SUCCESS, DatasetStatus
from tests.unit.client_jobs import GROUP
from tests.unit.client_world import ABOUT, MEMBER, put, service
from tests.unit.job_world import BUCKET, World
from tests.unit.test_command_documents import schema_of

GIB = 1 << 30
MACHINES = {"m5.large": Need(2, 8, 0), "m5.xlarge": Need(4, 16, 0)}


def row(number: int, size: float | None = GIB, outcome: str = SUCCESS, **more: Any) -> SizeRow:
    facts = {"type": "m5.xlarge", "image": "ami-1", "seconds": 300.0, "minutes": 60.0, "volume_gib": 16.0}
    return SizeRow(
        job=f"t{number}",
        dataset=0,
        attempt=1,
        ended=f"2026-01-{1 + number % 28:02}T00:00:00.000Z",
        outcome=outcome,
        size=size,
        **{**facts, **more},
    )


numbers = st.one_of(
    st.none(), st.floats(), st.integers(-(10**30), 10**30), st.text(max_size=3), st.booleans()
)
junk = st.recursive(numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner))


@given(st.dictionaries(st.sampled_from(["schema_version", "rows"]), junk), st.lists(junk, max_size=5))
@settings(max_examples=examples(200))
def test_whatever_the_file_says_it_is_read_as_rows_that_can_be(data: dict[str, Any], rows: list[Any]) -> None:
    for value in (data, {"schema_version": 1, "rows": rows}):
        text = json.dumps(value)
        for one in read_sizes(text):
            assert one.outcome in OUTCOMES
            assert 0 <= one.seconds <= 1e18
        assert read_sizes(text[:-1]) == []
    assert read_sizes(b"x" * (SIZES_MAX_BYTES + 1)) == []


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2**50), st.sampled_from(OUTCOMES)), max_size=300)
)
@settings(max_examples=examples(50))
def test_rows_are_bounded_by_class_and_in_all_and_the_newest_stay(
    some: list[tuple[int, int, str]],
) -> None:
    rows = [row(number, size, outcome) for number, size, outcome in some]
    kept = with_rows(rows[: len(rows) // 2], rows[len(rows) // 2 :])
    assert len(kept) <= ROWS
    assert with_rows(kept, rows[len(rows) // 2 :]) == kept
    assert read_sizes(sizes_text(kept)) == kept
    for size_class in {one.size_class for one in kept}:
        assert sum(one.size_class == size_class for one in kept) <= CLASS_ROWS
    if rows:
        assert max(rows, key=lambda one: one.ended).ended == kept[-1].ended


def test_one_size_does_not_drive_out_another() -> None:
    rows = [row(1, 64 * GIB), *(row(number, GIB) for number in range(2, 500))]
    kept = with_rows([], rows)
    assert len(kept) == CLASS_ROWS + 1
    assert any(one.size == 64 * GIB for one in kept)


@pytest.fixture
def world() -> World:
    return World()


def learned(world: World, group: str = "lab") -> list[SizeRow]:
    there = world.aws.objects_.get((BUCKET, sizes_key(group)))
    return read_sizes(there[0]) if there else []


def test_a_job_that_has_ended_adds_its_machines(world: World) -> None:
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    first, second = world.aws.ec2
    used = Used(memory=5e9, memory_total=8e9, disk=9e9, cpu=1.5, cpu_peak=1.9, fetched=1e6)
    world.complete(first, used=used)
    world.complete(second, "FAILED", reason="killed", exit_code=137, out_of_memory=True)
    good, bad = learned(world)
    assert (good.outcome, good.type, good.seconds, good.memory, good.cpu_peak) == (
        SUCCESS,
        "m5.large",
        1800.0,
        5e9,
        1.9,
    )
    assert good.size == world.job().datasets[0].size
    assert (bad.outcome, bad.memory) == (MEMORY, None)
    assert learned(world, "other") == []


@pytest.mark.parametrize(
    "used",
    [
        "NaN",
        {"memory": "NaN", "disk": -1, "cpu": 1e300, "cpus": True},
        {"memory": float("inf"), "seconds": [1], "fetched": {"a": 1}},
        [1, 2],
        {"x": "y" * 100_000},
    ],
)
def test_odd_evidence_is_not_known_and_the_job_ends(world: World, used: Any) -> None:
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.clock.forward(60)
    said = json.dumps({"status": "SUCCESS", "used": used}).replace('"NaN"', "NaN")
    world.aws.upload(BUCKET, world.evidence(machine).status, said)
    world.die(machine)
    assert world.end() == "SUCCESS 1/1\n"
    (one,) = learned(world)
    assert (one.seconds, one.memory, one.disk, one.cpu, one.fetched) == (60.0, None, None, None, None)


def test_a_file_that_cannot_be_read_is_begun_anew_and_keeps_no_job_open(world: World) -> None:
    world.aws.upload(BUCKET, sizes_key("lab"), b"\xff not json")
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.complete(machine, exit_code=0)
    assert world.end() == "SUCCESS 1/1\n"
    assert len(learned(world)) == 1


def test_what_failed_by_its_script_says_nothing_of_sizes(world: World) -> None:
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.complete(machine, "FAILED", exit_code=3)
    assert world.end() is not None
    assert learned(world) == []


def warned(rows: list[SizeRow], size: int = GIB, kind: str = "m5.large", **more: Any) -> tuple[str, ...]:
    facts = {"minutes": 60, "volume_gib": 16, "machines": MACHINES, **more}
    return warnings(rows, size, kind, **facts)


def test_a_submission_that_is_sure_to_run_out_is_warned() -> None:
    short = [row(n, GIB, MEMORY, type="m5.large") for n in range(SURE)]
    (said,) = warned([*short, row(9, GIB, memory=12 * GIB)])
    assert "sure to run out of memory" in said
    assert "m5.xlarge (16 GiB) was enough" in said
    (said,) = warned(short, larger=["m5.xlarge"])
    assert "run again on m5.xlarge" in said
    (said,) = warned([row(n, GIB, TIME, type="m5.large") for n in range(SURE)])
    assert "sure to run out of time" in said
    (said,) = warned([row(n, GIB, DISK) for n in range(SURE)])
    assert "sure to run out of disk" in said


def test_what_is_not_sure_is_not_said() -> None:
    short = [row(n, GIB, MEMORY, type="m5.large") for n in range(SURE)]
    assert warned(short[1:]) == ()
    assert warned([*short, row(9, 2 * GIB, type="m5.large", memory=7 * GIB)]) == ()
    assert warned(short, size=GIB // 2) == ()
    assert warned(short, kind="m5.xlarge") == ()
    assert warnings(short, None, "m5.large", 60, 16, MACHINES) == ()


@given(st.lists(st.builds(
    row,
    st.integers(0, 99),
    st.one_of(st.none(), st.floats(0, 1e18)),
    st.sampled_from(OUTCOMES),
    type=st.sampled_from(["m5.large", "m5.xlarge", "x9.odd"]),
    seconds=st.floats(0, 1e18),
    memory=st.one_of(st.none(), st.floats(0, 1e18)),
    disk=st.one_of(st.none(), st.floats(0, 1e18)),
    cpu_peak=st.one_of(st.none(), st.floats(0, 1e18)),
    gpu=st.one_of(st.none(), st.floats(0, 1e18)),
)))  # fmt: skip
@settings(max_examples=examples(100))
def test_advice_and_warnings_take_whatever_rows_there_are(rows: list[SizeRow]) -> None:
    about = replace(ABOUT, machines=MACHINES)
    found = advise(rows, about, "dti", "lab")
    assert found.lines()
    assert found.proposed_type in ("", "m5.xlarge")
    assert all(isinstance(one, str) for one in warned(rows))


def test_advice_has_its_evidence() -> None:
    about = replace(ABOUT, machines=MACHINES, instance_type="m5.xlarge")
    rows = [row(n, GIB, memory=5.1 * GIB, cpu_peak=1.4, disk=9 * GIB) for n in range(38)]
    found = advise(rows, about, "dti", "lab")
    assert (found.runs, found.proposed_type, found.saving) == (38, "m5.large", 0.5)
    text = "\n".join(found.lines())
    assert "38 runs" in text
    assert "95 % need < 5.1 GiB" in text
    assert "m5.large at $0.096 would save 50 %" in text
    assert found.proposed_minutes == 8
    few = advise(rows[:4], about, "dti", "lab")
    assert few.proposed_type == ""
    assert "too little to advise" in "\n".join(few.lines())


def test_types_that_are_too_small_are_not_proposed() -> None:
    about = replace(ABOUT, machines=MACHINES, instance_type="m5.large")
    found = advise([row(n, memory=7.9 * GIB) for n in range(9)], about, "dti", "lab")
    assert (found.proposed_type, found.saving) == ("m5.xlarge", -1.0)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    about = replace(ABOUT, machines=MACHINES)
    with service(monkeypatch, about, variables=MEMBER) as client:
        yield client


def test_the_forecast_rests_on_what_is_kept_of_each_size(s3: Any) -> None:
    rows = [row(n, GIB, type="m5.large", seconds=100.0 + n) for n in range(6)]
    rows += [row(n + 10, 64 * GIB, type="m5.large", seconds=9000.0) for n in range(6)]
    put(s3, sizes_key(GROUP), sizes_text(rows))
    found = Analysis(BUCKET, GROUP).forecast([GIB], budget=False)
    assert (found.runs, found.similar, found.p50) == (6, True, 102.5)
    assert Analysis(BUCKET, GROUP).forecast([64 * GIB], budget=False).p50 == 9000.0


def test_submit_warns_and_advise_speaks(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(n, 3, MEMORY, type="m5.large") for n in range(SURE)]
    put(s3, sizes_key(GROUP), sizes_text(rows))
    put(s3, f"{GROUP}/inputs/d.txt", "data")
    for flag in ("--dry-run", "--no-forecast"):
        assert main(["submit", "--key", f"{GROUP}/inputs/d.txt", "--no-wait", flag]) == 0
        assert "sure to run out of memory" in capsys.readouterr().err
    assert main(["advise", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, schema_of("advise"))
    assert printed["short"][MEMORY] == SURE
    assert main(["advise"]) == 0
    assert "too little to advise" in capsys.readouterr().out


def test_a_status_keeps_what_was_used_through_its_json() -> None:
    status = DatasetStatus.from_json('{"status": "SUCCESS", "used": {"memory": 5, "cpu": "x"}}')
    assert status.used is not None
    assert (status.used.memory, status.used.cpu) == (5.0, None)
    assert DatasetStatus.from_json(status.to_json()) == status


def idle(world: World, text: str = '{"since": "2026-01-31T12:01:00Z"}') -> str:
    """A machine that says that it is idle."""
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.aws.upload(BUCKET, world.evidence(machine).idle, text)
    return str(machine)


def told(world: World) -> list[str]:
    return [subject for subject, _ in world.aws.notices if "idle" in subject]


def test_an_idle_machine_is_told_once_after_a_quarter_of_an_hour(world: World) -> None:
    idle(world)
    world.clock.forward(10 * 60)
    world.sweep()
    assert told(world) == []
    world.clock.forward(7 * 60)
    for _ in range(3):
        world.sweep()
        world.clock.forward(5 * 60)
    assert len(told(world)) == 1
    events = [key for _, key in world.aws.objects_ if "/events/machine-idle." in key]
    assert len(events) == 1
    assert "for 16 minutes" in world.aws.text(BUCKET, events[0])


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"since": 5}', '{"since": "1900-01-01T00:00:00Z"}', '{"since": "2999-01-01T00:00:00Z"}'],
)
def test_when_it_began_cannot_be_lied_about(world: World, text: str) -> None:
    idle(world, text)
    world.clock.forward(40 * 60)
    world.sweep()
    ((_, body),) = [(subject, body) for subject, body in world.aws.notices if "idle" in subject]
    assert "for 15 minutes" in body
