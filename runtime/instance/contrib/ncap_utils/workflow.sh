#!/bin/bash
## What a job's scripts share: the environment, the record of what runs, the beginning and the end of reporting.

## Declares the environment of an analysis script. Call it between "set -a" and "set +a".
## $1: bucket   $2: path to the input   $3: result folder, below the group   $4: path to the config file
## The paths may also be whole s3://bucket/... paths: of data, configuration or results in another bucket. An argument that is empty
## changes nothing: an analysis script may call this with its own arguments, whether it was given any or not.
parseargsstd() {
    bucketname="${1:-${bucketname:-}}"
    inputpath="${2:-${inputpath:-}}"
    resultdir="${3:-${resultdir:-}}"
    resultdir="${resultdir%/}"
    configpath="${4:-${configpath:-}}"
    [ -n "$bucketname$inputpath$resultdir$configpath" ] || return 0
    userhome="${NEUROCAAS_USERHOME:-/home/ubuntu}"
    [ -d "$userhome" ] || userhome="${HOME:-/root}"
    ## The group is the first folder. Data in another bucket (s3://...) or in the world (https://...) has none: there the config says whose job it is.
    if [[ "$inputpath" != s3://* && "$inputpath" != https://* ]]; then
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
    ## In a sweep each combination of parameters has a folder of its own.
    processdir="$resultdir/process_results${NEUROCAAS_COMBINATION:+/$NEUROCAAS_COMBINATION}"
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

## Records each command as errorlog does, but stops at none; when the script ends, its last command and exit code are printed.
errorrep() {
    local before="$-"
    errorlog
    [[ "$before" == *e* ]] || set +e
    trap 'printf "\"%s\" was the last command, with exit code %s.\n" "$BASH_COMMAND" "$?"' EXIT
}

## Prepares reporting: a private folder for what the parts of a job tell each other, in memory where there is one, the
## pipe that the agent listens to, and $NEUROCAAS_OUTPUT, an empty folder for results: what lies there when a script fails
## or is out of time is uploaded to process_results for it. Also $CHECKPOINT_DIR: what a script keeps there is saved while
## it works, and is there again in the next attempt.
## An analysis script that reports for itself, as main scripts do, changes nothing: errorlog_init, errorlog_background and
## errorlog_final know by $neurocaas_control whether it is this shell that reports.
errorlog_init() {
    local folders=("${TMPDIR:-/tmp}" /var/tmp /dev/shm /run "${userhome:-/home/ubuntu}")
    [ -z "${NEUROCAAS_STATE:-}" ] || return 0
    NEUROCAAS_STATE="$(neurocaas_folder neurocaas /dev/shm "${folders[@]}")" || return
    NEUROCAAS_OUTPUT="$(neurocaas_folder neurocaas-output "${folders[@]}")" || return
    CHECKPOINT_DIR="$(neurocaas_folder neurocaas-checkpoint "${folders[@]}")" || return
    [[ "$NEUROCAAS_OUTPUT" == "${folders[0]}"/* ]] || export TMPDIR="${NEUROCAAS_OUTPUT%/*}"
    export NEUROCAAS_STATE NEUROCAAS_OUTPUT CHECKPOINT_DIR
    export -n neurocaas_control
    : >"$NEUROCAAS_STATE/commands"
    neurocaas_logs="$neurocaasrootdir"
    { echo >"$neurocaas_logs/joboutput.txt"; } 2>/dev/null || neurocaas_logs="$NEUROCAAS_STATE"
    : >"$neurocaas_logs/joboutput.txt"
    : >"$neurocaas_logs/joberror.txt"
    mkfifo "$NEUROCAAS_STATE/control"
    exec {neurocaas_control}<>"$NEUROCAAS_STATE/control"
}

## Makes a new folder and prints its path: in the first of the folders where something can be written. (A disk may be full.)
## $1: how its name begins   $2...: folders
neurocaas_folder() {
    local name="$1" folder made
    shift
    for folder in "$@"; do
        made="$(mktemp -d "$folder/$name.XXXXXXXX" 2>/dev/null)" || continue
        if { echo >"$made/.try" && [ -s "$made/.try" ]; } 2>/dev/null; then
            rm "$made/.try"
            printf '%s\n' "$made"
            return 0
        fi
        rm -rf "$made"
    done
    printf 'NeuroCAAS: nothing can be written: got folders %s. Allowed: one with space that this user may write. Make room.\n' "$*" >&2
    return 1
}

## Reports until it is told the end; errorlog_final does that, and so does the death of this shell. Run it with "&": it
## becomes the agent, and must not keep the pipe's other end open, or it would never see that this shell is gone.
errorlog_background() {
    ## Scripts expect something to kill. By its name the agent knows that it is nobody's work.
    [ -n "${neurocaas_control:-}" ] || exec -a neurocaas-background tail --pid="$$" -f /dev/null
    exec {neurocaas_control}>&-
    neurocaas_agent_path
    exec "$NEUROCAAS_PYTHON" -E -s "$REPLY" watch --logs "$neurocaas_logs" --state "$NEUROCAAS_STATE" <"$NEUROCAAS_STATE/control"
}

## Gets what an earlier attempt left in $CHECKPOINT_DIR.
restore_checkpoint() {
    [ "${NEUROCAAS_ATTEMPT:-1}" -gt 1 ] || return 0
    local folder="$resultdir"
    [[ "$folder" == s3://* ]] || folder="$groupdir/$folder"
    neurocaas_agent restore -- "${NEUROCAAS_LOGS:-$folder/logs}/$NEUROCAAS_DATASET/checkpoint" "$bucketname" "$CHECKPOINT_DIR" ||
        echo "This attempt begins without a checkpoint." >&2
}

## Runs the analysis script and returns its exit code. It gets the arguments bucket, input, result folder and config. What its first
## line says runs it (neurocaas_interpreter). The agent starts it, in a process group of its own, and ends what the script leaves running.
## $1: the script; a relative path counts from neurocaasrootdir, then from the current folder
run_script() {
    local script="$1" folder interpreter=() arguments REPLY
    [[ "$script" == /* || ! -e "$neurocaasrootdir/$script" ]] || script="$neurocaasrootdir/$script"
    if [ -z "$1" ] || [ ! -f "$script" ]; then
        refuse_script "is missing: got \"$1\". Allowed: a file, absolute or relative to $neurocaasrootdir." \
            'Correct "script" in the blueprint, or the path of the fifth argument.'
        return 127
    fi
    neurocaas_interpreter "$script" "$1" || return
    ## Scripts source "$(dirname "$0")/ncap_utils/...": a script that a developer just put here gets the link, too.
    folder="$(dirname "$script")"
    if [[ "$folder" == "$neurocaasrootdir"/?* && ! -e "$folder/ncap_utils" ]]; then
        ln -s "$neurocaasrootdir/ncap_utils" "$folder/ncap_utils" 2>/dev/null
    fi
    export NEUROCAAS_CONTRIB="$neurocaasrootdir/ncap_utils/contrib_cli.py"
    export -f neurocaas-contrib
    arguments=("$bucketname" "$inputpath" "$resultdir" "$configpath")
    set -m
    neurocaas_agent_path
    PATH="$neurocaasrootdir/ncap_utils/machine:$PATH" "$NEUROCAAS_PYTHON" -E -s "$REPLY" run --state "$NEUROCAAS_STATE" -- \
        "${interpreter[@]}" "$script" "${arguments[@]}" \
        >>"$neurocaas_logs/joboutput.txt" 2>>"$neurocaas_logs/joberror.txt" </dev/null {neurocaas_control}>&- &
    neurocaas_script=$!
    set +m
    wait "$neurocaas_script"
}

## Sets the array "interpreter" to what runs a script, as Linux reads the first line (execve(2)): a program, and all that follows as one
## argument. (#!/usr/bin/env -S splits it.) Bash runs what has no such line, and what says sh, as the first implementation did.
## neurocaas/protocol/interpreter.py says the same before there is a machine.
## $1: the script   $2: its name in messages
neurocaas_interpreter() {
    local LC_ALL=C line="" program="" argument="" name
    { IFS= read -r line; } <"$1" 2>/dev/null
    case "$line" in
        $'\xef\xbb\xbf'* | $'\xff\xfe'* | $'\xfe\xff'*)
            refuse_script "begins with a byte order mark: got \"$2\". Allowed: UTF-8 without one." "Save it again without."
            return 126
            ;;
        *$'\r')
            refuse_script "has Windows line ends: got CR LF in \"$2\". Allowed: LF." "Convert it, for instance with dos2unix."
            return 126
            ;;
    esac
    interpreter=(bash)
    [[ "$line" == '#!'* ]] || return 0
    IFS=$' \t' read -r program argument <<<"${line:2}"
    [ -n "$program" ] || return 0
    name="${program##*/}"
    if [[ "$name" == env && "$argument" =~ ^(-v?S[[:blank:]]*|--split-string=[[:blank:]]*)?(sh|/[^[:blank:]]*/sh)([[:blank:]]+(.*))?$ &&
        (-n "${BASH_REMATCH[1]}" || -z "${BASH_REMATCH[3]}") && "${BASH_REMATCH[4]}" != *[\'\"\\\$]* ]]; then
        [ -z "${BASH_REMATCH[4]}" ] || IFS=$' \t' read -ra interpreter <<<"bash ${BASH_REMATCH[4]}"
        return 0
    fi
    if [[ "$argument" == *[[:blank:]]* && "$name" =~ ^((ba|da|k|z)?sh|python[23]?)$ ]]; then
        refuse_script "has several arguments in its first line, which Linux hands to $name as one: got \"$argument\" in \"$2\". Allowed: one" \
            "argument, or env -S. Write #!/usr/bin/env -S $name $argument"
        return 126
    fi
    if [ "$name" = sh ] || { [ "$name" = bash ] && [ ! -x "$program" ]; }; then
        program=bash
    elif ! type -P -- "$program" >/dev/null; then
        refuse_script "needs an interpreter that is not here: got \"$program\" in the first line of \"$2\". Allowed: a program of the" \
            "machine. Correct the line, or install the program in provision/."
        return 127
    elif [[ "$name" == env && -n "$argument" && "$argument" != -* && "$argument" != *=* ]] && ! type -P -- "$argument" >/dev/null; then
        name="Correct the line, or install the program in provision/."
        [[ "$argument" != *[[:blank:]]* ]] || name="Several words need env -S: #!$program -S $argument"
        refuse_script "needs an interpreter that is not here: got \"$argument\" for env in the first line of \"$2\". Allowed: a program of" \
            "the machine. $name"
        return 127
    fi
    interpreter=("$program" ${argument:+"$argument"})
}

## Says, where the status finds it, why the analysis script does not run.
refuse_script() {
    printf 'The analysis script %s\n' "$*" | tee -a "$neurocaas_logs/joberror.txt" >&2
}

## Reports the end with the exit code of the command before it, and returns that code. Waits until the report is sent.
## A script that reports for itself, as main scripts do, leaves the code that it saw. The first failure counts: the dataset has failed
## with this code, whatever the script does afterwards.
errorlog_final() {
    local code=$? first
    if [ -z "${neurocaas_control:-}" ]; then
        ## A link holds the code without a byte of disk, and is made once.
        [ "$code" -eq 0 ] || ln -s "$code" "${NEUROCAAS_STATE:-/nowhere}/failure" 2>/dev/null || :
        return "$code"
    fi
    first="$(readlink "$NEUROCAAS_STATE/failure")" && code="$first"
    printf 'exit %s\n' "$code" >&"$neurocaas_control"
    printf '%s\n' "$code" >"$NEUROCAAS_STATE/exit"
    wait "${background_pid:-$!}"
    case "$?" in
        0 | 3) ;; ## 3: it tried long enough, and has left the status in the console log
        *) neurocaas_agent finish --logs "$neurocaas_logs" --state "$NEUROCAAS_STATE" </dev/null ;; ## it was killed
    esac
    [ ! -e "$NEUROCAAS_STATE/hold" ] || neurocaas_agent hold --state "$NEUROCAAS_STATE" </dev/null ## all is there yet
    exec {neurocaas_control}>&-
    rm -rf "$NEUROCAAS_STATE" "$NEUROCAAS_OUTPUT" "$CHECKPOINT_DIR"
    unset neurocaas_control NEUROCAAS_STATE NEUROCAAS_OUTPUT CHECKPOINT_DIR
    return "$code"
}

## The command by which scripts of the first implementation get their data and hand in results. Exported: they source nothing.
neurocaas-contrib() {
    LD_LIBRARY_PATH="${NEUROCAAS_LIBRARIES-}" "$NEUROCAAS_PYTHON" -E -s "$NEUROCAAS_CONTRIB" "$@"
}

## Makes folders that everybody may read and write.
accessdir() {
    local folder
    for folder in "$@"; do
        mkdir -p -- "$folder" && chmod 777 -- "$folder" || return
    done
}

## Removes files and folders. A machine of a job switches itself off when all is reported, so this does not; on any other computer only
## what belongs to the run goes.
cleanup() {
    local path real folder
    for path in "$@"; do
        real="$(realpath -m -- "$path")" || continue
        for folder in ${NEUROCAAS_INSTANCE_ID:+/} "${NEUROCAAS_RUN_FOLDER:-}" "${NEUROCAAS_USERHOME:-}" "${NEUROCAAS_OUTPUT:-}" "${CHECKPOINT_DIR:-}"; do
            if [ -n "$folder" ] && [[ "$real" == "${folder%/}"/?* ]]; then
                rm -rf -- "$path"
                continue 2
            fi
        done
        printf 'NeuroCAAS: cleanup leaves %s alone: this is no machine of a job, and it is not part of the run.\n' "$path" >&2
    done
}
