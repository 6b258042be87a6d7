#!/bin/bash
# Runs analyse.R on one dataset. (docs/scripts.md tells every variable and function.)

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

## Stop at the first error, and record what runs.
errorlog

if ! command -v Rscript >/dev/null; then
    echo "Rscript: got no such program on PATH. Allowed: R with the package jsonlite." \
        "Bake the image, whose provision/10-r.sh installs it; for run-local, install R on this computer." >&2
    exit 69
fi

datastore="$userhome/analysis/data"
outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$outstore"

echo "::progress 0.1 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"

## $NEUROCAAS_CONFIG: the analyst's configuration as JSON, checked, with the defaults of blueprint.yaml filled in.
Rscript --vanilla "$(dirname "$0")/analyse.R" "$datastore/$dataname" "$NEUROCAAS_CONFIG" "$outstore"

echo "::progress 0.9 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
