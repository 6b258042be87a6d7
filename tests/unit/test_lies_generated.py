"""Any lie, at any key that its teller may write, before, during or after the jobs of two groups: nothing but
what is the teller's own comes out otherwise than without it.

Who may write where is not said here: the policies that a deploy renders are asked, by an IAM of its own
(`iam_oracle`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from components.place import Place
from components.policies import developer, machine, people
from localcloud.tests.properties import examples
from neurocaas.protocol.keys import EvidenceKeys, JobId, JobKeys, active_report_key, report_key
from neurocaas.protocol.published_settings import about_key
from neurocaas.protocol.settings import Group
from neurocaas.protocol.stop import StopOrder
from runtime.monitor.port import ComeAgainError
from tests.program.iam_oracle import Policy, allowed
from tests.unit.job_world import BUCKET, SETTINGS, World

PLACE = Place(partition="aws", region="us-east-1", account="000000000000")
WORLD = replace(SETTINGS, groups={**SETTINGS.groups, "debuggers": Group("lt-3", "1", "AROADEBUGGERS")})
LIAR, PEER, OTHER_JOB, OTHER_GROUP = (f"i-{number:017x}" for number in range(4))
"""The machines of the story, in the order in which they start: two of job t0 of `lab`, one of its job t1, one
of the group `other`.
"""

JOB = JobId(BUCKET, "lab", "t0")
STAGES = ("before", "during", "late", "after")
SUBMISSIONS = ("submit.json", "cancel.json", "watch.json")


@cache
def policies(teller: str) -> tuple[Sequence[Policy], str]:
    """The policies of a principal that may lie, and its user id."""
    lab = people.analysts(PLACE, buckets=[BUCKET], group="lab")
    if teller == "machine":
        return [
            machine.machine(PLACE, bucket=BUCKET, group="lab", artifact_bucket="artifacts")
        ], f"AROALAB:{LIAR}"
    if teller == "developer":
        role = "arn:aws:iam::000000000000:role/developer"
        return [
            {
                "Statement": [
                    _without_principal(one)
                    for one in developer.bucket_access(PLACE, bucket=BUCKET, developer_role_arn=role)
                ]
            }
        ], ""
    return [lab, *([people.leads(PLACE, buckets=[BUCKET], group="lab")] if teller == "lead" else [])], ""


def _without_principal(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != "Principal"}


def may_write(teller: str, key: str) -> bool:
    held, user = policies(teller)
    resource, facts = f"arn:aws:s3:::{BUCKET}/{key}", {"aws:userid": user}
    return bool(allowed(held, "s3:PutObject", resource, None, PLACE.account, **facts))


@dataclass(frozen=True)
class Lie:
    """What one principal writes, and when: `before` the jobs t1 are launched, `during` their machines' lives,
    `late`, when the machines have said their last word and not ended, `after` everything."""

    teller: str
    stage: str
    key: str
    body: bytes


def told(*lies: Lie) -> World:
    """The story of two jobs of `lab` and one of `other`, with lies in it."""
    world = World(WORLD)
    for name in ("inputs/o.zip", "configs/c.json"):
        world.aws.upload(BUCKET, f"other/{name}", "{}")
    for group in WORLD.groups:
        world.aws.upload(BUCKET, about_key(group), "{}")

    def now(stage: str) -> None:
        for lie in (one for one in lies if one.stage == stage):
            world.aws.upload(BUCKET, lie.key, lie.body)
            # S3 tells of submissions and of requests for attempts only; the manager would ignore the rest
            world.deliver(lie.key)

    world.submit(
        world.submission(timestamp="t0", dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]),
        "lab/submissions/0_submit.json",
    )
    for name in (LIAR, PEER):
        world.boot(name)
    world.aws.capacity = dict.fromkeys(WORLD.instance.types, 0)
    # it waits, and is looked at again
    world.submit(world.submission(dataname=["lab/inputs/c.zip"]), "lab/submissions/1_submit.json")
    world.aws.capacity.clear()
    now("before")
    world.deliver("lab/submissions/1_submit.json", receives=2)
    body = {"dataname": "other/inputs/o.zip", "configname": "other/configs/c.json", "timestamp": "t1"}
    world.submit(body, "other/submissions/1_submit.json")
    for name in [name for name in world.aws.ec2 if name not in (LIAR, PEER)]:
        world.boot(name)
    world.clock.forward(900)
    now("during")
    world.sweep()
    world.clock.forward(900)
    for name, one in world.aws.ec2.items():
        outcome = "FAILED" if (one.tags["group"], one.tags["job"]) == ("lab", "t1") else "SUCCESS"
        world.write_status(name, outcome, exit_code=int(outcome == "FAILED"))
        world.aws.upload(BUCKET, world.evidence(name).files, '{"inputs": [], "results": []}')
    now("late")
    for state in ("shutting-down", "terminated"):
        for name in list(world.aws.ec2):
            if world.aws.ec2[name].state != "terminated":
                world.aws.set_state(name, state, reason_code="Client.InstanceInitiatedShutdown")
                _event(world, name, state)
        world.clock.forward(30)
    now("after")
    for key in [key for _, key in world.aws.objects_ if key.endswith((*SUBMISSIONS, ".retry"))]:
        world.deliver(key, receives=2)
    world.sweep()
    world.clock.forward(4 * 3600)
    world.sweep()
    for name in [name for name, one in world.aws.ec2.items() if one.state == "shutting-down"]:
        world.aws.set_state(name, "terminated")
        _event(world, name, "terminated")
    return world


def _event(world: World, name: str, state: str) -> None:
    with suppress(ComeAgainError):
        world.event(name, state)


@cache
def honest() -> World:
    return told()


def seen(world: World, mine: Sequence[str]) -> dict[str, Any]:
    """Everything but the objects that begin with one of `mine`, and when the liar's own job ended, which may
    be some seconds later.
    """
    aws = world.aws
    return {
        "objects": {
            key: _of_others(key, found, mine)
            for (_, key), found in aws.objects_.items()
            if not key.startswith(tuple(mine))
        },
        "open jobs": aws.items,
        "claims": {
            job: replace(claim, ended=str(bool(claim.ended))) if job == JOB else claim
            for job, claim in aws.claims.items()
        },
        "dollars": aws.budgets,
        "launches": aws.reservations,
        "machines": aws.ec2,
        "notices": sorted(notice for notice in aws.notices if "job t0 of lab" not in notice[0]),
    }


def _of_others(key: str, found: tuple[bytes, Any], mine: Sequence[str]) -> tuple[bytes, Any]:
    """An object of the group's index without the line of the liar's own job, whose end it tells."""
    if not key.startswith("jobs/lab/index/") or OWN_JOB[0] not in mine:
        return found
    return b"\n".join(one for one in found[0].split(b"\n") if b'"folder":"job_t0"' not in one), found[1]


OWN_JOB = ("jobs/lab/job_t0/", f"logs/lab/{LIAR}.json", "jobs/lab/sizes.json", "jobs/lab/work/")
"""What a machine's word about its own dataset is meant for; what datasets took is an estimate, and decides
nothing, and only its job that has succeeded is told as work that was done."""


def own(teller: str, key: str) -> tuple[str, ...]:
    """The places whose content may depend on a lie at `key`. Machines of a group share its results (S3 cannot
    tell which machine of a group may write which), but for the record of the very file that was written."""
    if teller == "developer":
        return ("debuggers/results/",)
    return ("lab/results/", f"evidence/AROALAB:{LIAR}/", *(OWN_JOB if key.startswith("evidence/") else ()))


# Lies
# ------------------------------------------------------------------------------------------------------------

HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 5_000_000, 10**400, 1e308, "", [], {}, ["x"], {"x": 1}),
    *(
        "other",
        "lab",
        "t1",
        "t0",
        "another-bucket",
        BUCKET,
        LIAR,
        OTHER_JOB,
        OTHER_GROUP,
        "SUCCESS",
        "FAILED",
        "cancelled: by nobody",
    ),
    *(
        "lt-2",
        "AROAOTHER",
        "p4d.24xlarge",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "interrupted: AWS takes it",
    ),
    *(
        "other/results/job_t1",
        "../../other/results/job_t1/",
        "s3://another-bucket/x",
        "/",
        "lab/results/job_t1/process_results/x",
    ),
    *(
        "\x1b]0;x\x07\x1b[2J",
        "a\nJOB RESULT: SUCCESS 9/9\n================",
        "\u202eabc",
        "\ud800",
        "\x00",
        "y" * 200_000,
        "x" * 300_000,
    ),
)
"""Values for any field: wrong types, what is huge, what belongs to others, paths that lead elsewhere, what
terminals obey.
"""

RAW: tuple[bytes, ...] = (
    *(
        b"",
        b"garbage",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"schema_version": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ),
    *(
        b'{"status": NaN, "reason": Infinity}',
        b'{"status": "SUCCESS", "status": "FAILED"}',
        b'{"timestamp": "t1"}',
        b'{"timestamp": "t0"}',
    ),
    b'{"stdout": {"\xc2\xb2": "x", "\xd9\xa3": "y", "' + b"9" * 5000 + b'": "z"}, "status": "FAILED", '
    b'"exit_code": 1' + b"0" * 4000 + b"}",
    b"{" + b",".join(b'"%d": {}' % number for number in range(20_000)) + b"}",
)
"""Documents that are none, or say a thing twice."""


def _moved(key: str) -> dict[str, Any]:
    return {"bucket": BUCKET, "key": key, "bytes": 1, "sha256": "2" * 64, "version_id": None}


@cache
def documents() -> Mapping[str, bytes]:
    """Every document of the contract as the honest story has it at its end, and those that are gone by
    then.
    """
    kept = {
        key: body
        for (_, key), (body, _) in honest().aws.objects_.items()
        if not key.startswith(("lab/inputs/", "other/inputs/"))
    }
    theirs = JobKeys.of("other", "t1")
    report = kept[report_key("lab", LIAR)]
    record = json.dumps(
        {"inputs": [_moved("other/inputs/o.zip")], "results": [_moved(f"{theirs.process_prefix}x")]}
    ).encode()
    return {
        **kept,
        JobKeys.of("lab", "t1").stop: StopOrder("quota", "by nobody", "2026-01-31T12:00:00.000Z")
        .to_json()
        .encode(),
        JobKeys.of("lab", "t1").retry(0, 2): b"",
        active_report_key(OTHER_JOB): report,
        EvidenceKeys("AROALAB", LIAR).files: record,
        "lab/submissions/0_cancel.json": b'{"timestamp": "t1"}',
    }


@cache
def places() -> Mapping[str, Sequence[str]]:
    """For each principal, the keys that it may write, of all keys at which any reader could look."""
    names = (
        "certificate.txt",
        "certificate.json",
        "job.json",
        "stop.json",
        "end.txt",
        "attempts/0-2.retry",
        "datasets/0.json",
        "x_submit.json",
    )
    machines = (LIAR, PEER, OTHER_JOB, OTHER_GROUP)
    folders = [
        f"{group}/results/job_{stamp}/{below}"
        for group in WORLD.groups
        for stamp in ("t0", "t1", "t9")
        for below in ("", "logs/", "process_results/")
    ]
    folders += [f"jobs/{group}/job_{stamp}/" for group in WORLD.groups for stamp in ("t0", "t1", "t9")]
    folders += [
        f"evidence/{WORLD.groups[group].role_id}:{name}/" for group in WORLD.groups for name in machines
    ]
    every = {
        *documents(),
        *(
            f"{folder}{name}"
            for folder in folders
            for name in (*names, "status.json", "files.json", "end.txt/x")
        ),
        *(
            f"{group}/{name}"
            for group in WORLD.groups
            for name in ("results/analysis.json", "inputs/a.zip", "submissions/9_submit.json")
        ),
        *(report_key(group, name) for group in ("active", *WORLD.groups) for name in machines),
    }
    return {
        teller: sorted(key for key in every if may_write(teller, key))
        for teller in ("machine", "developer", "member", "lead")
    }


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value in a document."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, inner in entries:
        yield (*path, name)
        yield from fields(inner, (*path, name))


def changed(value: Any, path: Sequence[Any], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


SWAPS = (
    ("lab", "other"),
    ("t0", "t1"),
    (LIAR, OTHER_JOB),
    (LIAR, OTHER_GROUP),
    ("AROALAB", "AROAOTHER"),
    ("SUCCESS", "FAILED"),
)


@st.composite
def bodies(draw: st.DrawFn, key: str) -> bytes:
    """A document of the contract (often the one that is meant to be at `key`) with one to three of its fields
    replaced; or all of it turned into another's; or no document."""
    fitting = [one for one in sorted(documents()) if one.rpartition("/")[2] == key.rpartition("/")[2]]
    body = documents()[
        draw(st.sampled_from(fitting or sorted(documents())) | st.sampled_from(sorted(documents())))
    ]
    try:
        value = json.loads(body)
    except ValueError:
        return draw(st.sampled_from((body, *RAW)))
    how = draw(st.sampled_from(("fields", "fields", "swap", "twice", "raw")))
    if how == "raw" or not isinstance(value, dict) or not value:
        return draw(st.sampled_from(RAW))
    if how == "swap":
        before, after = draw(st.sampled_from(SWAPS))
        return re.sub(rf"(?<![a-z]){before}(?![a-z])", after, body.decode()).encode()
    for _ in range(draw(st.integers(1, 3))):
        if paths := list(fields(value)):
            value = changed(value, draw(st.sampled_from(paths)), draw(st.sampled_from(HOSTILE)))
    text = _text(value)
    if how == "twice" and value:
        name = draw(st.sampled_from(sorted(value)))
        text = f"{text[:-1]}, {json.dumps(name)}: {_text(draw(st.sampled_from(HOSTILE)))}}}"
    return text.encode()


def _text(value: Any) -> str:
    return json.dumps(value)  # halves of surrogate pairs as escapes


@st.composite
def lies(draw: st.DrawFn, *tellers: str) -> Lie:
    teller = draw(st.sampled_from(tellers))
    keys = places()[teller]
    # The places at which somebody looks are few among all: most lies are told there.
    heard = [
        key for key in keys if key.startswith("evidence/") and key.endswith(("/status.json", "/files.json"))
    ]
    near = [
        key
        for key in keys
        if key.endswith((*SUBMISSIONS, "job.json", "certificate.txt", "end.txt", "STATUS.txt"))
    ]
    key = draw(st.sampled_from(draw(st.sampled_from([some for some in (heard, heard, near, keys) if some]))))
    return Lie(teller, draw(st.sampled_from(STAGES)), key, draw(bodies(key)))


def test_the_policies_leave_machines_results_and_one_prefix_of_evidence() -> None:
    """That the generated lies are told where it could hurt, and by those who may."""
    written = {teller: {"/".join(key.split("/")[:2]) for key in keys} for teller, keys in places().items()}
    assert written["machine"] == {"lab/results", f"evidence/AROALAB:{LIAR}"}
    assert written["developer"] == {"debuggers/results"}
    assert written["member"] == written["lead"] == {"lab/submissions", "lab/configs", "lab/inputs"}
    assert f"evidence/AROALAB:{LIAR}/status.json" in places()["machine"]
    assert {LIAR, PEER, OTHER_JOB, OTHER_GROUP} == set(honest().aws.ec2)
    ends = {
        key: body
        for (_, key), (body, _) in honest().aws.objects_.items()
        if key.startswith("jobs/") and key.endswith("end.txt")
    }
    assert {key: body[:11] for key, body in ends.items()} == {
        "jobs/lab/job_t0/end.txt": b"SUCCESS 2/2",
        "jobs/lab/job_t1/end.txt": b"FAILED 0/1 ",
        "jobs/other/job_t1/end.txt": b"SUCCESS 1/1",
    }


def everywhere(stage: str, number: int) -> list[Lie]:
    """A document at each key that a machine may write but its evidence: the one that belongs there, with its
    field of that number replaced by one of the hostile values, or with names of others in place of its own,
    or no document at all."""
    lies = []
    for key in places()["machine"]:
        group, _, folder, *_, name = (
            key.split("/") if key.count("/") > 2 else ("", "", "", key.rpartition("/")[2])
        )
        fitting = [one for one in sorted(documents()) if one.rpartition("/")[2] == name] or sorted(
            documents()
        )
        body = documents().get(f"jobs/{group}/{folder}/{name}") or documents()[fitting[number % len(fitting)]]
        if number < len(RAW):
            body = RAW[number]
        elif number < len(RAW) + len(SWAPS):
            before, after = SWAPS[number - len(RAW)]
            body = body.replace(before.encode(), after.encode())
        elif body.startswith(b"{\n"):
            paths = list(fields(json.loads(body))) or [()]
            body = json.dumps(
                changed(json.loads(body), paths[number % len(paths)], HOSTILE[number % len(HOSTILE)])
            ).encode()
        if not key.startswith("evidence/"):
            lies.append(Lie("machine", stage, key, body))
    return lies


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_machine_writes_everywhere_at_once_changes_nothing(stage: str) -> None:
    for number in range(len(RAW) + len(SWAPS) + len(HOSTILE)):
        lies = everywhere(stage, number)
        assert {f"lab/results/job_{stamp}/logs/job.json" for stamp in ("t0", "t1", "t9")} <= {
            lie.key for lie in lies
        }
        mine = own("machine", "lab/results/")
        assert seen(told(*lies), mine) == seen(honest(), mine), number


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(lies("machine", "machine", "machine", "developer"))
def test_what_a_machine_writes_changes_nothing_but_its_own_dataset(lie: Lie) -> None:
    event(f"{lie.stage} {lie.key.partition('/')[0]}")
    world, places_of_its_own = told(lie), own(lie.teller, lie.key)
    assert seen(world, places_of_its_own) == seen(honest(), places_of_its_own)
    for key in ("jobs/lab/job_t0/end.txt", "jobs/lab/job_t1/end.txt", "jobs/other/job_t1/end.txt"):
        line = world.aws.text(BUCKET, key)
        assert line[:-1].isprintable(), line
        assert re.match(r"(SUCCESS|FAILED) [0-2]/[12]", line), line
    facts = json.loads(world.aws.text(BUCKET, "jobs/lab/job_t0/certificate.json"))
    peer = json.loads(honest().aws.text(BUCKET, "jobs/lab/job_t0/certificate.json"))["datasets"][1]
    assert facts["datasets"][1] == peer, "the other dataset of the job is certified as it was"
    assert facts["total"] == 2
    assert len(world.aws.objects_[BUCKET, "jobs/lab/job_t0/certificate.json"][0]) < 100_000


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(lies("member", "lead"))
def test_what_a_member_writes_changes_nothing_of_another_group(lie: Lie) -> None:
    event(f"{lie.stage} {lie.key.split('/')[1]}")
    world = told(lie)

    def anonymous(text: bytes) -> bytes:
        """Without the ids of machines, which depend on how many there were before."""
        return re.sub(rb"i-[0-9a-f]{17}", b"i-", text)

    def others(one: World) -> dict[str, Any]:
        aws = one.aws
        theirs = (
            "other/",
            "jobs/other/",
            "logs/other/",
            "evidence/AROAOTHER:",
            "debuggers/",
            "jobs/debuggers/",
            "logs/debuggers/",
        )
        machines = [
            replace(found, instance_id="", launched=world.clock())
            for found in aws.ec2.values()
            if found.tags["group"] == "other"
        ]
        return {
            "objects": {
                anonymous(key.encode()): anonymous(body)
                for (_, key), (body, _) in aws.objects_.items()
                if key.startswith(theirs)
            },
            "claims": {job: claim for job, claim in aws.claims.items() if job[1] != "lab"},
            "dollars": {name: amounts for name, amounts in aws.budgets.items() if "/lab/" not in name},
            "machines": machines,
            "launches": [
                request for request, _ in aws.reservations.values() if request.tags["group"] != "lab"
            ],
        }

    assert others(world) == others(honest())
    for request, _ in world.aws.reservations.values():
        group = WORLD.groups[request.tags["group"]]
        assert (request.template_id, request.template_version) == (
            group.launch_template_id,
            group.launch_template_version,
        )
        assert request.instance_type in WORLD.instance.types
    assert world.aws.items == {}, "every job has ended"
    assert all(committed == spent for committed, spent in world.aws.budgets.values())
