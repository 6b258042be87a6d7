"""The golden tests of the examples, with the packages of their images: the numbers are today's, and others do
not pass.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import blueprints
from blueprints.golden import FOLDER
from components.packaging import code_archive
from image_builder import golden_check
from tests.local.analyses import EXAMPLES, example_python
from tests.shell.golden_machine import check, prepare
from tests.shell.machines import ROOT

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_analysis_finds_the_golden_numbers_and_no_others(name: str, tmp_path: Path) -> None:
    blueprint = blueprints.load(name, blueprints.Stage.WEBDEV, ROOT)
    shutil.copytree(blueprint.folder / "provision" / FOLDER, tmp_path / FOLDER)
    code = code_archive(ROOT, name)
    prepare(tmp_path, name, blueprint.script, code.path.read_bytes(), code.sha256, blueprint.parameters)
    environment = {"ANALYSIS_PYTHON": str(example_python()), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    done = check(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    expected = tmp_path / FOLDER / golden_check.EXPECTED
    expected.write_text(json.dumps(a_little_more(json.loads(expected.read_text()))))
    done = check(tmp_path, **environment)
    assert done.returncode == 1
    assert "golden test: " in done.stderr


def a_little_more(expected: Any) -> Any:
    """The last number of it changed in the fourth digit."""
    text = json.dumps(expected["files"])
    number = max(
        (one for one in numbers(expected["files"]) if isinstance(one, float)),
        key=lambda one: text.rindex(repr(one)),
    )
    return {**expected, "files": json.loads(text.replace(repr(number), repr(number * 1.001)))}


def numbers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for item in value.values() for one in numbers(item)]
    return [one for item in value for one in numbers(item)] if isinstance(value, list) else [value]
