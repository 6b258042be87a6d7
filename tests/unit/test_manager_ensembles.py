"""One dataset many times (ensembles), and one name for many datasets (folders)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.command import main_command
from neurocaas.protocol.keys import JobKeys
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

CONFIG = "lab/configs/c.json"
FOLDER = "lab/inputs/scans/"


def ensemble(config: dict[str, Any], **fields: Any) -> World:
    world = World(
        changed(
            SETTINGS,
            ensemble_size=10,
            parameters={**(SETTINGS.parameters or {}), "additionalProperties": True},
        )
    )
    world.aws.upload(BUCKET, CONFIG, json.dumps(config))
    world.submit(world.submission(**fields))
    return world


def test_each_member_has_its_machine_number_configuration_and_status() -> None:
    world = ensemble({"mode": "train", "ensemble_size": 5, "rate": 0.1})
    job = world.job()
    assert [dataset.jobnb for dataset in job.datasets] == [1, 2, 3, 4, 5]
    assert {dataset.inputpath for dataset in job.datasets} == {"lab/inputs/a.zip"}
    assert len({dataset.status_key for dataset in job.datasets}) == len(world.aws.ec2) == 5
    for index, dataset in enumerate(job.datasets):
        config = main_command(job, index)[5]
        assert config == dataset.configpath == f"jobs/lab/job_t1/configs/inst{index + 1}_c.json"
        told = json.loads(world.aws.text(BUCKET, config))
        assert told == {"mode": "train", "ensemble_size": 5, "rate": 0.1, "wait": 5, "jobnb": index + 1}
    for machine in list(world.aws.ec2):
        world.complete(machine)
    assert world.end() == "SUCCESS 5/5\n"
    assert world.certificate().count("DATANAME: lab/inputs/a.zip") == 5


@pytest.mark.parametrize(
    "config", [{"ensemble_size": 1}, {"mode": "predict", "ensemble_size": 3}, {"mode": "train"}, {}]
)
def test_anything_else_is_a_plain_job(config: dict[str, Any]) -> None:
    world = ensemble(config)
    (dataset,) = world.job().datasets
    assert dataset.jobnb is None
    assert world.job().configpath_of(0) == "jobs/lab/job_t1/configs/c.json"


@pytest.mark.parametrize(
    "config",
    [{"ensemble_size": 3}, {"mode": None, "ensemble_size": 3}, {"mode": "Train", "ensemble_size": "3"}],
)
def test_a_size_without_the_mode_is_no_single_job(config: dict[str, Any]) -> None:
    world = ensemble(config)
    assert world.aws.ec2 == {}
    assert "Write mode: train, or remove ensemble_size." in world.certificate()
    assert world.facts()["exit_class"] == "user"


def test_a_size_in_a_mode_of_the_analysis_is_noted() -> None:
    world = ensemble({"mode": "predict", "ensemble_size": 3})
    assert len(world.aws.ec2) == 1
    assert (
        "NOTE: ensemble_size is 3, in mode 'predict': one machine for each dataset; only mode: train makes "
        "an ensemble"
    ) in (world.certificate())


def test_a_mode_by_default_is_a_mode() -> None:
    properties = {
        "mode": {"enum": ["train", "predict"], "default": "train"},
        "ensemble_size": {"type": "integer"},
    }
    world = World(replace(SETTINGS, parameters={"type": "object", "properties": properties}))
    world.aws.upload(BUCKET, CONFIG, '{"ensemble_size": 3.0}')
    world.submit(world.submission())
    assert [dataset.jobnb for dataset in world.job().datasets] == [1, 2, 3]
    assert world.job().config["ensemble_size"] == 3
    assert isinstance(world.job().config["ensemble_size"], int)


@pytest.mark.parametrize("size", [0, -1, 11, 1.5, "3", True, None])
def test_an_ensemble_has_a_size(size: object) -> None:
    world = ensemble({"mode": "train", "ensemble_size": size})
    assert world.aws.ec2 == {}
    assert "a whole number of members from 1 to 10" in world.certificate()


def test_an_ensemble_has_one_dataset() -> None:
    world = ensemble({"mode": "train", "ensemble_size": 3}, dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"])
    assert world.aws.ec2 == {}
    assert "for ensembles, we must have only one dataset." in world.certificate()
    assert "budget" not in world.certificate()


def folder(number: int, **changes: Any) -> World:
    world = World(changed(SETTINGS, datasets=30, **changes))
    world.aws.upload(BUCKET, FOLDER, b"")
    world.aws.upload(BUCKET, f"{FOLDER}below/", b"")
    for index in range(number):
        world.aws.upload(BUCKET, f"{FOLDER}{'below/' if index % 2 else ''}{index // 2}.nii")
    return world


def test_a_folder_is_one_dataset() -> None:
    world = folder(4)
    world.submit(world.submission(dataname=FOLDER))
    assert [dataset.inputpath for dataset in world.job().datasets] == [FOLDER]


def test_or_each_of_its_objects_is_one() -> None:
    world = folder(4, folder="each")
    world.submit(world.submission(dataname=["lab/inputs/a.zip", FOLDER]))
    job = world.job()
    assert [dataset.inputpath for dataset in job.datasets] == [
        "lab/inputs/a.zip",
        f"{FOLDER}0.nii",
        f"{FOLDER}1.nii",
        f"{FOLDER}below/0.nii",
        f"{FOLDER}below/1.nii",
    ]
    assert [dataset.name for dataset in job.datasets] == [
        "a.zip",
        "scans_0.nii",
        "scans_1.nii",
        "below_0.nii",
        "below_1.nii",
    ]
    assert len(world.aws.ec2) == 5


@pytest.mark.parametrize("how", ["one", "each"])
def test_an_empty_folder_has_no_data(how: str) -> None:
    world = World(changed(SETTINGS, folder=how))
    world.aws.upload(BUCKET, FOLDER, b"")
    world.submit(world.submission(dataname=FOLDER))
    assert world.aws.ec2 == {}
    assert f"S3 Bucket does not contain {FOLDER}" in world.certificate()


@pytest.mark.parametrize(("number", "machines"), [(30, 30), (31, 0), (500, 0)])
def test_a_folder_has_no_more_datasets_than_a_submission(number: int, machines: int) -> None:
    world = folder(number, folder="each")
    world.submit(world.submission(dataname=FOLDER))
    assert len(world.aws.ec2) == machines
    assert ("folders with more than 30 objects" in world.certificate()) == (machines == 0)
    assert (BUCKET, JobKeys.of("lab", "t1").certificate) in world.aws.objects_
