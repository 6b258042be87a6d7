"""10,000 submissions (2,000 with the profile `dev`) of people who mean no good or cannot type: each gets its
answer, none gets more.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from localcloud.tests.properties import examples
from tests.unit.job_world import BUCKET, SETTINGS, World

NUMBER = examples(10_000)
HUGE = b'{"timestamp": "' + b"x" * 50_000_000 + b'"}'
KEYS = [
    "lab/submissions/a_submit.json",
    "lab/submissions/submit.json",
    "lab/submissions/ö b+1%2e_submit.json",
    "lab/submissions/../../other/x_submit.json",
    "lab/submissions/deep/er/x_submit.json",
    f"lab/submissions/{'x' * 900}_submit.json",
    "lab/submissions/a\nb\x00_submit.json",
    "lab/submissions/$(touch x)`y`;rm -rf _submit.json",
    "lab/submissions/x_cancel.json",
    "lab/submissions/.hidden_cancel.json",
]
OUTSIDE = [
    "other/inputs/a.zip",
    "lab/../other/inputs/a.zip",
    "labs/inputs/a.zip",
    "lab/inputs/../../logs/active/x",
    "/lab/inputs/a.zip",
    "logs/active/i-1.json",
    "s3://elsewhere/lab/inputs/a.zip",
    "s3://dti/other/inputs/a.zip",
    "s3://",
    "lab/inputs/\x00",
    "lab/inputs/" + "x" * 2000,
    "\ud800",
    "lab/inputs/none.zip",
    "lab/results/job_t1/logs/job.json/",
]
STAMPS = [
    "../x",
    "a/b",
    "$(touch /tmp/p)",
    "x" * 200,
    '"; rm -rf /',
    "",
    " ",
    "t\n1",
    "\u202et",
    ".",
    "..",
    "-rf",
    0,
    -1,
    10**30,
    True,
    1.5,
    None,
    [],
    {},
]
SCALARS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1e308,
    "",
    "x",
    [],
    {},
    [[]],
    {"a": 1},
    "\ud800",
    "😀" * 50,
    2**70,
]


def _junk(draw: random.Random, depth: int = 0) -> Any:
    if depth < 3 and draw.random() < 0.3:
        if draw.random() < 0.5:
            return [_junk(draw, depth + 1) for _ in range(draw.randint(0, 4))]
        return {str(_junk(draw, 3)): _junk(draw, depth + 1) for _ in range(draw.randint(0, 4))}
    return draw.choice([*SCALARS, *OUTSIDE])


def _document(draw: random.Random) -> bytes:
    """Nearly a submission: at least one field is wrong."""
    fields: dict[str, Any] = {
        "dataname": "lab/inputs/a.zip",
        "configname": "lab/configs/c.json",
        "timestamp": f"t{draw.randint(0, 10**9)}",
    }
    wrong: list[Callable[[], None]] = [
        lambda: fields.update(dataname=draw.choice(OUTSIDE)),
        lambda: fields.update(dataname=["lab/inputs/a.zip", draw.choice(OUTSIDE)]),
        lambda: fields.update(dataname=draw.choice(list(SCALARS))),
        lambda: fields.update(
            configname=draw.choice(
                [*OUTSIDE, "lab/configs/none.json", "lab/inputs/a.zip", "lab/configs/c.exe"]
            )
        ),
        lambda: fields.update(timestamp=draw.choice([stamp for stamp in STAMPS if stamp != 0])),
        lambda: fields.update(instance_type=draw.choice(["p4d.24xlarge", "", 3, [], "m5.large; reboot"])),
        lambda: fields.update(resultpath=draw.choice(["s3://elsewhere/x", "other/results", 1, "../.."])),
        lambda: fields.pop(draw.choice(["dataname", "configname", "timestamp"])),
    ]
    for change in draw.sample(wrong, draw.randint(1, 3)):
        try:
            change()
        except KeyError:
            fields["dataname"] = None
    return json.dumps(fields).encode()


def _bytes(draw: random.Random) -> bytes | None:
    """What is in the file; None when it is deleted before it is read."""
    if draw.random() < 0.02:
        return draw.choice([None, HUGE])
    kind = draw.randrange(5)
    if kind == 0:
        return draw.randbytes(draw.randint(0, 200))
    if kind == 1:
        return json.dumps(_junk(draw)).encode("utf-8", "surrogatepass")
    if kind == 2:
        good = _document(draw)
        return good[: draw.randint(0, len(good) - 1)]
    if kind == 3:
        return draw.choice(
            [
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"1" * 5000,
                b"\xff\xfe{",
                b"NaN",
                b'{"timestamp": Infinity}',
                b" " * 300_000,
                b"{}",
            ]
        )
    return _document(draw)


def test_hostile_submissions_are_answered_and_get_nothing() -> None:
    draw = random.Random(4)
    world = World(replace(SETTINGS, budget_usd=1.0))
    world.aws.upload(BUCKET, "other/inputs/a.zip")
    theirs = {key: value for key, value in world.aws.objects_.items() if not key[1].startswith("lab/")}
    ours = {
        key: value
        for key, value in world.aws.objects_.items()
        if key[1].startswith(("lab/inputs/", "lab/configs/"))
    }
    for number in range(NUMBER):
        world.aws.calls.clear()
        key = draw.choice(KEYS)
        body = _bytes(draw)
        if body is None:
            world.aws.objects_.pop((BUCKET, key), None)
        outcome = world.deliver(key) if body is None else world.submit(body, key)
        assert not outcome.again
        answers = [detail.rpartition("/")[2] for call, detail in world.aws.calls if call == "put"]
        assert answers[-6:] == ["certificate.txt"] * 2 + ["certificate.json", "end.txt"] * 2, (
            number,
            answers,
        )
        touched = {
            detail for call, detail in world.aws.calls if call in ("get", "put", "head", "list", "delete")
        }
        assert all(name.startswith(("lab/", "jobs/lab/")) for name in touched), (number, touched)
        assert all(
            name.startswith(("lab/results/", "jobs/lab/")) for call, name in world.aws.calls if call == "put"
        )
        assert outcome.exit_code == 99, (number, outcome)
        if number % 500 == 0:  # 10,000 answers would only make listing slow
            world.aws.objects_ = {**theirs, **ours}
    assert world.aws.ec2 == {}
    assert world.aws.items == {}
    assert world.aws.budgets == {}
    assert {key: value for key, value in world.aws.objects_.items() if key in theirs or key in ours} == {
        **theirs,
        **ours,
    }
