#!/bin/bash
# Trains a decoder on a table of trials (.csv), or predicts with a trained one: "mode" in the configuration.

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

errorlog

## The image has the packages here (provision/10-python.sh). One thread: the numbers must not depend on the machine.
python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
export PYTHONPATH="$scriptpath" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

datastore="$userhome/decoder/data"
configstore="$userhome/decoder/config"
modelstore="$userhome/decoder/model"
outstore="$NEUROCAAS_OUTPUT/${NEUROCAAS_DATASET%.csv}"
accessdir "$datastore" "$configstore" "$modelstore" "$outstore"

echo "::progress 0.05 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"
download "$configpath" "$bucketname" "$configstore"

## A prediction has two inputs: the trials, and the model that an earlier job of the group left.
model="$("$python" "$(dirname "$0")/decoder.py" model "$configstore/$configname")"
if [ -n "$model" ]; then
    echo "::progress 0.1 getting $model"
    download "$groupdir/$model" "$bucketname" "$modelstore"
fi

"$python" -u "$(dirname "$0")/decoder.py" run "$datastore/$dataname" "$configstore/$configname" "$modelstore" "$outstore"

echo "::progress 0.95 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
