"""Files of the world in a submission: named by address and digest, where the blueprint admits their host;
the manager asks none of them for anything."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas.protocol.addresses import Address
from neurocaas.protocol.job import Job
from neurocaas.protocol.settings import AnalysisSettings
from runtime.instance.agent.prepare import prepared
from runtime.instance.agent.storage import FolderStorage
from runtime.monitor.evidence import _sources
from tests.unit.job_world import SETTINGS, World

DIGEST = "ab" * 32
HOSTS = ("https://data.example.org/", "https://open.example.org/pub/")
OURS = replace(SETTINGS, input_addresses=HOSTS)


def name(url: str = "https://data.example.org/blobs/0a/uuid", size: int = 5, file: str = "sub-1.nwb") -> str:
    host, _, path = url.removeprefix("https://").partition("/")
    return Address(f"https://{host}", f"/{path}", DIGEST, size, file).dataname


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    def nobody(*_: object, **__: object) -> Any:
        raise AssertionError("the manager asks no address")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    return World(OURS)


def test_the_settings_document_keeps_the_hosts_and_older_ones_have_none() -> None:
    assert AnalysisSettings.from_json(OURS.to_json()) == OURS
    older = json.loads(OURS.to_json())
    del older["input_addresses"]
    assert AnalysisSettings.from_json(json.dumps(older)).input_addresses == ()


def test_a_file_of_the_world_is_a_dataset_with_its_digest_as_its_pin(world: World) -> None:
    names = [name(), name("https://open.example.org/pub/x.nwb", 7, "x.nwb")]
    assert world.submit(world.submission(dataname=names)).exit_code == 0
    job = world.job()
    assert [(one.inputpath, one.name, one.size, one.etag) for one in job.datasets] == [
        (names[0], "sub-1.nwb", 5, f"sha256:{DIGEST}"),
        (names[1], "x.nwb", 7, f"sha256:{DIGEST}"),
    ]
    assert Job.from_json(job.to_json()) == job
    assert ("https://data.example.org", names[0].removeprefix("https://data.example.org/")) in _sources(
        job, 0
    )


@pytest.mark.parametrize(
    ("dataname", "said"),
    [
        ("https://data.example.org/x.nwb", "it is not of the form"),
        (
            "https://evil.example.com/x#sha256=" + DIGEST + "&size=1/x",
            "addresses below https://data.example.org/",
        ),
        (
            "https://open.example.org/private/x#sha256=" + DIGEST + "&size=1/x",
            "https://open.example.org/pub/",
        ),
        ("https://169.254.169.254/latest#sha256=" + DIGEST + "&size=1/x", "it is not of the form"),
        ("http://data.example.org/x#sha256=" + DIGEST + "&size=1/x", "lab/inputs"),
        ("dandi://000003/draft/x.nwb", "lab/inputs"),
        ("https://u:p@data.example.org/x#sha256=" + DIGEST + "&size=1/x", "it is not of the form"),
    ],
)
def test_every_other_address_is_refused(world: World, dataname: str, said: str) -> None:
    assert world.submit(world.submission(dataname=dataname)).exit_code == 99
    assert said in world.certificate()
    assert world.aws.ec2 == {}


def test_an_analysis_without_hosts_takes_none() -> None:
    world = World(SETTINGS)
    assert world.submit(world.submission(dataname=name())).exit_code == 99
    assert "of which this analysis takes none" in world.certificate()


def test_a_configuration_is_never_fetched_from_the_world(world: World) -> None:
    config = name("https://data.example.org/c.json", 5, "c.json")
    assert world.submit(world.submission(dataname=name(), configname=config)).exit_code == 99
    assert "an address" in world.certificate()


def test_a_file_that_fits_on_no_disk_is_refused_by_its_stated_size(world: World) -> None:
    assert world.submit(world.submission(dataname=name(size=10**14))).exit_code == 99
    assert "sub-1.nwb" in world.certificate()


def test_a_machine_pins_what_the_job_says(world: World, tmp_path: Path) -> None:
    assert world.submit(world.submission(dataname=name())).exit_code == 0
    (tmp_path / "job.json").write_text(world.job().to_json())
    environment = {
        "NEUROCAAS_JOB_FILE": str(tmp_path / "job.json"),
        "NEUROCAAS_DATASET_INDEX": "0",
        "NEUROCAAS_CONFIG": "there",
        "bucketname": "b",
    }
    found = prepared(environment, tmp_path, FolderStorage(tmp_path))
    pins = json.loads(Path(found["NEUROCAAS_PINS"]).read_text())
    assert pins == {name(): {"etag": f"sha256:{DIGEST}", "version_id": None, "size": 5}}
