#!/bin/bash
# Runs the program that the MATLAB Compiler has made of analyse.m on one dataset. (docs/scripts.md tells every variable and function.)

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

## Stop at the first error, and record what runs.
errorlog

## The MATLAB Runtime of the release that compiled the program: where provision/10-matlab-runtime.sh installs it.
mcr="${MCR_ROOT:-/opt/mcr/R2023b}"
if [ ! -d "$mcr/runtime/glnxa64" ]; then
    echo "MATLAB Runtime: got nothing in $mcr. Allowed: the runtime of the release that compiled the program." \
        "Bake the image, whose provision/10-matlab-runtime.sh installs it; for run-local, install it here and set MCR_ROOT." >&2
    exit 69
fi
program="$(dirname "$0")/analyse"
if [ ! -x "$program" ]; then
    echo "analyse: got no such program beside $(basename "$0"). Allowed: what the MATLAB Compiler makes of analyse.m, for Linux." \
        "Make it where MATLAB is, and put it into this folder: mcc -m analyse.m" >&2
    exit 69
fi

datastore="$userhome/analysis/data"
outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$outstore"
export MCR_CACHE_ROOT="$userhome/analysis/cache" ## what the program unpacks of itself
mkdir -p "$MCR_CACHE_ROOT"

echo "::progress 0.1 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"

## $NEUROCAAS_CONFIG: the analyst's configuration as JSON, checked, with the defaults of blueprint.yaml filled in.
## The runtime's libraries are for the program alone: other programs have their own.
LD_LIBRARY_PATH="$mcr/runtime/glnxa64:$mcr/bin/glnxa64:$mcr/sys/os/glnxa64:$mcr/extern/bin/glnxa64" \
    "$program" "$datastore/$dataname" "$NEUROCAAS_CONFIG" "$outstore"

echo "::progress 0.9 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
