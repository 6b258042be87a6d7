#!/bin/bash
# The images of one head that nibabel ships, as a folder.
set -euo pipefail

python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
mkdir "$1/head"
cp "$("$python" -c 'import nibabel; print(nibabel.__path__[0])')"/tests/data/{functional,anatomical}.nii "$1/head"
