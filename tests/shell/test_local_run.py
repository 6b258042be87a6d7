"""An analysis on this computer, without AWS (what `invoke run-local` does)."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.instance.local import LocalRun, run_local

SCRIPT = """#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
download "$inputpath" "$bucketname" "$userhome/in"
echo "$(find "$userhome/in/$dataname" -type f | wc -l) files" > "$NEUROCAAS_OUTPUT/count.txt"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
[ ! -e "$userhome/in/$dataname/fail" ]
"""


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    blueprint = tmp_path / "blueprints" / "count"
    blueprint.mkdir(parents=True)
    (blueprint / "run.sh").write_text(SCRIPT)
    data = tmp_path / "my data"
    (data / "sub").mkdir(parents=True)
    (data / "a").write_text("a")
    (data / "sub" / "b").write_text("b")
    config = tmp_path / "c.yaml"
    config.write_text("x: 1")
    return LocalRun("count", blueprint, "run.sh", data, config, {"x": 1}, tmp_path / "out")


def test_the_same_files_appear(run: LocalRun) -> None:
    result = run_local(run)
    assert (result.exit_code, result.status.status) == (0, "SUCCESS")
    assert (result.folder / "process_results" / "count.txt").read_text() == "2 files\n"
    assert (result.folder / "process_results" / "c.yaml").read_text() == "x: 1"
    assert (result.folder / "logs" / "DATASET_NAME:my data_STATUS.txt").is_file()
    assert result.folder.parent == run.target / "count" / "local" / "results"


def test_the_exit_code_is_the_scripts_and_nothing_is_left_in_the_blueprint(run: LocalRun) -> None:
    (run.data / "fail").touch()
    for _ in range(2):  # a second run with the same data is another job
        result = run_local(run)
        assert (result.exit_code, result.status.status) == (1, "FAILED")
    assert [path.name for path in run.blueprint.iterdir()] == ["run.sh"]
    assert len(list(result.folder.parent.iterdir())) == 2


def test_what_is_missing_is_told(run: LocalRun, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.zip does not exist"):
        run_local(LocalRun("count", run.blueprint, "run.sh", tmp_path / "nothing.zip", run.config, {}, run.target))
