"""A project of its own with one small blueprint, and both stacks run once."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording import Recorded, deploy

from components import program

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "organization/neurocaas/utils"

def pytest_configure(config: pytest.Config) -> None:
    # pulumi_aws warns of its own deprecated classes whenever one of its modules is imported.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


BLUEPRINT = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance:
  type: m5.large
  types: [m5.large, m5.xlarge]
image:
  parent: ubuntu24
groups: [lab1, lab10]
stages:
  prod:
    bucket: spikes-prod
"""


def make_project(folder: Path, blueprint: str = BLUEPRINT, name: str = "spikes") -> Path:
    """A project whose `runtime` is the real one and whose blueprint is the given text."""
    (folder / "runtime").symlink_to(ROOT / "runtime")
    own = folder / "blueprints" / name
    (own / "provision" / "test").mkdir(parents=True)
    (own / "blueprint.yaml").write_text(blueprint)
    (own / "run_spikes.sh").write_text("#!/bin/bash\necho spikes\n")
    (own / "provision" / "10-packages.sh").write_text("#!/bin/bash\ntouch /opt/spikes\n")
    (own / "provision" / "test" / "10-there.sh").write_text("#!/bin/bash\ntest -e /opt/spikes\n")
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def utils(project: Path) -> Recorded:
    return deploy(lambda: program.outputs(project), "utils")


@pytest.fixture(scope="session")
def analysis(project: Path, utils: Recorded) -> Recorded:
    return deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})


@pytest.fixture(scope="session")
def prod(project: Path, utils: Recorded) -> Recorded:
    return deploy(lambda: program.outputs(project), "spikes-prod", references={REFERENCE: utils.outputs})
