"""`invoke demo` from nothing, and then the examples that it does not show: the whole road, in a copy of the
project with a local cloud of its own.
"""

import hashlib
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blueprints.decoder import sample_data as digits
from blueprints.fmri import sample_data as head
from demo.playground import Playground, playground
from tests.local.analyses import FMRI, directly, example_python
from tests.local.baking import baked
from tests.local.example_cloud import Cloud

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    with playground(ROOT) as made:
        yield made


@pytest.fixture(scope="module")
def first(ground: Playground) -> dict[str, Any]:
    ground.invoke("demo")
    return summary(ground)


def summary(ground: Playground) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ground.root / "results" / "demo" / "summary.json").read_text())
    return document


def results(document: dict[str, Any], analysis: str) -> dict[str, str]:
    """Digests of what the analysis wrote, by path (logs have times in them)."""
    return {
        one["path"]: one["sha256"]
        for one in document["analyses"][analysis]["files"]
        if "/process_results/" in one["path"]
    }


def test_every_dataset_succeeds_on_a_machine_of_its_own(first: dict[str, Any]) -> None:
    datasets = [one for analysis in first["analyses"].values() for one in analysis["datasets"]]
    assert [one["outcome"] for one in datasets] == ["SUCCESS"] * 3
    assert len({one["instance"] for one in datasets}) == 3
    assert all(
        one["instance"].startswith("i-") and one["machine_seconds"] > 0 and one["cost_usd"] > 0
        for one in datasets
    )


def test_the_real_analysis_ran_on_the_baked_image(first: dict[str, Any], ground: Playground) -> None:
    image = first["analyses"]["dti"]["image"]
    assert image in (ground.root / "blueprints" / "dti" / "blueprint.yaml").read_text()
    assert image != first["analyses"]["analysis"]["image"]


def test_the_files_are_there_with_their_digests(first: dict[str, Any], ground: Playground) -> None:
    for analysis in first["analyses"].values():
        assert analysis["files"]
        for one in analysis["files"]:
            path = ground.root / "results" / "demo" / one["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == one["sha256"]
            assert path.stat().st_size == one["bytes"]


def test_there_are_numbers_and_a_figure_for_each_recording(first: dict[str, Any], ground: Playground) -> None:
    figures = [path for path in results(first, "dti") if path.endswith(".png")]
    assert len(figures) == 2
    for figure in figures:
        assert (ground.root / "results" / "demo" / figure).read_bytes().startswith(b"\x89PNG")
    assert any(path.endswith(".json") for path in results(first, "dti"))


ENSEMBLE_DIRECTLY = """
import json, sys
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
train, test = (np.loadtxt(path, delimiter=",") for path in sys.argv[1:])
chances = []
for member in (1, 2):
    rows = np.random.default_rng(member).integers(len(train), size=len(train))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train[rows, :-1], train[rows, -1])
    chances.append(model.predict_proba(test[:, :-1]))
predicted = model.classes_[np.mean(chances, axis=0).argmax(axis=1)]
print(json.dumps({"accuracy": (predicted == test[:, -1]).mean()}))
"""  # noqa: E501

DIRECTLY = """
import json, sys
import numpy, nibabel
from dipy.core.gradients import gradient_table
from dipy.io.gradients import read_bvals_bvecs
from dipy.reconst.dti import TensorModel
image, bval, bvec = sys.argv[1:]
signal = nibabel.load(image).get_fdata()
b, directions = read_bvals_bvecs(bval, bvec)
mask = signal[..., b <= 50].mean(axis=3) > 0
fit = TensorModel(gradient_table(b, bvecs=directions)).fit(signal, mask=mask)
print(json.dumps({name: float(numpy.nan_to_num(getattr(fit, name))[mask].mean()) for name in ("fa", "md", "ad", "rd")}))
"""  # noqa: E501


@pytest.mark.parametrize("recording", ["small_64D", "small_25"])
def test_the_numbers_are_those_of_the_package_called_directly(
    first: dict[str, Any], ground: Playground, tmp_path: Path, recording: str
) -> None:
    """dipy out of the baked image, but on this machine and without any of our code."""
    with zipfile.ZipFile(ground.root / ".local" / "samples" / "dti" / f"{recording}.zip") as archive:
        archive.extractall(tmp_path)
    files = [str(next(tmp_path.glob(f"*{ending}"))) for ending in (".nii*", ".bval", ".bvec")]
    layer = ground.root / ".local" / "images" / first["analyses"]["dti"]["image"] / "layer"
    settings_file = next(layer.glob("**/opt/neurocaas/env/pyvenv.cfg"))
    settings = dict(line.split(" = ", 1) for line in settings_file.read_text().splitlines() if " = " in line)
    packages = next(settings_file.parent.glob("lib/python3*/site-packages"))
    environ = {
        "PYTHONPATH": str(packages),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    done = ground.run([f"{settings['home']}/python3", "-c", DIRECTLY, *files], environ)
    (path,) = [path for path in results(first, "dti") if path.endswith(f"{recording}/summary.json")]
    ours = json.loads((ground.root / "results" / "demo" / path).read_text())
    for name, value in json.loads(done.stdout).items():
        assert ours[name]["mean"] == pytest.approx(value, rel=1e-5), name  # six digits are written


def test_what_was_baked_is_not_baked_again(first: dict[str, Any], ground: Playground) -> None:
    done = baked(ground, "dti-webdev")
    assert (done["action"], done["image_id"]) == ("nothing", first["analyses"]["dti"]["image"])


def test_another_job_on_the_same_recordings_gives_the_same_numbers(
    first: dict[str, Any], ground: Playground
) -> None:
    certificate = ground.root / "results" / "demo" / "dti" / "logs" / "certificate.json"
    done = json.loads(ground.invoke("rerun", "--local", str(certificate), "--json").stdout)
    assert done["job"] != first["analyses"]["dti"]["job"]
    outcomes = {one["path"]: one["outcome"] for one in done["verdicts"]}
    assert len(outcomes) == 2 * 5, outcomes
    assert set(outcomes.values()) == {"identical"}


@pytest.fixture(scope="module")
def cloud(ground: Playground, first: dict[str, Any]) -> Cloud:
    return Cloud(ground)


def test_several_inputs_in_the_local_cloud(cloud: Cloud, tmp_path: Path) -> None:
    (dataset,) = head.sample_datasets(tmp_path)
    _, (found,) = cloud.run("fmri", dataset, {}, tmp_path / "results")
    assert (found["voxels"]["head"], found["tsnr"]["mean"], found["components_variance"]) == tuple(
        FMRI.values()
    )


def test_an_ensemble_is_trained_and_predicts_in_the_local_cloud(cloud: Cloud, tmp_path: Path) -> None:
    """Each model on a machine of its own; the prediction takes the folder of their job as its second
    input.
    """
    train, test = digits.sample_datasets(tmp_path)
    job, members = cloud.run("decoder", train, {"mode": "train", "ensemble_size": 2}, tmp_path / "models")
    assert [one["parameters"]["jobnb"] for one in members] == [1, 2]
    models = f"{job.keys.resultdir}/process_results"
    _, (found,) = cloud.run("decoder", test, {"mode": "predict", "model": models}, tmp_path / "predictions")
    assert (found["models"], found["trials"]) == (2, 597)
    assert found["accuracy"] == pytest.approx(
        directly(example_python(), ENSEMBLE_DIRECTLY, train, test)["accuracy"], rel=1e-5
    )


def test_the_guides_script_in_the_local_cloud(cloud: Cloud, tmp_path: Path) -> None:
    """Unmodified, with the AWS CLI and jq of the baked image."""
    dataset = tmp_path / "data.txt"
    dataset.write_text("data")
    job = cloud.finished("analysis", dataset, {"wait": 1})
    (status,) = job.statuses().values()
    assert status.last_command == 'aws s3 sync ./ "s3://$bucketname/$groupdir/$processdir"'
    lines = list(status.stdout.values())
    assert lines[:2] == ["execpath", "environment epi"]
    fetched = f"s3://{job.bucket}/debuggers/inputs/data.txt -> epi/scripts/localdata/data.txt: "
    assert lines[2].startswith(fetched)


def machines(ground: Playground) -> dict[str, int]:
    status = json.loads(ground.invoke("local.status", "--json").stdout)
    return {state: count for state, count in status["instances"].items() if state != "terminated" and count}


def test_no_machine_is_left(ground: Playground, cloud: Cloud) -> None:
    deadline = time.monotonic() + 60  # the last ones may still be shutting down
    while (left := machines(ground)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == {}


def test_down_ends_everything_that_it_started(ground: Playground, cloud: Cloud) -> None:
    ground.invoke("local.down")
    home = str(ground.root).encode()
    alive = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if home in (process / "environ").read_bytes() or home in (process / "cmdline").read_bytes():
                alive.append((process / "cmdline").read_text())
        except OSError:
            continue  # ended meanwhile, or another user's
    assert alive == []
