"""The project's own images: their scripts, replayed twice on clean roots, make the same files, owners, modes
and packages.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

import blueprints
from blueprints.provision import read
from image_builder.recording import replay
from localcloud.images.cleanroot import LocalRoots
from localcloud.paths import Paths
from localcloud.tests.bases import share_base

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.local, pytest.mark.slow]
ALWAYS = "decoder"
EVERY = os.environ.get("REPLAY_EVERY_BLUEPRINT") == "1"


@pytest.mark.parametrize("name", blueprints.names(ROOT))
def test_a_blueprint_reproduces(name: str, tmp_path: Path) -> None:
    if name != ALWAYS and not EVERY:
        pytest.skip("a minute each: REPLAY_EVERY_BLUEPRINT=1 replays all")
    blueprint = blueprints.load(name, "webdev", ROOT)
    provision = read(blueprint.folder / "provision")
    roots = cast("Any", LocalRoots(Paths(share_base(tmp_path))))
    verdict = replay.verify(roots, blueprint, provision, lambda line: None)
    assert verdict.failure is None
    assert [difference.text() for difference in verdict.real] == []
    metadata = [difference.text() for difference in verdict.differences if difference.what != "other content"]
    assert metadata == [], "not even what is known to differ has another path, mode or owner"
    assert sum(difference.cache is not None for difference in verdict.differences) > 1000, (
        "compiled Python: something was installed"
    )
