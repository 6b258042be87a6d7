"""What the workflows run, with the real engine: rules over previews, the comment on a pull request, the
policy pack.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci.comment import MARK
from demo.playground import Playground
from tests.local.deployed import Deployed
from tests.local.environments import environment

pytestmark = pytest.mark.local
ROOT = Path(__file__).resolve().parents[2]
LEDGER = "components/ledger.py"


@pytest.fixture(scope="module")
def ground(service: Deployed) -> Playground:
    return service.ground


@contextmanager
def edited(ground: Playground, file: str, old: str, new: str) -> Iterator[None]:
    """A change of the program, as a pull request has one."""
    path = ground.root / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def without_recovery(ground: Playground) -> Iterator[None]:
    with edited(
        ground,
        LEDGER,
        'point_in_time_recovery={"enabled": True}',
        'point_in_time_recovery={"enabled": False}',
    ):
        yield


def judged(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["schema_version"] == 1
    return {one["stack"]: one for one in document["stacks"]}


def test_what_is_deployed_keeps_every_rule_and_what_is_not_is_judged_as_far_as_it_is_known(
    ground: Playground,
) -> None:
    stacks = judged(
        ground.invoke("check-policies", "analysis-webdev", "dti-webdev", "utils", "--json", "--local")
    )
    assert list(stacks) == ["utils", "analysis-webdev", "dti-webdev"]
    new = stacks.pop("dti-webdev")
    for one in stacks.values():
        assert one["policies"]["judged"] > 60
        assert not one["policies"]["findings"]
        assert not one["policies"]["open"]
    assert new["ok"]
    assert {one["rule"] for one in new["policies"]["open"]} >= {"no-wildcard-action"}


def test_a_change_that_breaks_a_rule_is_told_on_the_pull_request(ground: Playground, tmp_path: Path) -> None:
    comment, summary = tmp_path / "comment.md", tmp_path / "summary.json"
    with (
        without_recovery(ground),
        edited(ground, "blueprints/analysis/blueprint.yaml", "budget_usd: 300", "budget_usd: 301"),
    ):
        files = (f"--out={comment}", f"--summary={summary}")
        done = ground.invoke(
            "ci.preview-comment", "utils", "analysis-webdev", "dti-webdev", *files, "--local", check=False
        )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    stacks = {one["stack"]: one for one in json.loads(summary.read_text())["stacks"]}
    assert [one["op"] for one in stacks["utils"]["changes"]] == ["update"]
    assert {one["type"].rpartition(":")[2] for one in stacks["analysis-webdev"]["changes"]} == {
        "BucketObjectv2",
        "Function",
    }
    assert (stacks["analysis-webdev"]["bake"], stacks["dti-webdev"]["bake"]["command"]) == (
        None,
        "invoke bake-ami --stack dti-webdev",
    )
    text = comment.read_text()
    assert text.startswith(MARK)
    assert "| `utils` | 0 | 1 | 0 | 0 |" in text
    assert "**table-recoverable**, `neurocaas-utils-ledger`" in text


def test_a_program_that_does_not_run_is_told_as_such(ground: Playground) -> None:
    with edited(ground, "blueprints/analysis/blueprint.yaml", "type: m5.large", "type: zz.huge"):
        done = ground.invoke("ci.preview-comment", "analysis-webdev", "--local", check=False)
    assert done.returncode == 1
    assert "There is no preview" in done.stdout
    assert "zz.huge" in done.stdout


def test_a_saved_preview_is_judged_without_the_engine(ground: Playground, tmp_path: Path) -> None:
    file = tmp_path / "preview.json"
    file.write_text(ground.invoke("preview", "dti-webdev", "--json", "--local").stdout)
    assert judged(ground.invoke("check-policies", "dti-webdev", f"--preview={file}", "--json", "--local"))[
        "dti-webdev"
    ]["ok"]
    missing = ground.invoke("check-policies", f"--preview={tmp_path / 'none'}", "--local", check=False)
    assert missing.returncode == 1
    assert "invoke preview STACK --json" in missing.stderr


def test_stacks_come_in_the_order_of_a_deployment_and_missing_images_are_listed(ground: Playground) -> None:
    stacks = ground.invoke("ci.stacks", "--local").stdout.split()
    assert stacks[0] == "utils"
    assert {"analysis-webdev", "dti-webdev"} < set(stacks)
    bakes = json.loads(ground.invoke("ci.bakes", "--json", "--local").stdout)
    assert {one["stack"] for one in bakes} == {"decoder-webdev", "dti-webdev", "fmri-webdev"}
    assert all("none is recorded for account" in one["why"] for one in bakes)


def test_outputs_become_outputs_of_a_step(ground: Playground, service: Deployed, tmp_path: Path) -> None:
    file = tmp_path / "step"
    command = [sys.executable, "-m", "invoke", "outputs", "utils", "--format", "github", "--local"]
    done = ground.run(command, {**ground.environ, "GITHUB_OUTPUT": str(file)})
    assert f"artifact_bucket={service.utils['artifact_bucket']}\n" in file.read_text()
    assert service.utils["artifact_bucket"] not in done.stdout


@pytest.fixture(scope="module")
def pack(ground: Playground) -> str:
    """The folder of the policy pack, with its environment."""
    link = ground.root / "policypack" / "venv"
    link.symlink_to(environment("policypack", [ROOT / "requirements" / "policypack.txt"]))
    return "policypack"


def test_the_policy_pack_lets_the_program_pass(ground: Playground, pack: str) -> None:
    done = ground.pulumi("preview", "--stack", "dti-webdev", "--policy-pack", pack)
    assert "✅ neurocaas@v" in done.stdout, done.stdout


def test_the_policy_pack_stops_a_deployment_that_breaks_a_rule_before_the_resource_is_made(
    ground: Playground, pack: str
) -> None:
    with without_recovery(ground):
        said = ground.invoke("check-policies", "utils", "--local", check=False)
        done = ground.pulumi(
            "up", "--yes", "--skip-preview", "--stack", "utils", "--policy-pack", pack, check=False
        )
    assert said.returncode == 1
    for part in (
        "[table-recoverable]",
        "a table that cannot be set back",
        "allowed",
        "point-in-time recovery",
    ):
        assert part in said.stdout
    assert done.returncode != 0
    assert "[mandatory]  table-recoverable  (aws:dynamodb:Table: neurocaas-utils-ledger)" in done.stdout
    ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "utils")


def test_the_policy_pack_judges_several_resources_together(ground: Playground, pack: str) -> None:
    with edited(ground, "components/bucket.py", '"status": "Enabled"}', '"status": "Suspended"}'):
        done = ground.pulumi("preview", "--stack", "utils", "--policy-pack", pack, check=False)
    assert done.returncode != 0
    assert "bucket-versioned  (aws:s3:Bucket: neurocaas-utils-logs)" in done.stdout


def test_a_pack_without_its_environment_says_how_to_make_it(ground: Playground) -> None:
    pack = ground.root / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text(
        "name: x\nversion: 1.0.0\nruntime: {name: python, options: {virtualenv: venv}}\n"
    )
    done = ground.pulumi("preview", "--stack", "utils", "--policy-pack", "pack", check=False)
    assert done.returncode != 0
    assert "got no Python environment" in done.stdout + done.stderr
