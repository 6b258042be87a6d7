"""A functional recording and the anatomical image of the same head, as nibabel ships: `python -m
blueprints.fmri.sample_data FOLDER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from blueprints.samples import Sample, SampleError, Wheel, main, make, zipped

__all__ = ["SAMPLES", "WHEEL", "SampleError", "sample_datasets"]

_FILES = ("functional.nii", "anatomical.nii")
WHEEL = Wheel(
    "nibabel",
    Path(__file__).with_name("provision") / "requirements.txt",
    tuple(f"nibabel/tests/data/{file}" for file in _FILES),
)
SAMPLES = {
    "head.zip": Sample(zipped(*_FILES), "c7f07f82906ec730a1d03ae1af9b3512cc7f7df05b3828e60f6c379adbe0d7a6")
}


def sample_datasets(target: Path, names: Sequence[str] = ("head",)) -> list[Path]:
    """Make `head.zip` in `target` and return its path. Raises SampleError."""
    return make(WHEEL, SAMPLES, target, [f"{name}.zip" for name in names])


if __name__ == "__main__":
    main(sample_datasets)
