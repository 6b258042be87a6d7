#!/bin/bash
# The packages are there and fit each other.
set -euo pipefail

/opt/neurocaas/env/bin/python -m pip check
/opt/neurocaas/env/bin/python - <<'PYTHON'
import dipy, h5py, matplotlib, nibabel, numpy, scipy
for module in (dipy, h5py, matplotlib, nibabel, numpy, scipy):
    print(module.__name__, module.__version__)
PYTHON
