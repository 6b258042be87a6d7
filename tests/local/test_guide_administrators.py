"""docs/administrators.md, read from the top, in a project of its own; and what it says of promoting and
of locks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from demo.playground import Playground
from tests.local.guide_project import PRODUCTION, deployed, follow, shell_in
from tests.local.states import States

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def ground(states: States, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with deployed(states, PRODUCTION, tmp_path_factory.mktemp("home")) as made:
        yield made


def test_what_is_promoted_is_the_same_and_nothing_else(ground: Playground) -> None:
    promoted = ground.invoke("promote", "dti-webdev", "dti-prod", "--yes")
    assert "dti-prod runs what dti-webdev runs." in promoted.stdout
    webdev, prod = (
        json.loads(ground.invoke("outputs", f"dti-{stage}").stdout) for stage in ("webdev", "prod")
    )
    assert (webdev["image_id"], webdev["code_sha256"]) == (prod["image_id"], prod["code_sha256"])

    script = ground.root / "blueprints" / "dti" / "run_dti.sh"
    was = script.read_text()
    script.write_text(f"{was}\n# changed since\n")
    refused = ground.invoke("promote", "dti-webdev", "dti-prod", "--yes", check=False)
    script.write_text(was)
    assert refused.returncode == 1
    assert "is not what dti-webdev runs" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_lock_is_removed_and_the_next_deploy_works(ground: Playground) -> None:
    """The local backend keeps a lock as a file; a killed deploy leaves it behind."""
    locks = (
        ground.root
        / ".local"
        / "pulumi"
        / "state"
        / ".pulumi"
        / "locks"
        / "organization"
        / "neurocaas"
        / "utils"
    )
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.json").write_text(
        json.dumps({"pid": 1, "username": "u", "hostname": "h", "timestamp": "2026-01-01T00:00:00Z"})
    )
    stuck = ground.invoke("deploy", "utils", "--yes", check=False)
    assert stuck.returncode != 0
    assert "lock" in stuck.stdout + stuck.stderr
    assert (
        "utils is unlocked; nothing was left unfinished." in ground.invoke("unlock", "utils", "--yes").stdout
    )
    ground.invoke("deploy", "utils", "--yes")


def test_the_guide_for_administrators(ground: Playground) -> None:
    with shell_in(ground, ground.local_environment()) as shell:
        shell.run(". .venv/bin/activate")
        assert len(follow("administrators.md", shell, ground, alone=True)) > 15
