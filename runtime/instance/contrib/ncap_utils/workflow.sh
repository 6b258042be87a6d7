#!/bin/bash
## What a job's scripts share: the environment, the record of what runs, the beginning and the end of reporting.

## Declares the environment of an analysis script. Call it between "set -a" and "set +a".
## $1: bucket   $2: path to the input   $3: result folder, below the group   $4: path to the config file
## The paths may also be whole s3://bucket/... paths: of data, configuration or results in another bucket.
parseargsstd() {
    bucketname="$1"
    inputpath="$2"
    resultdir="${3%/}"
    configpath="$4"
    userhome="${NEUROCAAS_USERHOME:-/home/ubuntu}"
    [ -d "$userhome" ] || userhome="${HOME:-/root}"
    ## The group is the first folder. Data in another bucket (s3://...) has none: there the config says whose job it is.
    if [[ "$inputpath" != s3://* ]]; then
        groupdir="${inputpath%%/*}"
    else
        groupdir="${configpath%%/*}"
    fi
    groupdir="${NEUROCAAS_GROUP:-$groupdir}"
    if [[ "$inputpath" == "$groupdir/inputs/"* ]]; then
        inputdir="$groupdir/inputs"
    else
        inputdir="$(dirname "$inputpath")"
    fi
    processdir="$resultdir/process_results"
    dataname="$(basename "$inputpath")"
    configname="$(basename "$configpath")"
    ## The dataset's name in reports and result folders: unlike $dataname, no other dataset of the job has it.
    NEUROCAAS_DATASET="${NEUROCAAS_DATASET:-$dataname}"
}

## Leaves the environment in check_vars.txt, for debugging. That it cannot be written stops nothing.
check_vars() {
    printf '%s\n' "$bucketname" "$groupdir" "$resultdir" "$processdir" "$dataname" "$inputpath" "$configname" "$configpath" \
        >"$userhome/check_vars.txt" || true
} 2>/dev/null

## Stops the calling script at the first command that fails, and records each command before it runs. The record is one
## write() by the shell itself: no process, no file is opened. It is emptied by the agent when it grows. Where nothing can be
## written any more (full, or closed by the script), recording ends and the script goes on: set -e holds in traps, too.
errorlog() {
    set -e
    if [ -n "${NEUROCAAS_STATE:-}" ] && exec {neurocaas_commands}>>"$NEUROCAAS_STATE/commands"; then
        # shellcheck disable=SC2064  # the descriptor's number is meant as it is now
        trap "printf '%.1000s\\0' \"\$BASH_COMMAND\" >&$neurocaas_commands || trap - DEBUG" DEBUG
    fi 2>/dev/null
}

## Prepares reporting: a private folder for what the parts of a job tell each other, in memory where there is one, the
## pipe that the agent listens to, and $NEUROCAAS_OUTPUT, an empty folder for results: what lies there when a script fails
## or is out of time is uploaded to process_results for it. Also $CHECKPOINT_DIR: what a script keeps there is saved when AWS
## takes a spot machine back, and is there again in the next attempt.
## An analysis script that reports for itself, as main scripts do, changes nothing: errorlog_init, errorlog_background and
## errorlog_final know by $neurocaas_control whether it is this shell that reports.
errorlog_init() {
    local memory=/dev/shm
    [ -z "${NEUROCAAS_STATE:-}" ] || return 0
    [ -w "$memory" ] || memory="${TMPDIR:-/tmp}"
    NEUROCAAS_STATE="$(mktemp -d "$memory/neurocaas.XXXXXXXX")" || return
    NEUROCAAS_OUTPUT="$(mktemp -d "${TMPDIR:-/tmp}/neurocaas-output.XXXXXXXX")" || return
    CHECKPOINT_DIR="$(mktemp -d "${TMPDIR:-/tmp}/neurocaas-checkpoint.XXXXXXXX")" || return
    export NEUROCAAS_STATE NEUROCAAS_OUTPUT CHECKPOINT_DIR
    : >"$NEUROCAAS_STATE/commands"
    neurocaas_logs="$neurocaasrootdir"
    { : >"$neurocaas_logs/joboutput.txt"; } 2>/dev/null || neurocaas_logs="$NEUROCAAS_STATE"
    : >"$neurocaas_logs/joboutput.txt"
    : >"$neurocaas_logs/joberror.txt"
    mkfifo "$NEUROCAAS_STATE/control"
    exec {neurocaas_control}<>"$NEUROCAAS_STATE/control"
}

## Reports until it is told the end; errorlog_final does that, and so does the death of this shell. Run it with "&": it
## becomes the agent, and must not keep the pipe's other end open, or it would never see that this shell is gone.
errorlog_background() {
    [ -n "${neurocaas_control:-}" ] || exec tail --pid="$$" -f /dev/null ## scripts expect something to kill
    exec {neurocaas_control}>&-
    neurocaas_agent_path
    exec "$NEUROCAAS_PYTHON" -E -s "$REPLY" watch --logs "$neurocaas_logs" --state "$NEUROCAAS_STATE" <"$NEUROCAAS_STATE/control"
}

## Gets what an earlier attempt left in $CHECKPOINT_DIR.
restore_checkpoint() {
    [ "${NEUROCAAS_ATTEMPT:-1}" -gt 1 ] || return 0
    local folder="$resultdir"
    [[ "$folder" == s3://* ]] || folder="$groupdir/$folder"
    download_folder "${NEUROCAAS_LOGS:-$folder/logs}/$NEUROCAAS_DATASET/checkpoint" "$bucketname" "$CHECKPOINT_DIR" ||
        echo "This attempt begins without a checkpoint." >&2
}

## Runs the analysis script in a process group of its own and returns its exit code. Bash runs it, as ever, unless its first line names
## something that is no such shell (#!/usr/bin/env python3).
## $1: the script; a relative path counts from neurocaasrootdir, then from the current folder
run_script() {
    local script="$1" folder code first="" uptime="" interpreter=(bash)
    [[ "$script" == /* || ! -e "$neurocaasrootdir/$script" ]] || script="$neurocaasrootdir/$script"
    if [ -z "$1" ] || [ ! -f "$script" ]; then
        refuse_script "is missing: got \"$1\". Allowed: a file, absolute or relative to $neurocaasrootdir." \
            'Correct "script" in the blueprint, or the path of the fifth argument.'
        return 127
    fi
    IFS= read -r first <"$script"
    if [[ "$first" == *$'\r' ]]; then
        refuse_script "has Windows line ends: got CR LF in \"$1\". Allowed: LF." "Convert it, for instance with dos2unix."
        return 126
    fi
    if [[ "$first" == '#!'* && ! "$first" =~ [/[:space:]](ba|da)?sh([[:space:]]|$) ]]; then
        read -ra interpreter <<<"${first:2}"
    fi
    ## Scripts source "$(dirname "$0")/ncap_utils/...": a script that a developer just put here gets the link, too.
    folder="$(dirname "$script")"
    if [[ "$folder" == "$neurocaasrootdir"/?* && ! -e "$folder/ncap_utils" ]]; then
        ln -s "$neurocaasrootdir/ncap_utils" "$folder/ncap_utils" 2>/dev/null
    fi
    export NEUROCAAS_CONTRIB="$neurocaasrootdir/ncap_utils/contrib_cli.py"
    export -f neurocaas-contrib
    set -m
    "${interpreter[@]}" "$script" >>"$neurocaas_logs/joboutput.txt" 2>>"$neurocaas_logs/joberror.txt" </dev/null {neurocaas_control}>&- &
    neurocaas_script=$!
    set +m
    { read -r uptime _ </proc/uptime; } 2>/dev/null
    printf 'pid %s %s\n' "$neurocaas_script" "$uptime" >&"$neurocaas_control"
    wait "$neurocaas_script"
    code=$?
    return "$code"
}

## Says, where the status finds it, why the analysis script does not run.
refuse_script() {
    printf 'The analysis script %s\n' "$*" | tee -a "$neurocaas_logs/joberror.txt" >&2
}

## Reports the end with the exit code of the command before it, and returns that code. Waits until the report is sent.
errorlog_final() {
    local code=$?
    [ -n "${neurocaas_control:-}" ] || return "$code"
    printf 'exit %s\n' "$code" >&"$neurocaas_control"
    printf '%s\n' "$code" >"$NEUROCAAS_STATE/exit"
    wait "${background_pid:-$!}"
    case "$?" in
        0 | 3) ;; ## 3: it tried long enough, and has left the status in the console log
        *) neurocaas_agent finish --logs "$neurocaas_logs" --state "$NEUROCAAS_STATE" </dev/null ;; ## it was killed
    esac
    exec {neurocaas_control}>&-
    rm -rf "$NEUROCAAS_STATE" "$NEUROCAAS_OUTPUT" "$CHECKPOINT_DIR"
    unset neurocaas_control NEUROCAAS_STATE NEUROCAAS_OUTPUT CHECKPOINT_DIR
    return "$code"
}

## The command by which scripts of the first implementation get their data and hand in results. Exported: they source nothing.
neurocaas-contrib() {
    "$NEUROCAAS_PYTHON" -E -s "$NEUROCAAS_CONTRIB" "$@"
}

## Makes folders that everybody may read and write.
accessdir() {
    local folder
    for folder in "$@"; do
        mkdir -p -- "$folder" && chmod 777 -- "$folder" || return
    done
}

## Removes files and folders, then switches the machine off. (A machine of a job switches itself off: jobs need no call.)
cleanup() {
    rm -rf -- "$@"
    shutdown -h now
}
