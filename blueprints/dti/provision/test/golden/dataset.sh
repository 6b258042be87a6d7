#!/bin/bash
# The recording small_64D, which dipy ships, as a folder.
set -euo pipefail

python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
mkdir "$1/small_64D"
cp "$("$python" -c 'import dipy; print(dipy.__path__[0])')/data/files"/small_64D.{nii,bval,bvec} "$1/small_64D"
