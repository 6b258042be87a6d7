"""`neurocaas_analysis`, which analysis programs in Python import: the values of a configuration, and the
files of a dataset.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[2] / "runtime/instance/contrib/ncap_utils/neurocaas_analysis.py"


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("NEUROCAAS_CONFIG", "NEUROCAAS_JOB_FILE"):
        monkeypatch.delenv(name, raising=False)
    spec = importlib.util.spec_from_file_location("neurocaas_analysis", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("variable", ["NEUROCAAS_CONFIG", "NEUROCAAS_JOB_FILE"])
def test_values_are_the_jobs_whatever_the_analyst_wrote(
    helpers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    known = {"rate": 1000.0, "mode": "fast"}
    (tmp_path / "known.json").write_text(
        json.dumps(known if variable == "NEUROCAAS_CONFIG" else {"config": known})
    )
    monkeypatch.setenv(variable, str(tmp_path / "known.json"))
    config = tmp_path / "c.yaml"
    config.write_text("rate: 1e3\n")
    assert helpers.parameters(config, {"rate": 1, "mode": "slow", "more": None}) == {**known, "more": None}


def test_without_a_job_the_file_counts_and_must_be_json(helpers: ModuleType, tmp_path: Path) -> None:
    config = tmp_path / "c.json"
    config.write_bytes(b'\xef\xbb\xbf{"rate": 2}')
    assert helpers.parameters(config, {"rate": 1, "mode": "slow"}) == {"rate": 2, "mode": "slow"}
    config.write_text("rate: 2")
    with pytest.raises(helpers.Unusable, match="Allowed: a JSON object"):
        helpers.parameters(config, {"rate": 1})


def test_what_operating_systems_add_is_no_file_of_a_dataset(helpers: ModuleType, tmp_path: Path) -> None:
    for name in (
        "a.tif",
        ".DS_Store",
        "._a.tif",
        "Thumbs.db",
        "sub/desktop.ini",
        "__MACOSX/a.tif",
        "sub/b.tif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.name for path in helpers.dataset_files(tmp_path, tmp_path)] == ["a.tif", "b.tif"]
