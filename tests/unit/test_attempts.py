"""Several machines for one dataset: whose results count, where the others' are, what each has cost, and that
all of it is said once.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.attempt import AttemptRequest
from neurocaas.protocol.certificate import datanames
from neurocaas.protocol.certificate_schema import certificate_schema
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.settings import AnalysisSettings
from runtime.monitor.port import ComeAgainError
from tests.unit.fake_aws import KilledError, MonitorView
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
RESULTS = KEYS.process_prefix
DATA = ["lab/inputs/a.zip", "lab/inputs/b.zip"]
GROWING = changed(
    SETTINGS,
    types=("m5.large", "m5.xlarge", "m5.2xlarge"),
    fallback=(),
    prices={"m5.large": 0.096, "m5.xlarge": 0.192, "m5.2xlarge": 0.384},
    oom_types={"m5.large": ("m5.xlarge", "m5.2xlarge"), "m5.xlarge": ("m5.2xlarge",), "m5.2xlarge": ()},
)
LIMIT = settings(deadline=None, max_examples=examples(30))


def world_of(given: AnalysisSettings = SETTINGS, **changes: Any) -> World:
    return World(changed(given, **{"market": "spot", **changes}))


def machines(world: World) -> list[str]:
    return list(world.aws.ec2)


def write(world: World, machine: str, *names: str, recorded: bool = True, body: str = "") -> None:
    """What a machine uploads, and says that it has."""
    job, index = world.job_of(machine)
    bucket, keys = job.results
    place, files = world.evidence(machine).files, []
    if (BUCKET, place) in world.aws.objects_:
        files = json.loads(world.aws.text(BUCKET, place))["results"]
    for name in names:
        key = f"{keys.process_prefix}{name}"
        world.aws.upload(bucket, key, body or f"{name} by {machine}")
        moved = {
            "bucket": bucket,
            "key": key,
            "bytes": 1,
            "sha256": "a" * 64,
            "version_id": world.aws.version(bucket, key),
        }
        files = [one for one in files if one["key"] != key] + [moved]
    read = [{"bucket": BUCKET, "key": job.datasets[index].inputpath, "bytes": 1, "sha256": "b" * 64}]
    if recorded:
        world.aws.upload(BUCKET, place, json.dumps({"schema_version": 1, "inputs": read, "results": files}))


def below(world: World, prefix: str) -> dict[str, str]:
    return {
        key.removeprefix(prefix): world.aws.text(bucket, key)
        for bucket, key in sorted(world.aws.objects_)
        if key.startswith(prefix)
    }


def results(world: World) -> dict[str, str]:
    found = below(world, RESULTS)
    found.pop("end.txt", None)
    return found


def apart(world: World, attempt: int = 1) -> dict[str, str]:
    return below(world, f"{KEYS.prefix}attempts/{attempt}/process_results/")


def outcome(world: World, number: int = 0) -> dict[str, Any]:
    facts = world.facts()
    jsonschema.validate(facts, certificate_schema())
    dataset: dict[str, Any] = facts["datasets"][number]
    return dataset


# Whose results count
# ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("recorded", [True, False])
def test_what_a_reclaimed_machine_has_written_is_no_result(recorded: bool) -> None:
    world = world_of()
    world.submit(world.submission())
    (first,) = machines(world)
    world.boot(first)
    write(world, first, "part/1.csv", "summary.json", recorded=recorded)
    world.aws.upload(BUCKET, KEYS.update, "update results.\n")
    world.clock.forward(600)
    world.reclaim(first)
    assert results(world) == {"update.txt": "update results.\n"}, (
        "the next machine begins with nothing of another's"
    )
    assert apart(world) == {name: f"{name} by {first}" for name in ("part/1.csv", "summary.json")}
    _, second = machines(world)
    write(world, second, "summary.json")
    world.complete(second)
    assert results(world) == {"summary.json": f"summary.json by {second}", "update.txt": "update results.\n"}
    dataset = outcome(world)
    assert [file["key"] for file in dataset["results"]] == [f"{RESULTS}summary.json"]
    reclaimed, last = dataset["machines"]
    assert reclaimed["results_are"] == "2 kept apart in attempts/1/process_results/" + (
        "" if recorded else ", its machine left no record of what it wrote"
    )
    assert reclaimed["recorded"] is recorded
    assert sorted((file["key"], file["version_id"]) for file in reclaimed["results"]) == (
        [(f"{KEYS.attempts_prefix}1/process_results/{name}", None) for name in ("part/1.csv", "summary.json")]
        if recorded
        else []
    )
    assert (last["results_are"], last["results"]) == ("those of the dataset", [])


def test_of_several_datasets_only_what_the_machine_says_it_wrote_is_set_aside() -> None:
    world = world_of()
    world.submit(world.submission(dataname=DATA))
    first, other = machines(world)
    write(world, first, "a.csv", "same.csv")
    write(world, first, "unsaid.csv", recorded=False)
    write(world, other, "b.csv", "same.csv")
    world.reclaim(first)
    assert set(results(world)) == {"b.csv", "same.csv", "unsaid.csv"}, (
        "another machine has written same.csv anew"
    )
    assert set(apart(world)) == {"a.csv"}
    write(world, machines(world)[2], "a.csv")
    world.complete(other)
    world.complete(machines(world)[2])
    said = (
        "1 kept apart in attempts/1/process_results/, 1 not kept apart (replaced since, over 5 GB, or "
        "recorded without a version)"
    )
    assert outcome(world)["machines"][0]["results_are"] == said
    assert len(outcome(world, 1)["machines"]) == 1


def test_what_another_machine_writes_while_the_monitor_looks_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of()
    world.submit(world.submission())
    (first,) = machines(world)
    write(world, first, "a.csv", "b.csv")
    get = MonitorView.get

    def late(view: MonitorView, bucket: str, key: str, *arguments: Any) -> Any:
        if key.endswith(".retry"):
            world.aws.upload(BUCKET, f"{RESULTS}b.csv", "somebody else's")
        return get(view, bucket, key, *arguments)

    monkeypatch.setattr(MonitorView, "get", late)
    world.reclaim(first)
    assert (results(world), set(apart(world))) == ({"b.csv": "somebody else's"}, {"a.csv"})


def test_a_result_whose_version_was_not_told_is_left_where_it_is_and_no_result_is_none() -> None:
    world = world_of()
    world.submit(world.submission(dataname=DATA))
    first, other = machines(world)
    write(world, first, "a.csv")
    record = json.loads(world.aws.text(BUCKET, world.evidence(first).files))
    del record["results"][0]["version_id"]
    world.aws.upload(BUCKET, world.evidence(first).files, json.dumps(record))
    write(world, other)
    world.reclaim(first)
    world.reclaim(other)
    for machine in machines(world)[2:]:
        world.complete(machine)
    assert set(results(world)) == {"a.csv"}
    assert outcome(world, 1)["machines"][0]["results_are"] == "none"


@pytest.mark.parametrize(
    "key",
    [
        "lab/inputs/a.zip",
        "lab/results/job_t0/process_results/a.csv",
        "lab/results/job_t10/process_results/a.csv",
        "jobs/lab/job_t1/job.json",
        f"{KEYS.logs_prefix}certificate.txt",
        KEYS.end,
        KEYS.update,
        f"{RESULTS}c.json",
    ],
)
@pytest.mark.parametrize("names", [DATA[:1], DATA])
def test_a_machine_that_lies_has_nothing_of_others_moved(key: str, names: list[str]) -> None:
    world = world_of()
    world.submit(world.submission(dataname=names))
    first = machines(world)[0]
    world.aws.upload(BUCKET, key, world.aws.objects_.get((BUCKET, key), (b"x",))[0])
    record = {
        "results": [
            {
                "bucket": BUCKET,
                "key": key,
                "bytes": 1,
                "sha256": "a" * 64,
                "version_id": world.aws.version(BUCKET, key),
            }
        ]
    }
    world.aws.upload(BUCKET, world.evidence(first).files, json.dumps(record))
    world.reclaim(first)
    last = machines(world)[len(names) :]
    for machine in (*machines(world)[1 : len(names)], *last):
        world.complete(machine)
    assert (BUCKET, key) in world.aws.objects_
    assert world.end() == f"SUCCESS {len(names)}/{len(names)}\n"


@pytest.mark.parametrize("names", [DATA[:1], DATA])
def test_what_comes_late_is_set_aside_at_the_end(names: list[str]) -> None:
    world = world_of()
    world.submit(world.submission(dataname=names))
    first = machines(world)[0]
    world.reclaim(first)
    write(world, first, "late.csv", "both.csv")
    last = machines(world)[-1]
    write(world, last, "both.csv")
    for machine in machines(world)[1:]:
        world.complete(machine)
    assert results(world) == {"both.csv": f"both.csv by {last}"}
    assert apart(world) == {"late.csv": f"late.csv by {first}"}


def test_what_cannot_be_moved_stays_and_is_said() -> None:
    world = world_of()
    world.submit(world.submission())
    (first,) = machines(world)
    write(world, first, "a.csv", "b.csv")
    world.aws.immovable = {f"{RESULTS}a.csv"}
    world.reclaim(first)
    world.complete(machines(world)[1])
    said = "1 kept apart in attempts/1/process_results/, 1 where they were, as S3 has refused to move them"
    assert outcome(world)["machines"][0]["results_are"] == said
    assert said in world.certificate()


def test_in_an_outside_bucket_nothing_is_moved_and_that_is_said() -> None:
    world = world_of()
    world.submit(world.submission())
    job = replace(world.job(), resultdir="s3://archive/res/job_t1")
    world.aws.upload(BUCKET, KEYS.job, job.to_json())
    (first,) = machines(world)
    write(world, first, "a.csv")
    world.aws.closed = {"archive"}  # the service may not list it
    world.reclaim(first)
    write(world, machines(world)[1])
    world.complete(machines(world)[1])
    assert outcome(world)["note"] == "no result was uploaded"
    reclaimed = outcome(world)["machines"][0]
    assert reclaimed["results_are"] == "1 where they were, in an outside bucket"
    assert [(file["bucket"], file["key"]) for file in reclaimed["results"]] == [
        ("archive", "res/job_t1/process_results/a.csv")
    ]


steps = st.lists(
    st.sampled_from(["reclaim", "again", "late", "sweep", "write", "terminated"]),
    max_size=12,
)


@LIMIT
@given(steps=steps, kills=st.lists(st.integers(0, 14), max_size=4), several=st.booleans())
def test_only_the_last_attempt_has_results_whenever_a_monitor_dies_and_whatever_comes_again(
    steps: list[str], kills: list[int], several: bool
) -> None:
    world = world_of(attempts=4)
    world.submit(world.submission(dataname=DATA if several else DATA[:1]))
    mine, others = [machines(world)[0]], machines(world)[1:]
    written = 0
    for other in others:
        write(world, other, "other.csv")
    dying = iter(kills)

    def tell(machine: str) -> None:
        """The events of a machine that was taken back, which come until a monitor has lived through them."""
        for kill in (next(dying, None), None):
            world.aws.calls.clear()
            world.aws.kill_at = kill
            try:
                world.event(machine, "terminated")
            except (KilledError, ComeAgainError):
                continue
            finally:
                world.aws.revive()
        for _, key in list(world.aws.objects_):
            if key.endswith(".retry"):
                world.deliver(key)
        mine.extend(one for one in machines(world) if one not in (*mine, *others))

    for step in steps:
        now = mine[-1]
        if step == "write":
            written += 1
            write(world, now, f"{written}.csv", "common.csv")
        elif step == "reclaim" and len(mine) < 4:
            world.aws.set_state(now, "terminated", reason_code="Server.SpotInstanceTermination")
            tell(now)
        elif step == "again" and len(mine) > 1:
            tell(mine[0])
        elif step == "late" and len(mine) > 1:
            write(world, mine[-2], "late.csv")
        elif step == "sweep":
            world.sweep()
    last = mine[-1]
    write(world, last, "final.csv", "common.csv")
    wanted = {
        name: body for name, body in results(world).items() if body.endswith(last) or name == "other.csv"
    }
    for machine in (*others, last):
        world.complete(machine)
    assert world.end() == f"SUCCESS {len(others) + 1}/{len(others) + 1}\n"
    assert results(world) == wanted
    for number in range(1, len(mine)):
        # what a machine wrote after its end was heard of is put to the next one's
        ours = tuple(mine[:number])
        assert all(body.endswith(ours) for body in apart(world, number).values())
    assert [one["instance"] for one in outcome(world)["machines"]] == mine


# What each has cost
# -------------------------------------------------------------------------------------------------------
def test_a_spot_machine_costs_what_spot_costs() -> None:
    world = world_of()
    world.aws.spot = {"m5.large": 0.03}
    world.submit(world.submission())
    (first,) = machines(world)
    world.boot(first)
    world.aws.upload(BUCKET, f"{KEYS.logs_prefix}a.zip/checkpoint/step", "7")
    world.clock.forward(1800)
    world.reclaim(first)
    second = machines(world)[1]
    world.aws.spot = {}
    world.complete(second)
    dataset, facts = outcome(world), world.facts()
    reclaimed, resumed = dataset["machines"]
    assert (reclaimed["market"], reclaimed["price"], reclaimed["spot_price"]) == ("spot", 0.03, 0.03)
    assert (resumed["price"], resumed["spot_price"]) == (0.096, None), "what is not known is not made up"
    assert [round(one["cost"], 6) for one in (reclaimed, resumed)] == [0.015, 0.048]
    assert (reclaimed["exit_class"], reclaimed["resumed"], resumed["exit_class"], resumed["resumed"]) == (
        "reclaim",
        False,
        "success",
        True,
    )
    assert facts["cost_usd"] == pytest.approx(0.063)
    assert [spent for _, spent in world.aws.budgets.values()] == [micro_dollars(0.063)]
    first_line, second_line = (
        line for line in world.certificate().splitlines() if line.startswith("ATTEMPT ")
    )
    assert first_line.startswith(
        f"ATTEMPT 1: lab/inputs/a.zip | MACHINE: {first} m5.large spot | STATUS: FAILED (reclaim) | TIME: "
    )
    assert (
        "COST: $0.0150 at $0.03 an hour | RESULTS: its machine left no record of what it wrote | REASON: "
        "AWS has taken "
    ) in first_line
    assert "STATUS: RESUMED FROM A CHECKPOINT, SUCCESS (success)" in second_line
    assert (
        "COST: $0.0480 at $0.096 an hour (on demand: spot's price could not be read) | RESULTS: those of "
        "the dataset"
    ) in second_line


def test_a_job_without_further_attempts_has_no_line_for_them() -> None:
    world = world_of(market="on-demand")
    world.submit(world.submission())
    world.complete(machines(world)[0])
    assert "ATTEMPT" not in world.certificate()
    (only,) = outcome(world)["machines"]
    assert (only["attempt"], only["market"], only["price"], only["status"]) == (
        1,
        "on-demand",
        0.096,
        "SUCCESS",
    )
    assert world.aws.count("spot price") == 0


# Out of memory
# ------------------------------------------------------------------------------------------------------------
def out_of_memory(world: World, machine: str, **more: Any) -> None:
    before = set(world.aws.objects_)
    world.complete(
        machine, "FAILED", **{"reason": "exit code 137", "exit_code": 137, "out_of_memory": True, **more}
    )
    for _, key in sorted(set(world.aws.objects_) - before):
        if key.endswith(".retry"):
            world.deliver(key)


def types_of(world: World) -> list[str]:
    return [machine.instance_type for machine in world.aws.ec2.values()]


def test_a_dataset_that_ran_out_of_memory_gets_the_next_larger_type() -> None:
    world = World(GROWING)
    world.submit(world.submission())
    (item,) = world.aws.items.values()
    assert item["reserved"] == micro_dollars(1.25 * 0.384), "the dearest that it may reach"
    (first,) = machines(world)
    write(world, first, "part.csv")
    out_of_memory(world, first)
    assert types_of(world) == ["m5.large", "m5.xlarge"]
    assert world.end() is None
    assert world.status(0).status == "INITIALIZING"
    assert (
        world.status(0).reason
        == "its machine (m5.large) ran out of memory; attempt 2 is being started on m5.xlarge"
    )
    assert (results(world), set(apart(world))) == ({}, {"part.csv"})
    out_of_memory(world, machines(world)[1])
    world.complete(machines(world)[2])
    assert types_of(world) == ["m5.large", "m5.xlarge", "m5.2xlarge"]
    assert world.end() == "SUCCESS 1/1\n"
    assert [(one["instance_type"], one["out_of_memory"]) for one in outcome(world)["machines"]] == [
        ("m5.large", True),
        ("m5.xlarge", True),
        ("m5.2xlarge", False),
    ]
    assert "m5.large on-demand | STATUS: FAILED (analysis) | " in world.certificate()
    assert "run again on the next larger of m5.xlarge, m5.2xlarge" in world.certificate()


def test_the_largest_type_is_the_last_and_the_reason_is_its_own() -> None:
    world = World(GROWING)
    world.submit(world.submission(instance_type="m5.xlarge"))
    out_of_memory(world, machines(world)[0])
    out_of_memory(world, machines(world)[1], reason="MemoryError: 32 GiB (exit code 137)")
    assert types_of(world) == ["m5.xlarge", "m5.2xlarge"]
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: MemoryError: 32 GiB (exit code 137)")
    assert outcome(world)["exit_class"] == "analysis"


@pytest.mark.parametrize(
    ("told", "grows"),
    [
        ({"out_of_memory": False}, False),
        ({"out_of_memory": True, "reason": "timed out after 60 minutes"}, False),
        ({"out_of_memory": True, "reason": "cancelled: by somebody"}, False),
        ({"out_of_memory": True, "reason": "exit code 1"}, True),
    ],
)
def test_only_a_script_that_failed_for_memory_is_run_again(told: dict[str, Any], grows: bool) -> None:
    world = World(GROWING)
    world.submit(world.submission())
    world.complete(machines(world)[0], "FAILED", **told)
    assert (world.end() is None) is grows


def test_without_a_larger_type_nothing_is_run_again() -> None:
    world = World(SETTINGS)
    world.submit(world.submission())
    out_of_memory(world, machines(world)[0])
    assert (len(machines(world)), world.end()) == (1, "FAILED 0/1 a.zip: exit code 137\n")


def test_a_larger_machine_that_is_taken_back_is_followed_by_one_as_large() -> None:
    world = world_of(GROWING, attempts=2)
    world.submit(world.submission())
    out_of_memory(world, machines(world)[0])
    for number in (1, 2):
        world.reclaim(machines(world)[number])
    assert types_of(world) == ["m5.large", "m5.xlarge", "m5.xlarge"], "growing takes no attempt away"
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: AWS has taken the spot machine back")


def test_a_larger_machine_that_is_not_to_be_had_ends_the_dataset_with_that_reason() -> None:
    world = World(GROWING)
    world.submit(world.submission())
    world.aws.capacity = {"m5.xlarge": 0, "m5.2xlarge": 0}
    world.complete(machines(world)[0], "FAILED", reason="exit code 137", out_of_memory=True)
    (key,) = [key for _, key in world.aws.objects_ if key.endswith(".retry")]
    world.deliver(key, receives=6)
    world.clock.forward(3600)
    world.sweep()
    assert (world.end() or "").startswith(
        "FAILED 0/1 a.zip: Its machine ran out of memory, and no larger one (m5.xlarge) was started: "
    )


def test_larger_types_stand_in_for_the_next_larger_one() -> None:
    world = World(GROWING)
    world.submit(world.submission())
    world.aws.capacity = {"m5.xlarge": 0}
    out_of_memory(world, machines(world)[0])
    assert types_of(world) == ["m5.large", "m5.2xlarge"]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"instance_type": "p5.48xlarge"}', '{"instance_type": 3, "grown": "x"}']
)
def test_a_request_that_cannot_be_read_asks_for_a_machine_like_the_first(body: str) -> None:
    world = World(GROWING)
    world.submit(world.submission())
    world.complete(machines(world)[0], "FAILED", reason="exit code 137", out_of_memory=True)
    (key,) = [key for _, key in world.aws.objects_ if key.endswith(".retry")]
    world.aws.upload(BUCKET, key, body)
    world.deliver(key)
    assert types_of(world) == ["m5.large", "m5.large"]
    assert AttemptRequest.from_json(body).grown == 0


# What results must contain
# ------------------------------------------------------------------------------------------------
LACKING = "the results lack summary.json, **/*.png, which the analysis requires; the results that there are:"


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (("summary.json", "a/b/plot.png"), "SUCCESS 1/1\n"),
        (("other.json",), f"FAILED 0/1 a.zip: {LACKING} other.json\n"),
        ((), f"FAILED 0/1 a.zip: {LACKING} none\n"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_results_that_are_required_and_lack_are_a_failure(
    names: tuple[str, ...], end: str, recorded: bool
) -> None:
    world = World(replace(SETTINGS, results_required=("summary.json", "**/*.png")))
    world.submit(world.submission())
    (machine,) = machines(world)
    write(world, machine, *names, recorded=recorded)
    world.aws.upload(BUCKET, f"{RESULTS}c.json", "{}")
    world.complete(machine, exit_code=0)
    assert world.end() == end
    assert world.status(0).status == end.split()[0]
    assert world.report(machine)["status"] == end.split()[0]
    assert outcome(world)["exit_class"] == ("success" if end.startswith("SUCCESS") else "analysis")


def test_another_datasets_results_are_not_those_that_lack() -> None:
    world = World(replace(SETTINGS, results_required=("*.csv",)))
    world.submit(world.submission(dataname=DATA))
    first, second = machines(world)
    write(world, first, "a.csv")
    write(world, second)
    world.complete(first)
    world.complete(second)
    assert (world.end() or "").startswith("FAILED 1/2 b.zip: the results lack *.csv")


def test_a_machine_that_ec2_has_forgotten_must_have_its_results_too() -> None:
    world = World(replace(SETTINGS, results_required=("*.csv",)))
    world.submit(world.submission())
    (machine,) = machines(world)
    world.boot(machine)
    world.write_status(machine, "SUCCESS")
    del world.aws.ec2[machine]
    world.clock.forward(1200)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: the results lack *.csv")


def test_a_success_without_a_result_says_so() -> None:
    cases: list[tuple[dict[str, Any], tuple[str, ...], str | None]] = [
        ({}, (), "no result was uploaded"),
        ({"uploaded": 0}, (), "no result was uploaded"),
        ({"uploaded": 2}, (), None),
        ({}, ("a.csv",), None),
    ]
    for told, names, note in cases:
        world = World()
        world.submit(world.submission())
        (machine,) = machines(world)
        write(world, machine, *names)
        world.complete(machine, **told)
        assert world.end() == "SUCCESS 1/1\n"
        assert outcome(world)["note"] == note
        assert (" (finished) | NOTE: no result was uploaded" in world.certificate()) is (note is not None)


def test_results_of_one_name_of_several_datasets_are_told() -> None:
    world = World()
    world.submit(world.submission(dataname=[*DATA, "lab/inputs/c.zip"]))
    written = (["sum.json", "same.txt"], ["sum.json", "same.txt"], ["c.json"])
    for number, (machine, names) in enumerate(zip(machines(world), written, strict=True)):
        write(world, machine, *names)
        place = world.evidence(machine).files
        record = json.loads(world.aws.text(BUCKET, place))
        for file in record["results"]:
            file["sha256"] = ("a" if file["key"].endswith("same.txt") else str(number)) * 64
        world.aws.upload(BUCKET, place, json.dumps(record))
        world.complete(machine)
    assert world.end() == "SUCCESS 3/3\n"
    notes = [outcome(world, number)["note"] for number in range(3)]
    told = (
        "other datasets have written sum.json as well, and one content is left: name results by "
        "$NEUROCAAS_DATASET"
    )
    assert notes == [told, told, None]
    assert world.certificate().count(f"NOTE: {told}") == 2


# What people see first
# ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", ["{said} (exit code 65)", ""])
def test_what_the_script_said_itself_is_the_reason_that_is_seen_first(reason: str) -> None:
    world = World()
    world.submit(world.submission())
    said = "The gradients: got 1 volumes up to b0_threshold"
    world.complete(
        machines(world)[0],
        "FAILED",
        reason=reason.format(said=said) if reason else "NONE",
        said=said,
        stderr={"0": said},
    )
    assert (world.end() or "").startswith(f"FAILED 0/1 a.zip: {said}")
    assert f"REASON: {said}" in world.certificate()
    ((_, text),) = world.aws.notices
    assert text.count(said) == 1


@given(
    paths=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), min_size=1, max_size=6
    )
)
def test_each_dataset_has_one_line_of_its_own_whatever_its_path_has(paths: list[str]) -> None:
    datasets = [
        Dataset(index, f"name{index}", path, "key")
        for index, path in enumerate([*paths, "a\nJOB RESULT: SUCCESS", "a", "a"])
    ]
    names = datanames(datasets)
    assert len(set(names)) == len(datasets)
    assert all(len(f"x{name}x".splitlines()) == 1 for name in names)
    assert names[-2:] == [f"a (name{len(paths) + 1})", f"a (name{len(paths) + 2})"]


def test_members_of_an_ensemble_are_told_apart() -> None:
    world = World()
    world.aws.upload(BUCKET, "lab/configs/c.json", json.dumps({"mode": "train", "ensemble_size": 3}))
    world.submit(world.submission())
    names = [f"lab/inputs/a.zip (a.zip_inst{number})" for number in (1, 2, 3)]
    for name in names:
        assert world.certificate().count(f"DATANAME: {name} | STATUS: INITIALIZING") == 1
    for machine in machines(world):
        world.complete(machine)
    lines = [line for line in world.certificate().splitlines() if line.startswith("DATANAME: ")]
    assert [line.partition(" | ")[0] for line in lines] == [f"DATANAME: {name}" for name in names]


def test_data_that_changed_is_no_failure_of_the_analysis() -> None:
    world = World()
    world.submit(world.submission())
    reason = "the data changed after it was submitted: lab/inputs/a.zip"
    world.complete(machines(world)[0], "FAILED", reason=reason)
    assert (world.end() or "").startswith(f"FAILED 0/1 a.zip: {reason}")
    assert world.facts()["exit_class"] == outcome(world)["exit_class"] == "data"
