"""Three small diffusion MRI recordings that dipy ships: `python -m blueprints.dti.sample_data FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from blueprints.samples import Sample, SampleError, Wheel, main, make, zipped

__all__ = ["SAMPLES", "WHEEL", "SampleError", "sample_datasets"]

RECORDINGS = {"small_64D": ".nii", "small_101D": ".nii.gz", "small_25": ".nii.gz"}
"""Names, and how the image of each ends."""


def _files(name: str) -> list[str]:
    return [f"{name}{ending}" for ending in (RECORDINGS[name], ".bval", ".bvec")]


WHEEL = Wheel(
    "dipy",
    Path(__file__).with_name("provision") / "requirements.txt",
    tuple(f"dipy/data/files/{file}" for name in RECORDINGS for file in _files(name)),
)
SAMPLES = {
    "small_64D.zip": Sample(
        zipped(*_files("small_64D")), "b7f19dc776492ef3917f65062796563b778eaa4f447c411d7f9b3fe5f4f65d52"
    ),
    "small_101D.zip": Sample(
        zipped(*_files("small_101D")), "96df9de16e634b4aea8271b943074f0c20bf9be6c8ef14f66e4b6fd8de435a82"
    ),
    "small_25.zip": Sample(
        zipped(*_files("small_25")), "76f9c45d4dd6f2c7ea36e99814b894a19a90a34794e5f1b9416810b300fdfa32"
    ),
}


def sample_datasets(target: Path, names: Sequence[str] = tuple(RECORDINGS)) -> list[Path]:
    """Make the datasets of the recordings `names` in `target` and return their paths. Raises SampleError."""
    return make(WHEEL, SAMPLES, target, [f"{name}.zip" for name in names])


if __name__ == "__main__":
    main(sample_datasets)
