"""`neurocaas watch-folder` and `watches`: what they ask of the service, and what they show of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from neurocaas import Analysis, watches
from neurocaas.commands import watching
from neurocaas.errors import AnalysisError, SeveralErrors
from neurocaas.protocol.keys import rejected_keys
from neurocaas.protocol.watches import Watch, WatchProgress, parse_wish
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import MEMBER, put, run, service

FOLDER = f"{GROUP}/inputs/rig1/"
WISH = f"{GROUP}/submissions/rig1_watch.json"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        yield client


class Service:
    """A clock during whose pauses the service answers."""

    def __init__(self, s3: Any, refuses: str = "", *, silent: bool = False) -> None:
        self.s3, self.refuses, self.silent, self.time = s3, refuses, silent, 0.0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.silent:
            return
        if self.refuses:
            put(self.s3, rejected_keys(GROUP, "rig1").records.end, f"FAILED 0/0 {self.refuses}\n")
            return
        wish = parse_wish(self.s3.get_object(Bucket=BUCKET, Key=WISH)["Body"].read(), GROUP)
        put(self.s3, f"jobs/{GROUP}/watches/rig1.json", watch(state=wish.state).to_json())


def watch(state: str = "on", name: str = "rig1") -> Watch:
    config = f"{GROUP}/configs/c.json"
    return Watch(
        *(BUCKET, GROUP, name, state, "ann", FOLDER, config, "jobs/x.json", 600, 20_000_000, 240_000),
        *("files", "**", False, "2026-01-31T12:00:00.000Z", "2026-03-02T12:00:00.000Z"),
    )


def answered(monkeypatch: pytest.MonkeyPatch, clock: Service) -> None:
    monkeypatch.setattr(watches.ask, "__defaults__", (clock,))


def test_a_folder_is_watched(
    s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(monkeypatch, Service(s3))
    file = tmp_path / "c.json"
    file.write_text('{"threshold": 3}')
    run(watching.watch_folder, "inputs/rig1", config=str(file), cap="$20/month", quiet="5m", folders=True)
    wish = json.loads(s3.get_object(Bucket=BUCKET, Key=WISH)["Body"].read())
    assert wish["prefix"] == FOLDER
    assert (wish["cap_usd"], wish["quiet"], wish["datasets"]) == (20.0, "5m", "folders")
    there = s3.get_object(Bucket=BUCKET, Key=wish["configname"])["Body"].read()
    assert json.loads(there) == {"threshold": 3}
    assert "watch rig1 is on" in capsys.readouterr().err


def test_the_services_refusal_is_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, Service(s3, "watch: cap_usd: got $1"))
    with pytest.raises(AnalysisError, match="refuses the watch: watch: cap_usd"):
        run(watching.watch_folder, "inputs/rig1/", config=f"{GROUP}/configs/c.json", cap="1")


def test_a_service_that_says_nothing_is_waited_for_a_minute(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Service(s3, silent=True)
    answered(monkeypatch, clock)
    run(watching.watch_folder, "inputs/rig1/", config=f"{GROUP}/configs/c.json", cap="1")
    assert "has not answered yet" in capsys.readouterr().err
    assert clock.time == watches.ANSWER_SECONDS


@pytest.mark.parametrize(
    ("prefix", "options", "says"),
    [
        ("inputs/rig1/", {"cap": ""}, "no --cap"),
        ("inputs/rig1/", {"cap": "much"}, "--cap 'much'"),
        ("inputs/rig1/", {"config": ""}, "no --config"),
        ("results/rig1/", {}, "watch: prefix"),
        ("other/inputs/rig1/", {}, "watch: prefix"),
        ("inputs/rig1/", {"quiet": "1s"}, "watch: quiet"),
        ("inputs/rig1/", {"until": "soon"}, "watch: until"),
    ],
)
def test_mistakes_are_told_before_anything_is_uploaded(
    s3: Any, prefix: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises((AnalysisError, SeveralErrors)) as error:
        run(watching.watch_folder, prefix, **{"config": f"{GROUP}/configs/c.json", "cap": "20", **options})
    assert says in str(error.value)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/")


def test_they_are_listed_as_a_table_and_as_a_document(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(s3, f"jobs/{GROUP}/watches/rig1.json", watch().to_json())
    put(s3, f"jobs/{GROUP}/watches/rig2.json", watch("paused", "rig2").to_json())
    progress = WatchProgress(
        watch().made, submitted=3, committed=500_000, state="waiting for data", looked=watch().made
    )
    put(s3, f"jobs/{GROUP}/watching/rig1.json", progress.to_json())
    run(watching.watches)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "rig1", "rig2"]
    assert "$0.50" in lines[1]
    assert "on, waiting for data" in lines[1]
    run(watching.watches, json=True)
    document = json.loads(capsys.readouterr().out)
    schema = Path(__file__).resolve().parents[2] / "docs/schema/commands/watches.json"
    jsonschema.validate(document, json.loads(schema.read_text()))
    assert [one["name"] for one in document["watches"]] == ["rig1", "rig2"]


@pytest.mark.parametrize(("option", "state"), [("pause", "paused"), ("stop", "off"), ("resume", "on")])
def test_one_is_paused_stopped_and_resumed(
    s3: Any, monkeypatch: pytest.MonkeyPatch, option: str, state: str
) -> None:
    answered(monkeypatch, Service(s3))
    put(s3, f"jobs/{GROUP}/watches/rig1.json", watch("paused").to_json())
    put(s3, f"{GROUP}/configs/c.json", "{}")
    run(watching.watches, **{option: "rig1"})
    assert watches.found(Analysis(BUCKET, GROUP).objects, GROUP, "rig1").state == state


def test_one_that_is_not_there_is_named(s3: Any) -> None:
    put(s3, f"jobs/{GROUP}/watches/rig1.json", watch().to_json())
    with pytest.raises(AnalysisError, match="no watch 'rig'"):
        run(watching.watches, stop="rig")
