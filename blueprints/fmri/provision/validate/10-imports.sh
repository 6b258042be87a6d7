#!/bin/bash
# The packages are there and fit each other.
set -euo pipefail

/opt/neurocaas/env/bin/python -m pip check
/opt/neurocaas/env/bin/python -c 'import matplotlib, nibabel.processing, numpy, scipy; print(nibabel.__version__, numpy.__version__, scipy.__version__)'
