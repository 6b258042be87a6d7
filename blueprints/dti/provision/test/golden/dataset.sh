#!/bin/bash
# The recording small_64D, which dipy ships, as a folder.
set -euo pipefail

mkdir "$1/small_64D"
cp "$(/opt/neurocaas/env/bin/python -c 'import dipy.data; print(dipy.data.__path__[0])')"/files/small_64D.{nii,bval,bvec} "$1/small_64D"
