"""The two analyses that ship, run by run_main.sh on a folder: the real one with real packages on real
recordings.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from blueprints.dti.sample_data import sample_datasets
from tests.local.analyses import copy_analysis, example_python, run_example
from tests.shell.machines import ROOT, Machine, new_machine

MAPS = ("fa", "md", "ad", "rd")
EXPECTED = {
    "small_64D": (1000, 0.393072, 0.00127869),
    "small_101D": (600, 0.42083, 0.000552629),
    "small_25": (160, 0.43433, 0.00057964),
}
"""Voxels, mean FA and mean MD, as the README says."""

DIRECTLY = """
import json, sys
import nibabel
from dipy.core.gradients import gradient_table
from dipy.io.gradients import read_bvals_bvecs
from dipy.reconst.dti import TensorModel
image, bval, bvec, method = sys.argv[1:]
bvals, bvecs = read_bvals_bvecs(bval, bvec)
fit = TensorModel(gradient_table(bvals, bvecs=bvecs, b0_threshold=50), fit_method=method).fit(nibabel.load(image).get_fdata())
print(json.dumps({name: float(getattr(fit, name).mean()) for name in ("fa", "md", "ad", "rd")}))
"""  # noqa: E501


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = new_machine(tmp_path)
    (made.buckets / "mock" / "lab" / "inputs").mkdir(parents=True)
    return made


def test_the_starter_waits_and_says_so(machine: Machine) -> None:
    copy_analysis(machine, "analysis")
    tests = ROOT / "blueprints" / "analysis" / "tests"
    machine.put("lab/inputs/data.zip", (tests / "data.txt").read_text())
    machine.put("lab/configs/config.json", '{"wait": 0.1}')
    done = machine.run("analysis/run_analysis.sh")
    assert done.returncode == 0, (machine.tree / "joberror.txt").read_text()
    summary = json.loads((machine.job / "process_results" / "data.zip" / "summary.json").read_text())
    assert summary == {"bytes": (tests / "data.txt").stat().st_size, "waited_seconds": 0.1}
    assert machine.status()["progress"] == 1.0


def test_the_starter_takes_defaults_from_the_job_and_a_folder_as_data(machine: Machine) -> None:
    copy_analysis(machine, "analysis")
    machine.put("lab/inputs/set/a", "12345")
    machine.put("lab/inputs/set/b/c", "678")
    machine.put("lab/configs/config.json", "a: yaml file")
    job = machine.root / "job.json"
    job.write_text(json.dumps({"config": {"wait": 0}}))
    done = machine.run("analysis/run_analysis.sh", "lab/inputs/set/", NEUROCAAS_JOB_FILE=str(job))
    assert done.returncode == 0, (machine.tree / "joberror.txt").read_text()
    assert json.loads((machine.job / "process_results/set/summary.json").read_text()) == {
        "bytes": 8,
        "waited_seconds": 0,
    }


@pytest.fixture(scope="session")
def python() -> Path:
    return example_python()


def run_dti(machine: Machine, python: Path, dataset: Path, config: dict[str, Any]) -> tuple[int, Path]:
    return run_example(machine, python, "dti", dataset, config)


@pytest.mark.local
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"),
    [("small_64D", "WLS"), ("small_64D", "OLS"), ("small_101D", "WLS"), ("small_25", "NLLS")],
)
def test_the_numbers_are_those_of_the_package(
    machine: Machine, python: Path, tmp_path: Path, name: str, method: str
) -> None:
    (dataset,) = sample_datasets(tmp_path / "samples", [name])
    code, results = run_dti(machine, python, dataset, {"fit_method": method})
    assert code == 0, (machine.tree / "joberror.txt").read_text()
    with zipfile.ZipFile(dataset) as archive:
        files = [archive.extract(entry, tmp_path / "direct") for entry in archive.namelist()]
    direct = subprocess.run(
        [str(python), "-c", DIRECTLY, *files, method], capture_output=True, text=True, check=True
    ).stdout
    summary = json.loads((results / "summary.json").read_text())
    expected = json.loads(direct)
    for key in MAPS:
        assert summary[key]["mean"] == pytest.approx(expected[key], rel=1e-5)
    if method == "WLS":
        assert (summary["voxels"]["fitted"], summary["fa"]["mean"], summary["md"]["mean"]) == EXPECTED[name]
    assert (results / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in results.iterdir()) == [
        "fa.nii.gz",
        "figure.png",
        "md.nii.gz",
        "slices.csv",
        "summary.json",
    ]
    assert (results / "slices.csv").read_text().count("\n") == summary["shape"][2] + 1


@pytest.mark.local
@pytest.mark.slow
def test_volumes_above_the_limit_are_left_out(machine: Machine, python: Path, tmp_path: Path) -> None:
    (dataset,) = sample_datasets(tmp_path / "samples", ["small_101D"])
    code, results = run_dti(machine, python, dataset, {"max_bvalue": 1600})
    assert code == 0
    with zipfile.ZipFile(dataset) as archive:
        bvalues = [float(word) for word in archive.read("small_101D.bval").split()]
    weighted = sum(50 < b <= 1600 for b in bvalues)
    assert 6 < weighted < len(bvalues) - 1
    assert json.loads((results / "summary.json").read_text())["volumes"] == {"b0": 1, "weighted": weighted}


@pytest.mark.local
@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a.nii": "x", "b.nii": "x", "c.bval": "1", "c.bvec": "1"},
            "image: got a.nii, b.nii. Allowed: exactly one file *.nii or *.nii.gz",
        ),
        ({"a.nii": "x", "a": "x", "a/b.bval": "1"}, "bad.zip cannot be unpacked"),
        ({"a.nii": "not an image", "a.bval": "0 1", "a.bvec": "1 0"}, "The recording cannot be read"),
        ({}, "is not a zip file"),
    ],
)
def test_what_is_no_recording_is_told(
    machine: Machine, python: Path, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    dataset = tmp_path / "bad.zip"
    if files:
        with zipfile.ZipFile(dataset, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        dataset.write_text("nothing")
    code, _ = run_dti(machine, python, dataset, {})
    assert code == 65
    status = machine.status("bad.zip")
    assert status["status"] == "FAILED"
    text = "\n".join(status["stderr"].values())
    assert said in text
    assert "Traceback" not in text
