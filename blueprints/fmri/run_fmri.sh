#!/bin/bash
# Time courses of one recording: a zip file or a folder with a functional (four-dimensional) and an anatomical image (.nii, .nii.gz).

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

errorlog

## The image has the packages here (provision/10-python.sh). One thread: the numbers must not depend on the machine.
python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
export PYTHONPATH="$scriptpath" MPLBACKEND=Agg OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
export MPLCONFIGDIR="${MPLCONFIGDIR:-/opt/neurocaas/env/matplotlib}"

datastore="$userhome/fmri/data"
configstore="$userhome/fmri/config"
outstore="$NEUROCAAS_OUTPUT/${NEUROCAAS_DATASET%.zip}"
accessdir "$datastore" "$configstore" "$outstore"

echo "::progress 0.05 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"
download "$configpath" "$bucketname" "$configstore"

"$python" -u "$(dirname "$0")/timecourses.py" "$datastore/$dataname" "$configstore/$configname" "$outstore"

echo "::progress 0.95 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
