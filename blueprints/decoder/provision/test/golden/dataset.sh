#!/bin/bash
# The first 1,200 of the handwritten digits that scikit-learn ships: the trials of digits_train.csv.
set -euo pipefail

python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
digits="$("$python" -c 'import sklearn.datasets; print(sklearn.datasets.__path__[0])')/data/digits.csv.gz"
"$python" - "$digits" > "$1/digits_train.csv" <<'PYTHON'
import gzip, sys
with gzip.open(sys.argv[1], "rt") as rows:
    sys.stdout.writelines(row for _, row in zip(range(1200), rows))
PYTHON
