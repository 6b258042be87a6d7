"""A project of its own with one small blueprint, and both stacks run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import program
from tests.program.projects import REFERENCE, make_project
from tests.program.recording import Recorded, deploy


def pytest_configure(config: pytest.Config) -> None:
    # pulumi_aws warns of its own deprecated classes whenever one of its modules is imported.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")


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
