"""Datasets that a file lists: what it may say, and what the service makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.manifest import parse_manifest
from neurocaas.protocol.problems import InvalidInput
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

LIST = "lab/inputs/list.csv"


def listed(
    text: str, key: str = LIST, config: str = "{}", world: World | None = None, **fields: Any
) -> World:
    world = world or World(changed(SETTINGS, sweep=10))
    world.aws.upload(BUCKET, "lab/configs/c.json", config)
    world.aws.upload(BUCKET, key, text)
    world.submit(world.submission(**{"dataname": None, "manifest": key, **fields}))
    return world


def test_each_line_is_a_dataset() -> None:
    text = "# two of them\nlab/inputs/a.zip\n\ns3://dti/lab/inputs/b.zip\r\n"
    job = listed(text, "lab/configs/list.txt").job()
    assert [one.inputpath for one in job.datasets] == ["lab/inputs/a.zip", "lab/inputs/b.zip"]
    assert job.manifest == "lab/configs/list.txt"
    assert job.swept == ()


def test_columns_are_parameters_of_each_dataset() -> None:
    text = "dataset,wait\nlab/inputs/a.zip,3\nlab/inputs/b.zip,\nlab/inputs/c.zip,3\n"
    world = listed(text, config='{"wait": 7}')
    job = world.job()
    configs = [json.loads(world.aws.text(BUCKET, job.configpath_of(index)))["wait"] for index in range(3)]
    assert configs == [3, 7, 3]
    assert job.configpath_of(0) == job.configpath_of(2) != job.configpath_of(1)
    assert [one.folder for one in job.datasets] == ["", "", ""]
    for machine in list(world.aws.ec2):
        world.complete(machine)
    table = json.loads(world.aws.text(BUCKET, job.keys.records.sweep("json")))
    assert [one["parameters"] for one in table["runs"]] == [{"wait": 3}, {}, {"wait": 3}]


def test_what_was_read_is_kept_and_pinned() -> None:
    text = "lab/inputs/a.zip\n"
    world = listed(text, "lab/inputs/list.txt")
    job = world.job()
    assert job.manifest_source is not None
    assert job.manifest_source.etag == world.aws.etag(BUCKET, "lab/inputs/list.txt")
    assert world.aws.text(BUCKET, f"{job.keys.records.prefix}manifest.txt") == text


def test_a_table_that_is_a_dataset_stays_one() -> None:
    world = World()
    world.aws.upload(BUCKET, LIST, "dataset\nlab/inputs/a.zip\n")
    world.submit(world.submission(dataname=LIST))
    assert [one.inputpath for one in world.job().datasets] == [LIST]


def test_a_folder_hands_its_parameters_on() -> None:
    world = World(changed(SETTINGS, folder="each", sweep=10))
    for name in ("x", "y"):
        world.aws.upload(BUCKET, f"lab/inputs/scans/{name}.nii")
    listed("dataset,wait\nlab/inputs/scans/,3\nlab/inputs/a.zip,4\n", world=world)
    assert [one.parameters for one in world.job().datasets] == [{"wait": 3}, {"wait": 3}, {"wait": 4}]


@pytest.mark.parametrize(
    ("text", "fields", "told"),
    [
        ("dataset\nother/inputs/a.zip\n", {}, "manifest line 2: got 'other/inputs/a.zip'"),
        ("dataset\nlab/inputs/none.zip\n", {}, "S3 Bucket does not contain lab/inputs/none.zip"),
        ("dataset,wait\nlab/inputs/a.zip,-3\n", {}, "manifest line 2, config wait: got -3"),
        ("dataset,wiat\nlab/inputs/a.zip,3\n", {}, "manifest line 2, config 'wiat'"),
        ("dataset,__duration__\nlab/inputs/a.zip,3\n", {}, "manifest line 2, config __duration__"),
        ("dataset\nlab/inputs/a.zip\nlab/inputs/a.zip\n", {}, "line 3: got 'lab/inputs/a.zip', which"),
        ("dataset\nlab/inputs/a.zip\ns3://dti/lab/inputs/a.zip\n", {}, "which line 2 has already"),
        ("name\nlab/inputs/a.zip\n", {}, "manifest line 1: got 'name'"),
        ("dataset,dataset\nx,y\n", {}, "manifest line 1"),
        ("dataset,wait\nlab/inputs/a.zip\n", {}, "manifest line 2: got 1 cells"),
        ('dataset\n"lab/inputs/a.zip\n', {}, "no CSV"),
        ("dataset\n", {}, "no dataset"),
        ("dataset,wait\n,3\n", {}, "manifest line 2: got no dataset"),
        ("dataset\nlab/inputs/a.zip\n", {"dataname": "lab/inputs/a.zip"}, "a manifest and dataname"),
        ("dataset\nlab/inputs/a.zip\n", {"manifest": "lab/inputs/no.csv"}, "lab/inputs/no.csv"),
        ("dataset\nlab/inputs/a.zip\n", {"manifest": "other/inputs/n.csv"}, "got 'other/inputs/n.csv'"),
        ("dataset\nlab/inputs/a.zip\n", {"manifest": "lab/inputs/a.zip"}, "ending in .txt or .csv"),
        ("dataset\nlab/inputs/a.zip\n", {"manifest": 3}, "manifest: got 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str, fields: dict[str, Any], told: str) -> None:
    world = listed(text, **fields)
    assert world.aws.ec2 == {}
    assert told in world.certificate()


@pytest.mark.parametrize("config", [{"sweep": {"wait": [1, 2]}}, {"mode": "train", "ensemble_size": 2}])
def test_parameters_of_datasets_are_no_sweep_and_no_ensemble(config: dict[str, Any]) -> None:
    text = "dataset,wait\nlab/inputs/a.zip,3\n"
    world = listed(text, config=json.dumps(config))
    assert world.aws.ec2 == {}
    assert "parameters in a manifest" in world.certificate()
    plain = listed("dataset\nlab/inputs/a.zip\n", config=json.dumps(config))
    assert len(plain.aws.ec2) == 2


def test_it_is_bounded() -> None:
    many = "dataset\n" + "".join(f"lab/inputs/{number}.zip\n" for number in range(501))
    assert "501 datasets" in listed(many).certificate()
    assert "bytes" in listed("#" * (4 << 20) + "\nlab/inputs/a.zip\n", "lab/inputs/l.txt").certificate()
    wrong = "dataset\n" + "".join(f"other/{number}\n" for number in range(100))
    text = listed(wrong).certificate()
    assert text.count("INPUT ERROR:") == 21
    assert "80 more wrong lines" in text


def test_another_image_does_not_matter_to_the_work_of_a_manifest() -> None:
    """The same datasets by name and by a manifest are the same work."""
    world = World(changed(replace(SETTINGS), sweep=10))
    listed("dataset\nlab/inputs/a.zip\n", world=world)
    first = world.job().work
    world.submit(world.submission(timestamp="t2"), "lab/submissions/b_submit.json")
    assert world.job("t2").work == first


@given(st.binary(max_size=60), st.sampled_from(["a.csv", "a.txt"]))
def test_any_bytes_are_lines_or_refused(raw: bytes, key: str) -> None:
    try:
        lines = parse_manifest(b"dataset,wait\n" * (key == "a.csv") + raw, key, None, 10)
    except InvalidInput:
        return
    assert all(line.dataset and line.number >= 1 for line in lines)
