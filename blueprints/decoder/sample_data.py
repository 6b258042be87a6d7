"""Handwritten digits as trials, which scikit-learn ships: `python -m blueprints.decoder.sample_data FOLDER`.

64 features (the pixels of an 8 x 8 image) and the digit as the label; 1,200 trials to train on and 597 of
other trials to predict.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from blueprints.samples import Content, Sample, SampleError, Wheel, main, make

__all__ = ["SAMPLES", "WHEEL", "SampleError", "sample_datasets"]

WHEEL = Wheel(
    "scikit-learn",
    Path(__file__).with_name("provision") / "requirements.txt",
    ("sklearn/datasets/data/digits.csv.gz",),
)


def _rows(begin: int, end: int | None) -> Content:
    return lambda recordings: b"".join(
        gzip.decompress((recordings / "digits.csv.gz").read_bytes()).splitlines(keepends=True)[begin:end]
    )


SAMPLES = {
    "digits_train.csv": Sample(
        _rows(0, 1200), "f72ed3157638e407a8667a572e00c662d2f99db793a7f8c23b1771d738b2e0b6"
    ),
    "digits_test.csv": Sample(
        _rows(1200, None), "be5fc0221e1533c8c8ffcaeed862d12552e75164df7ef077874a5a954067160f"
    ),
}


def sample_datasets(target: Path, names: Sequence[str] = ("digits_train", "digits_test")) -> list[Path]:
    """Make the tables in `target` and return their paths. Raises SampleError."""
    return make(WHEEL, SAMPLES, target, [f"{name}.csv" for name in names])


if __name__ == "__main__":
    main(sample_datasets)
