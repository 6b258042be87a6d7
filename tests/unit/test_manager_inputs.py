"""What a job reads is what was submitted: pins, the configuration's record, what is no dataset, and room on
the disk.

A submission goes in; the certificate and the service's records come out."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import md5, sha256
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol import limits
from neurocaas.protocol.disk import room
from neurocaas.protocol.ignored import LEFT_BEHIND, is_ignored
from neurocaas.protocol.job import Dataset, Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.pins import Pin, read_pins
from neurocaas.protocol.problems import InvalidInput
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
GIB = 1 << 30
EACH = changed(SETTINGS, folder="each")


@pytest.fixture
def world() -> World:
    return World()


def etag(body: bytes) -> str:
    return md5(body).hexdigest()


def pins(world: World, index: int) -> list[Pin]:
    return read_pins(world.aws.text(BUCKET, KEYS.records.pins(index)))


def refusal(world: World, **fields: Any) -> str:
    """The certificate of a submission that starts nothing."""
    world.submit(world.submission(**fields))
    assert world.aws.ec2 == {}
    return world.certificate()


# Pins
# ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3, 4, 9])
def test_each_object_is_pinned_whether_it_was_asked_for_or_listed(world: World, number: int) -> None:
    names = [f"lab/inputs/scans/{index}.txt" for index in range(number)]
    for name in names:
        world.aws.upload(BUCKET, name, name)
    world.submit(world.submission(dataname=names))
    found = [(one.inputpath, one.size, one.etag, one.version_id, one.pins) for one in world.job().datasets]
    assert found == [
        (name, len(name), etag(name.encode()), world.aws.versions[BUCKET, name], False) for name in names
    ]


def test_a_folder_is_pinned_object_by_object(world: World) -> None:
    names = ["lab/inputs/rec/1.tif", "lab/inputs/rec/.DS_Store", "lab/inputs/rec/deep/2.tif"]
    for name in [*names, "lab/inputs/rec/", "lab/inputs/rec/deep/"]:
        world.aws.upload(BUCKET, name, "" if name.endswith("/") else name)
    world.submit(world.submission(dataname="lab/inputs/rec/"))
    (dataset,) = world.job().datasets
    assert (dataset.pins, dataset.etag, dataset.version_id, dataset.size) == (
        True,
        None,
        None,
        sum(map(len, names)),
    )
    expected = {
        name: Pin(name, len(name), etag(name.encode()), world.aws.versions[BUCKET, name]) for name in names
    }
    assert {pin.path: pin for pin in pins(world, 0)} == expected


@pytest.mark.parametrize("data", ["s3://archive/a.zip", "s3://archive/rec/", "list"])
def test_outside_objects_are_pinned_by_their_etag(data: str) -> None:
    world = World(replace(SETTINGS, outside_buckets=(OutsideBucket("archive", "", ("inputs",), ()),)))
    names = [f"rec/{number}" for number in range(5)]
    for name in ("a.zip", *names):
        world.aws.upload("archive", name, name)
    world.aws.upload("archive", "c.json", "{}")
    wanted = [f"s3://archive/{name}" for name in names] if data == "list" else data
    world.submit(world.submission(dataname=wanted, configname="s3://archive/c.json"))
    source = world.job().config_source
    assert source is not None
    assert (source.etag, source.version_id) == (etag(b"{}"), None)
    for index, dataset in enumerate(world.job().datasets):
        every = (
            pins(world, index)
            if dataset.pins
            else [Pin(dataset.inputpath, dataset.size or 0, dataset.etag or "", dataset.version_id)]
        )
        assert all(pin.path.startswith("s3://archive/") and pin.version_id is None for pin in every)
        assert all(pin.etag == etag(pin.path.removeprefix("s3://archive/").encode()) for pin in every)


def test_each_member_of_an_ensemble_has_the_pins_of_its_folder(world: World) -> None:
    world.aws.upload(BUCKET, "lab/inputs/rec/1", "x")
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"mode": "train", "ensemble_size": 2}')
    world.submit(world.submission(dataname="lab/inputs/rec/"))
    assert pins(world, 0) == pins(world, 1) != []


def test_a_submission_that_is_delivered_again_keeps_the_first_pins() -> None:
    first = World()
    first.submit(first.submission())
    last = len(first.aws.calls)
    for call in range(1, last + 1):
        world = World()
        world.aws.upload(BUCKET, "lab/inputs/a.zip", "before")
        world.aws.kill_at = call
        try:
            world.submit(world.submission())
        except KilledError:
            pass
        written = (BUCKET, KEYS.job) in world.aws.objects_
        before = world.job().datasets if written else None
        world.aws.revive()
        world.aws.upload(BUCKET, "lab/inputs/a.zip", "after!")
        world.clock.forward(200)
        world.deliver(receives=2)
        assert world.job().datasets == (before or world.job().datasets), f"killed at call {call}"
        assert len(world.aws.ec2) == 1


@pytest.mark.parametrize(
    ("per_folder", "all_folders", "said"),
    [(2, 9, "2 objects in a folder"), (9, 4, "4 objects in the folders of")],
)
def test_a_folder_with_more_objects_than_can_be_pinned_is_refused(
    monkeypatch: pytest.MonkeyPatch, world: World, per_folder: int, all_folders: int, said: str
) -> None:
    monkeypatch.setattr("runtime.manager.inputs.FOLDER_MAX_OBJECTS", per_folder)
    monkeypatch.setattr("runtime.manager.inputs.FOLDERS_MAX_OBJECTS", all_folders)
    for folder in ("x", "y"):
        for number in range(3):
            world.aws.upload(BUCKET, f"lab/inputs/{folder}/{number}")
    assert said in refusal(world, dataname=["lab/inputs/x/", "lab/inputs/y/"])
    assert limits.FOLDER_MAX_OBJECTS < limits.FOLDERS_MAX_OBJECTS


@pytest.mark.parametrize("folder", ["one", "each"])
@pytest.mark.parametrize("clutter", ["._{}", "x/{}/"])
def test_no_data_is_left_out_in_silence_behind_what_is_none(
    monkeypatch: pytest.MonkeyPatch, folder: str, clutter: str
) -> None:
    """What is no data sorts before it, and fills the listing."""
    monkeypatch.setattr("runtime.manager.inputs.FOLDER_MAX_OBJECTS", 30)
    for number in (20, 27, 28, 40):
        world = World(changed(SETTINGS, folder=folder, datasets=3))
        for index in range(number):
            world.aws.upload(BUCKET, f"lab/inputs/day/{clutter.format(index)}")
        for name in ("y", "z1", "z2"):
            world.aws.upload(BUCKET, f"lab/inputs/day/{name}")
        world.submit(world.submission(dataname="lab/inputs/day/"))
        if number > 27:
            assert "'lab/inputs/day/' with more than 30 objects" in world.certificate()
            continue
        paths = (
            {pin.path for pin in pins(world, 0)}
            if folder == "one"
            else {one.inputpath for one in world.job().datasets}
        )
        assert paths >= {f"lab/inputs/day/{name}" for name in ("y", "z1", "z2")}


def test_a_record_of_before_has_no_pins() -> None:
    world = World()
    world.submit(world.submission())
    record = json.loads(world.job().to_json())
    for name in ("config_source", "passed_over"):
        del record[name]
    for name in ("etag", "version_id", "pins", "configpath"):
        del record["datasets"][0][name]
    old = Job.from_json(json.dumps(record))
    assert (old.config_source, old.passed_over, old.datasets[0].pins, old.configpath_of(0)) == (
        None,
        (),
        False,
        "lab/configs/c.json",
    )


S3_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda text: len(text.encode()) < 900
)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(S3_KEYS, min_size=1, max_size=5, unique=True), st.booleans())
def test_every_key_is_pinned_or_refused_in_words(names: list[str], folder: bool) -> None:
    world = World(EACH)
    for name in names:
        world.aws.upload(BUCKET, f"lab/inputs/day/{name}", name)
    world.submit(
        world.submission(
            dataname="lab/inputs/day/" if folder else [f"lab/inputs/day/{name}" for name in names]
        )
    )
    if (BUCKET, KEYS.job) not in world.aws.objects_:
        assert world.aws.ec2 == {}
        assert "dataname" in world.facts()["problems"][0]["field"]
        return
    taken = {dataset.inputpath: (dataset.etag, dataset.version_id) for dataset in world.job().datasets}
    there = {f"lab/inputs/day/{name}": name for name in names}
    if not folder:
        assert {path for path in taken if not path.endswith("/")} <= there.keys()
    left_out = {path for path in there if path not in taken}
    assert all(path in world.job().passed_over or path.endswith("/") or not folder for path in left_out)
    for path, pinned in taken.items():
        if path in there and not path.endswith("/"):
            assert pinned == (etag(there[path].encode()), world.aws.versions[BUCKET, path])


# Configuration
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("c.json", b'\xef\xbb\xbf{"rate": 1e-05}'),
        ("c.yaml", b"\xef\xbb\xbfrate: 1.0e-5\r\n"),
        ("c.yml", b"# by hand\nrate: 0.00001\n"),
    ],
)
def test_machines_get_the_checked_configuration_beside_the_original(
    world: World, name: str, raw: bytes
) -> None:
    properties = {"wait": {"type": "integer", "default": 5}, "rate": {"type": "number"}}
    world.settings = replace(world.settings, parameters={"type": "object", "properties": properties})
    world.aws.objects_[BUCKET, f"lab/configs/{name}"] = (raw, {})
    world.submit(world.submission(configname=f"lab/configs/{name}"))
    job = world.job()
    assert job.configpath_of(0) == f"jobs/lab/job_t1/configs/{name}"
    text = world.aws.objects_[BUCKET, job.configpath_of(0)][0].decode("utf-8")
    assert yaml.safe_load(text) == json.loads(text) == {"rate": 1e-05, "wait": 5}
    assert world.aws.objects_[BUCKET, f"jobs/lab/job_t1/configs/original/{name}"][0] == raw
    assert (job.configpath, job.configname) == (f"lab/configs/{name}", name)
    assert job.config_source is not None
    assert (job.config_source.etag, job.config_source.sha256) == (etag(raw), sha256(raw).hexdigest())


def test_the_configuration_is_read_once(world: World) -> None:
    world.submit(world.submission())
    assert world.aws.calls.count(("get", "lab/configs/c.json")) == 1
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"wait": 99}')
    assert json.loads(world.aws.text(BUCKET, world.job().configpath_of(0))) == {"wait": 5}


@pytest.mark.parametrize(("letters", "taken"), [(125, True), (126, False)])
def test_a_configuration_has_a_name_that_a_file_can_have(world: World, letters: int, taken: bool) -> None:
    name = f"lab/configs/{'ä' * letters}.json"
    world.aws.upload(BUCKET, name, "{}")
    world.submit(world.submission(configname=name))
    assert bool(world.aws.ec2) == taken
    assert ("longer than 255 bytes" in world.certificate()) != taken


# What is no dataset
# -------------------------------------------------------------------------------------------------

JUNK = [".DS_Store", "._rec1.tif", "Thumbs.db", "THUMBS.DB", "Desktop.ini", "__MACOSX/rec1.tif",
    "@eaDir/rec1.tif/x", "~$notes.docx",
        ".notes.txt.swp", ".nfs0000000000a8b9c400000012", "lost+found/1", "Icon\r", ".~lock.notes.odt#",
        "day1/.Trashes/501/x"]  # fmt: skip
DATA = [
    "rec1.tif",
    "rec.DS_Store",
    "thumbs.db.tif",
    "data.swp",
    "day1/_rec.tif",
    ".hidden/rec",
    "__MACOSX.tif",
    "backup~",
    "dsc.tmp",
]


def test_what_operating_systems_leave_behind_is_no_dataset() -> None:
    world = World(EACH)
    for name in [*JUNK, *DATA]:
        world.aws.upload(BUCKET, f"lab/inputs/day/{name}")
    world.submit(world.submission(dataname="lab/inputs/day/"))
    assert {dataset.inputpath for dataset in world.job().datasets} == {
        f"lab/inputs/day/{name}" for name in DATA
    }
    assert set(world.job().passed_over) == {f"lab/inputs/day/{name}" for name in JUNK}
    (said,) = [line for line in world.certificate().splitlines() if "was passed over" in line]
    assert "lab/inputs/day/Thumbs.db" in said


def test_not_more_than_twenty_are_told() -> None:
    world = World(EACH)
    for number in range(30):
        world.aws.upload(BUCKET, f"lab/inputs/day/._{number}")
        world.aws.upload(BUCKET, f"lab/inputs/day/{number}")
    world.submit(world.submission(dataname="lab/inputs/day/"))
    assert (len(world.job().datasets), len(world.job().passed_over)) == (30, 20)
    assert "and perhaps more" in world.certificate()


@pytest.mark.parametrize("folder", ["one", "each"])
def test_a_folder_with_nothing_else_is_empty(folder: str) -> None:
    world = World(changed(SETTINGS, folder=folder))
    for name in (".DS_Store", "deep/Thumbs.db"):
        world.aws.upload(BUCKET, f"lab/inputs/day/{name}")
    assert "in which there is only what operating systems" in refusal(world, dataname="lab/inputs/day/")


def test_a_blueprint_has_a_list_of_its_own() -> None:
    world = World(changed(EACH, ignore=("*.txt",)))
    for name in ("a.tif", "A.TXT", ".DS_Store"):
        world.aws.upload(BUCKET, f"lab/inputs/day/{name}")
    world.submit(world.submission(dataname="lab/inputs/day/"))
    assert [dataset.name for dataset in world.job().datasets] == [".DS_Store", "a.tif"]


def test_what_a_submission_names_itself_is_taken(world: World) -> None:
    world.aws.upload(BUCKET, "lab/inputs/Thumbs.db")
    world.submit(world.submission(dataname=["lab/inputs/Thumbs.db"]))
    assert [dataset.name for dataset in world.job().datasets] == ["Thumbs.db"]
    assert world.job().passed_over == ()


def test_names_that_are_no_files_are_refused_in_words() -> None:
    world = World(EACH)
    for name in ("a\nb", "ok", "../x"):
        world.aws.upload(BUCKET, f"lab/inputs/day/{name}")
    said = refusal(world, dataname="lab/inputs/day/")
    assert "control characters or line breaks" in said
    assert "'..' segments" in said


@settings(deadline=None, max_examples=examples(60))
@given(st.text(st.characters(exclude_characters="/"), min_size=1), st.sampled_from(LEFT_BEHIND))
def test_a_pattern_holds_for_whole_names_wherever_they_are(name: str, pattern: str) -> None:
    assert (
        is_ignored(name, LEFT_BEHIND)
        == is_ignored(f"a/{name}/b", LEFT_BEHIND)
        == is_ignored(f"a/{name}", LEFT_BEHIND)
    )
    if not set(pattern) & set("*?["):
        assert is_ignored(f"{name}/{pattern.upper()}", (pattern,))


# Disks
# ------------------------------------------------------------------------------------------------------------


def test_the_disk_grows_for_the_largest_dataset_and_that_is_said(world: World) -> None:
    world.aws.sizes[BUCKET, "lab/inputs/b.zip"] = 20 * GIB
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    (request, _), *_ = world.aws.reservations.values()
    assert (request.volume_gib, world.job().volume_gib, world.job().dataset_size_gib) == (48, 48, 32)
    assert (
        "volume of each machine enlarged to 48 GiB, 32 of them for data: the largest dataset, b.zip, has "
        "20.0 GiB"
    ) in world.certificate()


def test_a_folder_counts_as_a_whole(world: World) -> None:
    for name in ("1", "2"):
        world.aws.upload(BUCKET, f"lab/inputs/rec/{name}")
        world.aws.sizes[BUCKET, f"lab/inputs/rec/{name}"] = 10 * GIB
    world.submit(world.submission(dataname="lab/inputs/rec/"))
    assert world.job().volume_gib == 48


def test_a_dataset_without_room_on_any_disk_is_refused(world: World) -> None:
    world.aws.sizes[BUCKET, "lab/inputs/a.zip"] = 120 * GIB
    said = refusal(world)
    assert "dataname: got 'lab/inputs/a.zip' of 120.0 GiB" in said
    assert "Allowed: datasets of up to 108 GiB" in said
    assert "limits.dataset_size_gib" in said
    assert world.facts()["exit_class"] == "data"


def test_a_small_dataset_leaves_the_disk_as_it_is(world: World) -> None:
    world.aws.sizes[BUCKET, "lab/inputs/a.zip"] = 4 * GIB
    world.submit(world.submission())
    (request, _), *_ = world.aws.reservations.values()
    assert request.volume_gib is None
    assert "enlarged" not in world.certificate()


@settings(deadline=None, max_examples=examples(60))
@given(
    st.integers(8, 200), st.integers(1, 500), st.floats(0, 5), st.integers(0, 500), st.integers(0, 600 * GIB)
)
def test_whatever_is_started_has_room_for_its_data(
    volume: int, limit: int, factor: float, asked: int, size: int
) -> None:
    asked = min(asked, limit)
    analysis = changed(SETTINGS, volume_gib=volume, dataset_size_gib=limit, disk_factor=factor)
    try:
        added = room(analysis.disk_rules, asked, {"small": 1, "large": size})
    except InvalidInput:
        assert factor > 0
        assert size > (volume // 2 + limit) * GIB
        return
    assert asked <= added <= limit
    space = (volume // 2 + added) * GIB
    assert space >= min(factor, 1) * size
    assert space >= factor * size or added == limit
    assert added == asked or factor > 0


@settings(deadline=None, max_examples=examples(60))
@given(
    st.integers(8, 200), st.integers(1, 500), st.floats(0, 5), st.integers(0, 500), st.integers(0, 600 * GIB)
)
def test_a_disk_that_follows_the_input_has_its_room_beside_the_rest(
    volume: int, limit: int, factor: float, asked: int, size: int
) -> None:
    asked = min(asked, limit)
    analysis = changed(
        SETTINGS, volume_gib=volume, dataset_size_gib=limit, disk_factor=factor, disk_rule=True
    )
    try:
        added = room(analysis.disk_rules, asked, {"large": size})
    except InvalidInput:
        assert min(factor, 1) * size > limit * GIB
        return
    assert asked <= added <= limit
    assert added * GIB >= min(factor * size, limit * GIB)
    assert added in (asked, limit) or (added - 1) * GIB < factor * size


def test_members_of_the_dataset_document_are_kept() -> None:
    world = World()
    world.submit(world.submission())
    job = world.job()
    assert Job.from_json(job.to_json()) == job
    assert isinstance(job.datasets[0], Dataset)
