#!/bin/bash
# An image that is brought onto its own grid is the same image; onto a shifted grid, a shifted one.
set -euo pipefail

/opt/neurocaas/env/bin/python - <<'PYTHON'
import nibabel
import numpy as np
from nibabel.processing import resample_from_to

values = np.random.default_rng(1).normal(size=(6, 5, 4))
image = nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]))
assert np.allclose(resample_from_to(image, image, order=1).get_fdata(), values)
shifted = image.affine.copy()
shifted[0, 3] = 2.0
assert np.allclose(resample_from_to(image, ((5, 5, 4), shifted), order=1).get_fdata(), values[1:])
print("resampling is right")
PYTHON
