#!/bin/bash
# A signal made from a known tensor gives this tensor back.
set -euo pipefail

OMP_NUM_THREADS=1 /opt/neurocaas/env/bin/python - <<'PYTHON'
import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel

directions = np.random.default_rng(1).normal(size=(30, 3))
directions /= np.linalg.norm(directions, axis=1)[:, None]
b = np.concatenate([[0], np.full(30, 1000.0)])
table = gradient_table(b, bvecs=np.vstack([np.zeros(3), directions]))
eigenvalues = np.array([1.7e-3, 0.3e-3, 0.3e-3])
signal = 100 * np.exp(-b * np.concatenate([[0], (directions**2 @ eigenvalues)]))
fit = TensorModel(table, fit_method="WLS").fit(signal)
expected = np.sqrt(1.5 * ((eigenvalues - eigenvalues.mean()) ** 2).sum() / (eigenvalues**2).sum())
print("FA", float(fit.fa), "expected", float(expected))
assert abs(fit.fa - expected) < 1e-6 and abs(fit.md - eigenvalues.mean()) < 1e-9
PYTHON
