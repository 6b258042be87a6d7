"""The examples with several inputs and with two modes, on real recordings: run by run_main.sh with the
packages of their images. `test_demo.py` submits them in the local cloud."""

from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from blueprints.decoder import sample_data as digits
from blueprints.fmri import sample_data as head
from tests.local.analyses import FMRI, directly, example_python, run_example
from tests.shell.machines import Machine, new_machine

pytestmark = [pytest.mark.local, pytest.mark.slow]

FMRI_DIRECTLY = """
import json, sys
import nibabel, numpy as np
from nibabel.processing import resample_from_to
from scipy.signal import detrend
functional, anatomical = map(nibabel.load, sys.argv[1:])
signal = functional.get_fdata()
anatomy = resample_from_to(anatomical, (signal.shape[:3], functional.affine), order=1).get_fdata()
mean = signal.mean(axis=3)
mask = (mean > 0.3 * np.percentile(mean, 98)) & (anatomy > 0)
clean = detrend(signal[mask], axis=1) + mean[mask][:, None]
standard = (clean - clean.mean(axis=1, keepdims=True)) / clean.std(axis=1, keepdims=True)
eigenvalues = np.linalg.eigvalsh(standard.T @ standard)[::-1]
top = anatomy[mask] >= np.quantile(anatomy[mask], 2 / 3)
course = (100 * (clean / mean[mask][:, None] - 1))[top].mean(axis=0)
print(json.dumps({"tsnr": (mean[mask] / clean.std(axis=1, ddof=1)).mean(), "head": int(mask.sum()),
                  "variance": list(eigenvalues[:3] / eigenvalues.sum()), "course": list(course)}))
"""

DECODER_DIRECTLY = """
import json, sys
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
train, test = (np.loadtxt(path, delimiter=",") for path in sys.argv[1:])
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
folds = cross_val_score(model, train[:, :-1], train[:, -1], cv=StratifiedKFold(5, shuffle=True, random_state=0))
model.fit(train[:, :-1], train[:, -1])
print(json.dumps({"folds": list(folds), "accuracy": model.score(test[:, :-1], test[:, -1]),
                  "labels": [int(label) for label in model.predict(test[:, :-1])],
                  "chance": list(model.predict_proba(test[:, :-1]).max(axis=1))}))
"""  # noqa: E501


@pytest.fixture(scope="module")
def python() -> Path:
    return example_python()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return new_machine(tmp_path / "machine")


def summary(results: Path) -> dict[str, Any]:
    return dict(json.loads((results / "summary.json").read_text()))


def errors(machine: Machine) -> str:
    return (machine.tree / "joberror.txt").read_text()


def test_time_courses_are_those_of_the_packages(machine: Machine, python: Path, tmp_path: Path) -> None:
    (dataset,) = head.sample_datasets(tmp_path)
    code, results = run_example(machine, python, "fmri", dataset, {})
    assert code == 0, errors(machine)
    with zipfile.ZipFile(dataset) as archive:
        archive.extractall(tmp_path / "direct")
    expected = directly(
        python, FMRI_DIRECTLY, tmp_path / "direct/functional.nii", tmp_path / "direct/anatomical.nii"
    )
    found = summary(results)
    assert found["voxels"]["head"] == expected["head"]
    assert found["tsnr"]["mean"] == pytest.approx(expected["tsnr"], rel=1e-5)
    assert found["components_variance"] == pytest.approx(expected["variance"], rel=1e-5)
    with (results / "timecourses.csv").open() as file:
        assert [float(row["class_3_percent"]) for row in csv.DictReader(file)] == pytest.approx(
            expected["course"], rel=1e-4, abs=1e-9
        )
    # As the README says:
    assert (found["voxels"]["head"], found["tsnr"]["mean"], found["components_variance"]) == tuple(
        FMRI.values()
    )
    assert (results / "figure.png").read_bytes().startswith(b"\x89PNG")


WITHOUT_NUMBERS = """
import json, sys, zipfile
import nibabel, numpy
folder = sys.argv[2]
zipfile.ZipFile(sys.argv[1]).extractall(folder)
image = nibabel.load(f"{folder}/functional.nii")
signal = image.get_fdata(dtype="float32")
signal[0] = numpy.nan
nibabel.save(nibabel.Nifti1Image(signal, image.affine), f"{folder}/functional.nii")
print(json.dumps({"voxels": signal[0, ..., 0].size}))
"""


def test_voxels_without_a_number_are_outside_of_the_head(
    machine: Machine, python: Path, tmp_path: Path
) -> None:
    (dataset,) = head.sample_datasets(tmp_path)
    assert directly(python, WITHOUT_NUMBERS, dataset, tmp_path / "masked")["voxels"] > 0
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "masked"))
    code, results = run_example(machine, python, "fmri", packed, {})
    assert code == 0, errors(machine)
    assert 0 < summary(results)["voxels"]["head"] < summary(results)["voxels"]["all"]


def test_one_image_is_not_enough(machine: Machine, python: Path, tmp_path: Path) -> None:
    (dataset,) = head.sample_datasets(tmp_path)
    folder = tmp_path / "half"
    with zipfile.ZipFile(dataset) as archive:
        archive.extract("functional.nii", folder)
    single = tmp_path / "half.zip"
    with zipfile.ZipFile(single, "w") as archive:
        archive.write(folder / "functional.nii", "functional.nii")
    code, _ = run_example(machine, python, "fmri", single, {})
    assert code == 65
    assert "anatomical image: got none. Allowed: exactly one image" in errors(machine)
    assert "Traceback" not in errors(machine)


def test_a_model_is_trained_and_predicts(machine: Machine, python: Path, tmp_path: Path) -> None:
    train, test = digits.sample_datasets(tmp_path)
    expected = directly(python, DECODER_DIRECTLY, train, test)
    code, results = run_example(machine, python, "decoder", train, {"mode": "train"})
    assert code == 0, errors(machine)
    assert summary(results)["accuracy"]["folds"] == pytest.approx(expected["folds"], rel=1e-5)
    assert summary(results)["accuracy"]["mean"] == 0.9675  # as the README says, and 0.926298 below

    model = (results / "model.npz").relative_to(machine.buckets / "mock" / "lab").as_posix()
    code, predicted = run_example(machine, python, "decoder", test, {"mode": "predict", "model": model})
    assert code == 0, errors(machine)
    assert summary(predicted)["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-5)
    assert summary(predicted)["accuracy"] == 0.926298
    with (predicted / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == expected["labels"]
    assert [float(row["probability"]) for row in rows] == pytest.approx(expected["chance"], rel=1e-5)


def test_an_ensemble_is_averaged(machine: Machine, python: Path, tmp_path: Path) -> None:
    train, test = digits.sample_datasets(tmp_path)
    for member in (1, 2):
        dataset = tmp_path / f"member{member}.csv"
        dataset.write_bytes(train.read_bytes())
        code, _ = run_example(
            machine, python, "decoder", dataset, {"mode": "train", "folds": 2, "jobnb": member}
        )
        assert code == 0, errors(machine)
    folder = "results/job_1/process_results"
    code, predicted = run_example(machine, python, "decoder", test, {"mode": "predict", "model": folder})
    assert code == 0, errors(machine)
    found = summary(predicted)
    assert (found["models"], found["trials"]) == (2, 597)
    assert 0.9 < found["accuracy"] < 1


@pytest.mark.parametrize(
    ("text", "config", "said"),
    [
        ("1,2\n3\n", {}, "Allowed: no header, rows of numbers separated by commas"),
        ("1,2.5\n3,1\n", {}, "then a column of whole numbers"),
        ("1\n2\n", {}, "The labels: got 1 columns"),
        ("1,1e300\n2,0\n", {}, "numbers that are not below"),
        ("\ufeff1,0\n2,1\n", {}, "each with at least 5 trials (folds)"),
        ("1,0\n2,1\n", {"mode": "predict"}, "model: got nothing. Allowed: the path of a model"),
        ("1,0\n2,1\n", {"mode": "predict", "model": "inputs/other.npz"}, "other.npz is no model"),
    ],
)
def test_what_cannot_be_decoded_is_told(
    machine: Machine, python: Path, tmp_path: Path, text: str, config: dict[str, Any], said: str
) -> None:
    machine.put("lab/inputs/other.npz", "no model")
    dataset = tmp_path / "bad.csv"
    dataset.write_text(text)
    code, _ = run_example(machine, python, "decoder", dataset, config)
    assert code == 65
    assert said in errors(machine)
    assert "Traceback" not in errors(machine)
