#!/bin/bash
# The images of one head that nibabel ships, as a folder.
set -euo pipefail

mkdir "$1/head"
cp "$(/opt/neurocaas/env/bin/python -c 'import nibabel; print(nibabel.__path__[0])')"/tests/data/{functional,anatomical}.nii "$1/head"
