#!/bin/bash
# Runs analyse.py on one dataset. (docs/scripts.md tells every variable and function.)

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

## Stop at the first error, and record what runs.
errorlog

## The image has the packages here (provision/10-python.sh, provision/requirements.txt); run-local --python names another Python.
python="${ANALYSIS_PYTHON:-/opt/neurocaas/env/bin/python}"
if [ ! -x "$python" ]; then
    echo "There is no $python: running with $NEUROCAAS_PYTHON, which has the standard library only." >&2
    python="$NEUROCAAS_PYTHON"
fi
export PYTHONPATH="$scriptpath" ## neurocaas_analysis.py

datastore="$userhome/analysis/data"
outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$outstore"

echo "::progress 0.1 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"

## $NEUROCAAS_CONFIG: the analyst's configuration as JSON, checked, with the defaults of blueprint.yaml filled in.
"$python" -u "$(dirname "$0")/analyse.py" "$datastore/$dataname" "$NEUROCAAS_CONFIG" "$outstore"

echo "::progress 0.9 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
