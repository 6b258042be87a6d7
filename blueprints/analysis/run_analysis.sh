#!/bin/bash
# Waits as many seconds as the configuration says (the developer guide's example, section "Analysis script").

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh

## Import functions for workflow management and data transfer.
scriptpath="$(dirname "$0")/ncap_utils"
[ -d "$scriptpath" ] || scriptpath="$neurocaasrootdir/ncap_utils" ## started from the repository
source "$scriptpath/workflow.sh"
source "$scriptpath/transfer.sh"

## Stop at the first error, and record what runs.
errorlog

## Local places for data, configuration and results.
datastore="$userhome/analysis/data"
configstore="$userhome/analysis/config"
outstore="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$datastore" "$configstore" "$outstore"

echo "::progress 0.1 getting $dataname"
download "$inputpath" "$bucketname" "$datastore"
download "$configpath" "$bucketname" "$configstore"

## The configuration with its defaults is in the job's description; without a job, in the file alone.
waittime="$("$NEUROCAAS_PYTHON" - "$configstore/$configname" "${NEUROCAAS_JOB_FILE:-}" <<'PYTHON'
import json, sys
config, job = sys.argv[1:]
values = json.load(open(job))["config"] if job else json.load(open(config))
print(values.get("wait", 5))
PYTHON
)"

echo "::progress 0.2 waiting $waittime s"
sleep "$waittime"

bytes="$(find "$datastore/$dataname" -type f -printf '%s\n' | awk '{sum += $1} END {print sum + 0}')"
printf '{"bytes": %s, "waited_seconds": %s}\n' "$bytes" "$waittime" >"$outstore/summary.json"

echo "::progress 0.9 sending results"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
echo "::progress 1 done"
