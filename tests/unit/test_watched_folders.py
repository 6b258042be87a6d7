"""Watched folders: what arrives and is complete is analysed once, in the right name, within the cap."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol import members
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.watches import WATCHES_MAX, WatchProgress, parse_wish
from runtime.monitor import folders
from runtime.monitor.port import Deployed
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

WISH = {"prefix": "lab/inputs/rig1/", "configname": "lab/configs/c.json", "quiet": "10m", "cap_usd": 20}
KEY = "lab/submissions/rig1_watch.json"
NAMES = [*WISH, "state", "until", "x"]
QUIET = 700
"""Seconds: more than the quiet time."""


class Rig(World):
    """A group that watches `inputs/rig1/`."""

    def __init__(self, **wish: Any) -> None:
        super().__init__(changed(SETTINGS, budget_usd=1000.0))
        self.aws.deployed = [Deployed(BUCKET, ("lab", "other"), "queue", "dti-webdev")]
        self.principal = "AWS:AROAX:ann"
        self.answer = self.wish(**wish)

    def wish(self, key: str = KEY, **wish: Any) -> str:
        body = {name: value for name, value in {**WISH, **wish}.items() if value is not None}
        self.aws.upload(BUCKET, key, json.dumps(body))
        return self.deliver(key).message

    def record(self, *names: str, folder: str = "lab/inputs/rig1/") -> None:
        for name in names:
            self.aws.upload(BUCKET, f"{folder}{name}", f"of {name} at {self.clock()}")

    def look(self, seconds: float = 300) -> list[str]:
        """Time passes, the sweep comes, and the manager gets what it has submitted; the datasets of these."""
        self.clock.forward(seconds)
        self.sweep()
        found = []
        for _, key in self.aws.queue:
            self.deliver(key)
            found += json.loads(self.aws.text(BUCKET, key))["dataname"]
        self.aws.queue.clear()
        return [one.removeprefix("lab/inputs/rig1/") for one in found]

    def jobs(self) -> list[str]:
        """The datasets of the jobs that were started, by their machines."""
        done = (self.job_of(name) for name in self.aws.ec2)
        return sorted(job.datasets[index].inputpath.rpartition("rig1/")[2] for job, index in done)

    @property
    def progress(self) -> WatchProgress:
        return WatchProgress.from_json(self.aws.text(BUCKET, "jobs/lab/watching/rig1.json"))

    def finish(self) -> None:
        for name, one in list(self.aws.ec2.items()):
            if one.state == "pending":
                self.complete(name)


def test_new_files_are_analysed_once_when_they_are_quiet_in_the_name_of_who_watches() -> None:
    rig = Rig()
    rig.clock.forward(60)
    rig.record("a.nwb", "b.nwb", ".DS_Store", "day/")
    assert rig.look() == []
    assert rig.progress.state == "waiting for 2 that are not quiet yet"
    assert rig.look(QUIET) == ["a.nwb", "b.nwb"]
    for _ in range(3):
        assert rig.look() == []
    assert rig.jobs() == ["a.nwb", "b.nwb"]
    job, _ = rig.job_of("i-00000000000000000")
    assert (job.submitter, job.by, job.analysis) == ("ann", "watch rig1", "dti")
    assert "Submitted by the service for watch rig1, in the name of ann." in rig.certificate(job.timestamp)


def test_what_is_there_already_is_left_alone_unless_it_is_wanted() -> None:
    for existing in (False, True):
        rig = Rig(existing=existing)
        rig.aws.upload(BUCKET, "lab/inputs/rig1/old.nwb")
        rig.aws.times[BUCKET, "lab/inputs/rig1/old.nwb"] -= timedelta(days=30)
        assert rig.look(QUIET) == (["old.nwb"] if existing else [])


def test_a_new_version_is_analysed_again_and_the_same_content_is_not() -> None:
    rig = Rig()
    rig.aws.upload(BUCKET, "lab/inputs/rig1/a.nwb", "one")
    rig.clock.forward(1)
    rig.aws.upload(BUCKET, "lab/inputs/rig1/a.nwb", "one")
    assert rig.look(QUIET) == ["a.nwb"]
    rig.aws.upload(BUCKET, "lab/inputs/rig1/a.nwb", "one")
    rig.look(QUIET)
    assert len(rig.jobs()) == 1
    rig.aws.upload(BUCKET, "lab/inputs/rig1/a.nwb", "two")
    assert rig.look(QUIET) == ["a.nwb"]
    assert len(rig.jobs()) == 2


def test_an_upload_in_parts_that_began_long_ago_is_found_behind_what_was_seen() -> None:
    rig = Rig()
    rig.clock.forward(3600)
    rig.record("z.nwb")
    assert rig.look(QUIET) == ["z.nwb"]
    rig.record("a.nwb")
    rig.aws.times[BUCKET, "lab/inputs/rig1/a.nwb"] -= timedelta(seconds=4000)
    assert rig.look() == ["a.nwb"]


def test_a_folder_is_one_dataset_when_nothing_in_it_has_changed_for_the_time() -> None:
    rig = Rig(datasets="folders")
    rig.record("old/x.tif")
    rig.aws.times[BUCKET, "lab/inputs/rig1/old/x.tif"] -= timedelta(days=1)
    assert rig.look() == []
    rig.record("s1/x.tif", "s1/deep/y.tif", "s2/.DS_Store")
    assert rig.look(400) == []
    rig.record("s1/z.tif")
    assert rig.look(400) == []
    assert rig.look(QUIET) == ["s1/"]
    assert rig.look() == []
    job, _ = rig.job_of("i-00000000000000000")
    assert job.datasets[0].pins


def test_a_pattern_says_which_files_are_data() -> None:
    rig = Rig(pattern="**/*.nwb")
    rig.record("a.nwb", "a.txt", "deep/b.nwb")
    assert rig.look(QUIET) == ["a.nwb", "deep/b.nwb"]


def test_the_cap_holds_with_what_is_reserved_and_is_told_once() -> None:
    rig = Rig(cap_usd=0.7)  # a job may cost up to 0.24, as its dearest type
    rig.record(*(f"{number}.nwb" for number in range(5)))
    assert len(rig.look(QUIET)) == 2
    assert rig.look() == []
    assert rig.look() == []
    assert "its cap of $0.70 in 2026-01 is reached" in rig.progress.state
    told = [subject for subject, _ in rig.aws.notices if "cap" in subject]
    assert told == ["NeuroCAAS dti: watch rig1 of lab has reached its cap"]
    rig.finish()
    assert len(rig.look(1000)) == 2  # they have cost less than was reserved
    rig.clock.forward(10 * 86400)
    rig.finish()
    assert len(rig.look()) == 1  # the next month
    assert len(rig.jobs()) == 5


def test_a_manager_refuses_what_the_cap_does_not_cover() -> None:
    rig = Rig(cap_usd=0.3)
    rig.record("a.nwb", "b.nwb")
    rig.look(QUIET)
    assert len(rig.jobs()) == 1
    body = json.loads(
        next(t[0] for (_, k), t in rig.aws.objects_.items() if k.startswith("jobs/lab/submissions/rig1-"))
    )
    key = "jobs/lab/submissions/x_submit.json"
    rig.aws.upload(BUCKET, key, json.dumps({**body, "timestamp": "x"}))
    rig.deliver(key)
    assert "more than its cap of" in str(rig.end("x"))
    assert len(rig.jobs()) == 1


def test_it_is_paused_goes_on_and_is_turned_off() -> None:
    rig = Rig()
    assert "paused" in rig.wish(state="paused")
    rig.record("a.nwb")
    assert rig.look(QUIET) == []
    rig.wish()
    assert rig.look() == ["a.nwb"]
    rig.wish(state="off")
    rig.record("b.nwb")
    assert rig.look(QUIET) == []


def test_it_ends_with_its_time_and_when_the_group_has_lost_the_analysis() -> None:
    rig = Rig(until="2h")
    rig.look(3 * 3600)
    assert rig.progress.state.startswith("ended: its time was over")
    rig.record("a.nwb")
    assert rig.look(QUIET) == []
    rig = Rig()
    rig.aws.deployed = [Deployed(BUCKET, ("other",), "queue", "dti-webdev")]
    rig.record("a.nwb")
    assert rig.look(QUIET) == []
    assert "may not use the analysis any more" in rig.progress.state


def test_a_sweep_that_is_killed_anywhere_starts_nothing_twice_and_forgets_nothing() -> None:
    for kill in range(60):
        rig = Rig()
        rig.record("a.nwb", "b.nwb", "c.nwb")
        rig.clock.forward(QUIET)
        rig.aws.calls.clear()
        rig.aws.kill_at = kill
        with suppress(KilledError):
            rig.sweep()
        rig.aws.revive()
        rig.look()
        rig.look()
        assert rig.jobs() == ["a.nwb", "b.nwb", "c.nwb"], kill


def test_a_large_folder_costs_no_more_in_each_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PAGE", 10)
    rig = Rig()
    rig.record(*(f"{number:05}.nwb" for number in range(1000)))
    for _, key in list(rig.aws.objects_):
        rig.aws.times[BUCKET, key] = rig.clock() - timedelta(days=30)
    for _ in range(8):  # the first round
        rig.look()
    counts, found = [], []
    for number in range(40):
        if number == 10:
            rig.record("99999.nwb", "00000a.nwb")
        rig.aws.calls.clear()
        found += rig.look()
        counts.append(sum(call == ("list", "lab/inputs/rig1/") for call in rig.aws.calls))
    assert found == ["99999.nwb", "00000a.nwb"]
    assert max(counts) <= folders.ROUND + folders.SMALL
    assert sum(counts) / len(counts) <= folders.SMALL + 2


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"prefix": "other/inputs/rig1/"}, "watch: prefix"),
        ({"prefix": "lab/inputs/"}, "watch: prefix"),
        ({"prefix": "lab/results/x/"}, "watch: prefix"),
        ({"prefix": "lab/inputs/../../x/"}, "watch: prefix"),
        ({"configname": "other/configs/c.json"}, "configname"),
        ({"configname": "lab/configs/none.json"}, "configname"),
        ({"configname": "jobs/lab/submissions/x_config.json"}, "configname"),
        ({"quiet": "5s"}, "watch: quiet"),
        ({"quiet": 600}, "watch: quiet"),
        ({"cap_usd": None}, "watch: cap_usd"),
        ({"cap_usd": 0}, "watch: cap_usd"),
        ({"cap_usd": True}, "watch: cap_usd"),
        ({"cap_usd": 0.01}, "room for one dataset at least"),
        ({"until": "9999d"}, "watch: until"),
        ({"datasets": "all"}, "watch: datasets"),
        ({"datasets": "folders", "pattern": "*"}, "watch: pattern"),
        ({"instance_type": "p4d.24xlarge"}, "instance_type"),
        ({"submitter": "bob"}, "watch: submitter"),
        ({"state": "maybe"}, "watch: state"),
    ],
)
def test_what_a_group_writes_is_a_wish(wish: dict[str, Any], says: str) -> None:
    rig = Rig(**wish)
    assert rig.answer.startswith("refused")
    assert rig.aws.watches_ == {}
    (key,) = [
        key
        for _, key in rig.aws.objects_
        if key.startswith("jobs/lab/rejected_") and key.endswith("certificate.txt")
    ]
    assert says in rig.aws.text(BUCKET, key)


def test_a_group_has_some_watches_and_no_more() -> None:
    rig = Rig()
    for number in range(WATCHES_MAX - 1):
        rig.wish(f"lab/submissions/w{number}_watch.json")
    assert "refused" in rig.wish("lab/submissions/more_watch.json")
    rig.wish("lab/submissions/w0_watch.json", state="off")
    assert "is on" in rig.wish("lab/submissions/more_watch.json")


def test_the_configuration_is_that_of_when_it_was_turned_on() -> None:
    rig = Rig()
    rig.aws.upload(BUCKET, "lab/configs/c.json", '{"wait": 9}')
    rig.record("a.nwb")
    rig.look(QUIET)
    assert rig.job_of("i-00000000000000000")[0].config["wait"] == 5


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_wish_does_harm(raw: bytes) -> None:
    with suppress(InvalidInput):
        wish = parse_wish(raw, "lab")
        assert wish.state != "on" or wish.prefix.startswith("lab/inputs/")


def test_it_ends_when_the_person_has_left_the_group() -> None:
    rig = Rig()
    ann = [members.Member("bob", sessions=("bob",))]
    text = members.text_of(["AROAX"], provider=False, most=None, people=ann)
    rig.aws.parameters_[members.people_parameter("lab", 1)] = text
    rig.record("a.nwb", "b.nwb")
    rig.look(QUIET)
    assert rig.jobs() == []
    rig.record("c.nwb")
    assert rig.look(QUIET) == []
    assert [ended for _, ended in rig.aws.watches_.values()] == ["ann is not in the group any more"]
