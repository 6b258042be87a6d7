#!/bin/bash
# The packages are there and fit each other.
set -euo pipefail

/opt/neurocaas/env/bin/python -m pip check
/opt/neurocaas/env/bin/python -c 'import numpy, scipy, sklearn; print(numpy.__version__, scipy.__version__, sklearn.__version__)'
