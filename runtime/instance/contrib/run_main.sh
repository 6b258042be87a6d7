#!/bin/bash
# Runs one dataset: the analysis script with its environment, all logging around it, its exit code as the result.
# usage: bash run_main.sh BUCKET PATH_TO_INPUT PATH_TO_RESULT_DIR PATH_TO_CONFIG_FILE PATH_TO_ANALYSIS_SCRIPT
# (The developer guide's section "Main script" goes through this file.)

execpath="$0"
scriptpath="$(dirname "$execpath")/ncap_utils"
## Path loader:
source "$scriptpath/paths.sh"

set -a
neurocaasrootdir=$(dirname "$(get_abs_filename "$execpath")")
set +a

source "$scriptpath/workflow.sh"
## Import functions for data transfer
source "$scriptpath/transfer.sh"

if [ "$#" -ne 5 ]; then
    printf '%s: got %s arguments. Allowed: 5, BUCKET INPUT RESULTDIR CONFIG SCRIPT, ' "$execpath" "$#" >&2
    printf 'for instance: bash %s my-analysis lab/inputs/data.zip results/job_1 lab/configs/config.json my-analysis/run.sh\n' "$execpath" >&2
    exit 64
fi

set -a
parseargsstd "$1" "$2" "$3" "$4"
NEUROCAAS_SCRIPT="$5"
set +a
check_vars

## Set up error status reporting:
unset NEUROCAAS_STATE neurocaas_control ## of a job whose script runs this
errorlog_init

## Set up STDOUT and STDERR monitoring:
errorlog_background &
background_pid=$!
echo "$background_pid, is the pid of the background process"

restore_checkpoint

## MAIN SCRIPT GOES HERE #####################
run_script "$5"
##############################################
## Must come right after the script, to get its exit code. Reports, copies the config file and update.txt
## to process_results, and ends the background process.
errorlog_final
exit "$?"
