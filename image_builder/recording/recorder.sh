#!/bin/bash
# The recording shell's own part. Interactive: bash --rcfile recorder.sh. A session from a file: bash recorder.sh script.
# Everything it has to say goes through files in $__rec_dir; the recorder outside answers with commands, which are sourced.
__rec_dir=/run/neurocaas-record
export HOME=/root DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1
export PIP_REPORT=/run/neurocaas-pip-report # pip writes there what it installs, with digests, whoever runs it
install -m 0666 /dev/null "$PIP_REPORT"
unset HISTFILE PROMPT_DIRTRIM MAILCHECK
umask 022

__rec_ask() { # kind, text, statuses, words of `rec`: tell the recorder, wait, do what it answers
    printf '%s\0' "$1" "$2" "$3" "$PWD" "${@:4}" >"$__rec_dir/event"
    /usr/bin/env -0 >"$__rec_dir/environment"
    # shellcheck disable=SC2154  # PROMPT_COMMAND sets it
    { declare -p; declare -f; alias; shopt -p; set +o; trap -p; umask; printf 'argument %q\n' "${__rec_arguments[@]}"; } \
        >"$__rec_dir/state" 2>/dev/null
    if [ -s /run/neurocaas-pip-report ]; then
        cat /run/neurocaas-pip-report >"$__rec_dir/pip-report"
        : >/run/neurocaas-pip-report
    fi
    echo >"$__rec_dir/ask"
    read -r __rec_answer <"$__rec_dir/answered"
    # shellcheck disable=SC1091  # made while this runs
    . "$__rec_dir/answer"
}

rec() { # after `check` and `as USER --`, one word is a line for bash; several are a command and its arguments, word for word
    if [ "${1-}" = check ] && [ $# -gt 1 ]; then
        # shellcheck disable=SC2016  # expanded by the bash that gets it
        case $#:$2 in
            2:*) bash -eo pipefail -c "$2" ;;
            *:!) ! bash -eo pipefail -c '"$@"' rec "${@:3}" ;;
            *) bash -eo pipefail -c '"$@"' rec "${@:2}" ;;
        esac || { echo "the check fails here (exit $?): not recorded" >&2; return 1; }
    fi
    __rec_ask rec "" 0 "$@"
    if [ "${1-}" = as ] && [ "${3-}" = -- ] && [ $# -gt 3 ]; then
        # shellcheck disable=SC2016
        if [ $# -eq 4 ]; then su "$2" -s /bin/bash -c "$4"; else su -s /bin/bash -c '"$@"' -- "$2" rec "${@:4}"; fi
    fi
}

cd /opt/build || exit 70
if [ "${1-}" = script ]; then
    set --
    shopt -s expand_aliases # a file of lines stands for somebody who types them
    __rec_ask begin "" 0
    while [ -f "$__rec_dir/line" ]; do
        __rec_line=$(cat "$__rec_dir/line"; printf x)
        rm -f "$__rec_dir/line"
        __rec_status=(unknown)
        eval "${__rec_line%x}"$'\n\n''__rec_status=("$?" "${PIPESTATUS[@]}")' </dev/null
        __rec_parsed=$? __rec_arguments=("$@")
        [ "${__rec_status[0]}" = unknown ] && __rec_status=("$__rec_parsed") # a syntax error: nothing ran
        __rec_ask command "${__rec_line%x}" "${__rec_status[*]}"
    done
    exit 0
fi

set -o history
shopt -s cmdhist lithist checkwinsize
HISTCONTROL='' HISTIGNORE='' HISTSIZE=100000
unset HISTTIMEFORMAT
PS1='[recording] \w # '
# shellcheck disable=SC2016  # expanded at each command
PS0='$(history 1 >"$__rec_dir/running")' # a line that never comes back to the prompt is known all the same
__rec_seen=''
__rec_prompt() {
    [[ $(history 1) =~ ^\ *([0-9]+)\*?\ \ (.*)$ ]] || { [ -n "$__rec_seen" ] || __rec_ask begin "" 0; __rec_seen=${__rec_seen:-0}; return; }
    if [ -z "$__rec_seen" ]; then
        __rec_ask begin "" 0
    elif [ "${BASH_REMATCH[1]}" != "$__rec_seen" ]; then
        __rec_ask command "${BASH_REMATCH[2]}" "${__rec_status[*]}"
    fi
    __rec_seen=${BASH_REMATCH[1]}
}
PROMPT_COMMAND='__rec_status=("$?" "${PIPESTATUS[@]}"); __rec_arguments=("$@"); __rec_prompt'
