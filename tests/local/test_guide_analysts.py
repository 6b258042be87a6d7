"""docs/analysts.md, read from the top, in a project of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.playground import Playground
from tests.local.guide_project import DEVELOPMENT, deployed, follow, shell_in
from tests.local.states import States

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def ground(states: States, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with deployed(states, DEVELOPMENT, tmp_path_factory.mktemp("home")) as made:
        yield made


def test_the_guide_for_analysts(ground: Playground) -> None:
    with shell_in(ground, ground.local_environment()) as shell:
        shell.run(". .venv/bin/activate")
        done = follow("analysts.md", shell, ground)
    assert len(done) > 10
    assert (ground.root / "results").is_dir()
