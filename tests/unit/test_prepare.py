"""What a script finds when it starts: configuration, pins, and the deployed code where the guide says that it
is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.instance.agent.prepare import link_home, prepared
from runtime.instance.agent.storage import StorageError

PIN = {"etag": "e", "version_id": None, "size": 3}


def environment(tmp_path: Path, dataset: dict[str, Any], **job: Any) -> dict[str, str]:
    document = {
        "config": {"x": 1.5},
        "datasets": [{"name": "other"}, {"inputpath": "lab/inputs/a", **dataset}],
        **job,
    }
    (tmp_path / "job.json").write_text(json.dumps(document))
    return {
        "bucketname": "mock",
        "configpath": "jobs/lab/job_1/configs/c.json",
        "NEUROCAAS_JOB_FILE": str(tmp_path / "job.json"),
        "NEUROCAAS_DATASET_INDEX": "1",
        "NEUROCAAS_STOP": "jobs/lab/job_1/stop.json",
        "NEUROCAAS_LOCAL_BUCKET_ROOT": str(tmp_path / "buckets"),
    }


def put(tmp_path: Path, key: str, document: Any) -> None:
    path = tmp_path / "buckets" / "mock" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def read(tmp_path: Path, variables: dict[str, str]) -> dict[str, Any]:
    return {name: json.loads(Path(path).read_text()) for name, path in variables.items()}


@pytest.mark.parametrize(
    ("dataset", "pins"),
    [
        ({}, {}),
        ({"etag": "e", "version_id": None, "size": 3}, {"lab/inputs/a": PIN}),
        ({"pins": True}, {"lab/inputs/a/b": PIN, "s3://else/c": {**PIN, "version_id": "v"}}),
    ],
)
def test_configuration_and_pins_are_files(
    tmp_path: Path, dataset: dict[str, Any], pins: dict[str, Any]
) -> None:
    objects = [{"path": "lab/inputs/a/b", **PIN}, {"path": "s3://else/c", **PIN, "version_id": "v"}]
    put(tmp_path, "jobs/lab/job_1/pins/1.json", {"schema_version": 1, "objects": objects})
    found = prepared(environment(tmp_path, dataset), tmp_path)
    assert read(tmp_path, found) == {"NEUROCAAS_CONFIG": {"x": 1.5}, "NEUROCAAS_PINS": pins}


def test_a_member_of_an_ensemble_has_its_own_configuration(tmp_path: Path) -> None:
    put(tmp_path, "jobs/lab/job_1/configs/c.json", {"x": 2, "jobnb": 1})
    found = prepared(environment(tmp_path, {"configpath": "jobs/lab/job_1/configs/c.json"}), tmp_path)
    assert read(tmp_path, found)["NEUROCAAS_CONFIG"] == {"x": 2, "jobnb": 1}


def test_what_is_there_already_is_left(tmp_path: Path) -> None:
    given = {**environment(tmp_path, {}), "NEUROCAAS_CONFIG": "/c", "NEUROCAAS_PINS": "/p"}
    assert prepared(given, tmp_path) == {}


def test_without_a_list_of_its_files_a_dataset_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"pins/1\.json does not exist"):
        prepared(environment(tmp_path, {"pins": True}), tmp_path)


def test_without_a_job_there_is_the_configuration_of_the_bucket(tmp_path: Path) -> None:
    by_hand = {
        name: value
        for name, value in environment(tmp_path, {}).items()
        if not name.startswith(("NEUROCAAS_JOB", "NEUROCAAS_DATA"))
    }
    assert prepared(by_hand, tmp_path) == {}
    put(tmp_path, by_hand["configpath"], {"y": 1})
    assert read(tmp_path, prepared(by_hand, tmp_path)) == {"NEUROCAAS_CONFIG": {"y": 1}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "opt" / "code" / "a"
    for name in ("run_main.sh", "ncap_utils/workflow.sh", "epi/run.sh", "agent/x.py"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text("deployed")
    return made


def test_the_deployed_code_is_where_the_guide_says(tmp_path: Path, tree: Path) -> None:
    place = tmp_path / "home" / "neurocaas_contrib"
    assert list(link_home(place.parent, tree)) == []
    assert place.resolve() == tree
    assert list(link_home(place.parent, tree)) == []
    newer = tree.with_name("b")
    tree.rename(newer)
    assert list(link_home(place.parent, newer)) == []  # an earlier deployment's link is in nobody's way
    assert place.resolve() == newer
    assert [path.name for path in place.parent.iterdir()] == ["neurocaas_contrib"]


@pytest.mark.parametrize("linked", [False, True])
def test_what_the_image_has_there_is_moved_aside(tmp_path: Path, tree: Path, linked: bool) -> None:
    home = tmp_path / "home"
    own = tmp_path / "elsewhere" if linked else home / "neurocaas_contrib"
    for name in (
        "run_main.sh",
        "ncap_utils/workflow.sh",
        "ncap_utils/parse.py",
        "epi/model.py",
        "dlc/run.sh",
        "agent/y.py",
        ".git/HEAD",
    ):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text("image")
    (home / "neurocaas_contrib.image").mkdir(parents=True)
    if linked:
        (home / "neurocaas_contrib").symlink_to(own)
    place = home / "neurocaas_contrib"
    assert list(link_home(home, tree)) == [
        f"NeuroCAAS: the image's own {place} is {place}.image-2 now; the deployed code is in its place."
    ]
    deployed, image = (
        ("run_main.sh", "ncap_utils/workflow.sh", "epi/run.sh"),
        ("ncap_utils/parse.py", "epi/model.py", "dlc/run.sh"),
    )
    assert {(place / name).read_text() for name in deployed} == {"deployed"}
    assert {(place / name).read_text() for name in image} == {"image"}
    assert not (place / "agent/y.py").exists()
    assert (home / "neurocaas_contrib.image-2/run_main.sh").read_text() == "image"


def test_what_is_in_the_way_and_stays_is_told(tmp_path: Path, tree: Path) -> None:
    own = tmp_path / "own" / "neurocaas_contrib"
    own.mkdir(parents=True)
    assert list(link_home(own.parent, tree, move=False)) == [
        f"NeuroCAAS: {own} is not the deployed code, which is {tree}: something is in its place"
    ]
    assert not own.is_symlink()
    (tmp_path / "home").write_text("no folder")
    assert "is not the deployed code, which is" in "".join(link_home(tmp_path / "home", tree))
