#!/bin/bash
# Waits as many seconds as the configuration says (the developer guide's example, section "Analysis script").
# docs/scripts.md tells every variable and function that a script finds.

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh

## Import functions for workflow management and data transfer.
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

## Stop at the first error, and record what runs.
errorlog

## Local places for data and results.
datastore="$userhome/analysis/data"
outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$outstore"

echo "::progress 0.1 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"

## $NEUROCAAS_CONFIG: the analyst's configuration as JSON, checked, with the defaults of blueprint.yaml filled in.
waittime="$("$NEUROCAAS_PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["wait"])' "$NEUROCAAS_CONFIG")"

echo "::progress 0.2 waiting $waittime s"
sleep "$waittime"

bytes="$(find "$datastore/$dataname" -type f -printf '%s\n' | awk '{sum += $1} END {print sum + 0}')"
printf '{"bytes": %s, "waited_seconds": %s}\n' "$bytes" "$waittime" >"$outstore/summary.json"

echo "::progress 0.9 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
