"""docs/developers.md, read from the top, in a project of its own, in which nothing is deployed yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.playground import Playground
from tests.local.guide_project import follow, project, shell_in

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with project(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_the_guide_for_developers(ground: Playground) -> None:
    """It begins before the local cloud does, and ends with its end."""
    with shell_in(ground, ground.environ) as shell:
        done = follow("developers.md", shell, ground)
    assert len(done) > 25
    written = (ground.root / "blueprints/my-analysis/provision/20-recorded.sh").read_text()
    assert "/opt/tool/mark" in written, "what was typed was recorded"
    subjects = ground.run(["git", "log", "--format=%s"], ground.environ).stdout
    assert "automatic commit to document pipeline" in subjects
    assert not (ground.root / ".local" / "cloud.json").exists()
