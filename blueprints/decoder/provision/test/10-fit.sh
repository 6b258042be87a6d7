#!/bin/bash
# Two separate clouds of points are told apart.
set -euo pipefail

OMP_NUM_THREADS=1 /opt/neurocaas/env/bin/python - <<'PYTHON'
import numpy as np
from sklearn.linear_model import LogisticRegression

points = np.random.default_rng(1).normal(size=(200, 3))
labels = np.repeat([0, 1], 100)
points[100:] += 10
accuracy = LogisticRegression().fit(points, labels).score(points, labels)
print("accuracy", accuracy)
assert accuracy == 1
PYTHON
