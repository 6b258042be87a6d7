"""`invoke ship`: which commands come in which order, what is passed over, and where it stops."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.exceptions import Exit

import blueprints
import neurocaas
from blueprints import starter
from blueprints.provision import read
from console.errors import UserError
from image_builder.recording.verification import digest_of, store
from road import commands
from road.ship import Road

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION, AMI = "111122223333", "us-east-1", "ami-0123456789abcdef0"


class World:
    """A project with the analysis spikes, and what its commands would have done. `fail`: words of a command
    -> its exit code.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.told: list[str] = []
        self.fail: dict[str, int] = {}
        self.jobs: dict[str, bool] = {}
        self.outputs: dict[str, Any] = {}

    def run(self, words: Sequence[str]) -> int:
        """What the commands leave behind that the next ones look at."""
        self.ran.append(words[0])
        if words[0] in self.fail:
            return self.fail[words[0]]
        blueprint = blueprints.load("spikes", "webdev", self.root)
        if words[0] == "deploy":
            image = blueprint.image.baked(ACCOUNT, REGION) or "ami-parent"
            code = {"code_sha256": blueprint.digest, "blueprint_digest": blueprint.digest}
            where = {"account": ACCOUNT, "region": REGION, "bucket": "spikes", "groups": {"debuggers": {}}}
            self.outputs = {**where, **code, "image_id": image}
        elif words[0] == "verify-recording":
            folder = blueprint.folder / "provision"
            store(folder, digest_of(blueprint, read(folder)), {"reproduces": True, "verdict": "reproduces"})
        elif words[0] == "bake-ami":
            blueprints.record_image(self.root, "spikes", ACCOUNT, REGION, AMI)
        elif words[0] == "submit":
            self.jobs[words[words.index("--timestamp") + 1]] = True
        elif words[0] == "results":
            place = self.root / words[words.index("--to") + 1] / "process_results" / "data.txt"
            place.mkdir(parents=True, exist_ok=True)
            (place / "summary.json").write_text("{}")
        return 0

    def road(self, **options: Any) -> Road:
        self.ran.clear()
        made = Road(
            self.root,
            "spikes",
            "webdev",
            self.run,
            self.told.append,
            **{"unverified": False, "to": "out", **options},
        )
        made.engine = SimpleNamespace(outputs=lambda stack: self.outputs)  # type: ignore[assignment]
        return made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("analysis", "base"):
        shutil.copytree(ROOT / "blueprints" / name, tmp_path / "blueprints" / name, symlinks=True)
    starter.configure("spikes", tmp_path)
    made = World(tmp_path)

    def job(name: str) -> Any:
        return SimpleNamespace(status=lambda: SimpleNamespace(succeeded=made.jobs[name]))

    monkeypatch.setattr(
        neurocaas,
        "Analysis",
        lambda bucket, group: SimpleNamespace(job_names=lambda: list(made.jobs), job=job),
    )
    return made


def test_the_whole_road_in_its_order(world: World) -> None:
    steps = world.road().walk()
    assert world.ran == [
        "validate", "lint-provision", "deploy", "verify-recording", "bake-ami", "deploy", "submit", "results",
    ]  # fmt: skip
    assert [step.name for step in steps] == [
        "validate", "lint", "deploy", "verify", "bake", "golden test", "deploy the image", "job", "results",
    ]  # fmt: skip
    assert {step.state for step in steps} == {"done", "left out"}
    (submit,) = [step.command for step in steps if step.name == "job"]
    assert "--data blueprints/spikes/tests/data.txt --config blueprints/spikes/tests/config.json" in submit
    assert "--bucket spikes-webdev --group debuggers" in submit


def test_what_is_done_is_passed_over_and_what_changed_is_tried_anew(world: World) -> None:
    first = world.road()
    first.walk()
    again = world.road()
    states = {step.name: step.state for step in again.walk()}
    assert world.ran == ["validate", "lint-provision", "deploy", "bake-ami", "results"]
    assert (states["verify"], states["deploy the image"], states["job"]) == ("already", "already", "already")
    assert again.job == first.job
    (world.root / "blueprints/spikes/tests/data.txt").write_text("another sample")
    third = world.road()
    third.walk()
    assert "submit" in world.ran
    assert third.job != first.job
    world.jobs[third.job] = False  # it failed: the next one has the next number
    fourth = world.road()
    fourth.walk()
    assert fourth.job == third.job.removesuffix("1") + "2"


@pytest.mark.parametrize(
    "command", ["validate", "lint-provision", "deploy", "verify-recording", "bake-ami", "submit", "results"]
)
def test_it_stops_where_something_is_wrong_and_goes_on_from_there(world: World, command: str) -> None:
    world.fail = {command: 7}
    steps = world.road().walk()
    assert world.ran[-1] == command
    assert (steps[-1].state, steps[-1].exit_code) == ("failed", 7)
    assert steps[-1].command.startswith(f"invoke {command}")
    assert all(step.state != "failed" for step in steps[:-1])
    world.fail = {}
    assert world.road().walk()[-1].state == "done"


def test_without_scripts_there_is_nothing_to_bake(world: World) -> None:
    shutil.rmtree(world.root / "blueprints/spikes/provision")
    world.road().walk()
    assert world.ran == ["validate", "deploy", "submit", "results"]


def test_unverified_bakes_without_a_replay(world: World) -> None:
    (bake,) = [step.command for step in world.road(unverified=True).walk() if step.name == "bake"]
    assert bake.endswith("--unverified")
    assert "verify-recording" not in world.ran


@pytest.mark.parametrize(
    ("submission", "said"),
    [
        (None, "submit.json that cannot be read"),
        ("{", "submit.json that cannot be read"),
        ('{"dataname": []}', "submit.json that cannot be read"),
        ('{"dataname": "lab/inputs/none.zip", "configname": "x"}', "no none.zip in blueprints/spikes/tests"),
    ],
)
def test_a_sample_that_is_not_there_is_told(world: World, submission: str | None, said: str) -> None:
    file = world.root / "blueprints/spikes/tests/submit.json"
    file.unlink()
    if submission is not None:
        file.write_text(submission)
    last = world.road().walk()[-1]
    assert (last.name, last.state, last.exit_code) == ("job", "failed", 1)
    assert said in last.said
    assert all(part in last.said for part in ("allowed:", "do:"))


def test_the_answer_for_a_program_and_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("console.cloud.project_root", lambda: world.root)
    monkeypatch.setattr("console.engine.Engine.outputs_if_any", lambda *_: {"kind": "utils"})
    monkeypatch.setattr("console.engine.Engine.outputs", lambda *_: world.outputs)
    monkeypatch.setattr(commands, "_invoke", lambda root: world.run)
    commands.ship.body(None, "spikes", json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["next"] == "invoke promote spikes-webdev spikes-prod"
    assert [Path(path).name for path in answer["results"]] == ["summary.json"]
    commands.ship.body(None, "spikes")
    assert "spikes-webdev works." in capsys.readouterr().out
    world.fail = {"bake-ami": 3}
    with pytest.raises(Exit) as ended:
        commands.ship.body(None, "spikes", json=True)
    said = capsys.readouterr()
    assert ended.value.code == 3
    assert json.loads(said.out)["next"] == "invoke ship spikes"
    assert not json.loads(said.out)["ok"]
    assert "stopped at bake: `invoke bake-ami --stack spikes-webdev` ended with exit code 3" in said.err
    with pytest.raises(UserError, match="invoke promote spikes-webdev spikes-prod"):
        commands.ship.body(None, "spikes", stage="prod")
    monkeypatch.setattr("console.engine.Engine.outputs_if_any", lambda *_: {})
    with pytest.raises(UserError, match="invoke deploy utils"):
        commands.ship.body(None, "spikes")
