#!/bin/bash
# Counts and adds the numbers in a text file; a file that says `fail` fails.

# shellcheck disable=SC1091,SC2154  # functions and variables come from run_main.sh

source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog

data="$userhome/smoke/data"
out="$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
accessdir "$data" "$out"
download "$inputpath" "$bucketname" "$data"

parameter() {
    "$NEUROCAAS_PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$NEUROCAAS_CONFIG" "$1"
}

if grep -q fail "$data/$dataname"; then
    echo "this dataset fails, as it is meant to" >&2
    exit 3
fi
awk '{sum += $1} END {printf "{\"count\": %d, \"sum\": %d, \"mean\": %.6g}\n", NR, sum, sum / NR}' \
    "$data/$dataname" >"$out/summary.json"
if [ -f /opt/neurocaas/smoke ]; then
    cp /opt/neurocaas/smoke "$out/image.txt"
fi
large="$(parameter large_mib)"
if [ "$large" != 0 ]; then
    head -c "$((large * 1048576))" /dev/zero >"$out/large.bin"
fi
sleep "$(parameter wait)"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
