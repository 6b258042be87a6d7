#!/bin/bash
## The absolute path of a file whose folder exists (the file itself need not). Prints nothing where it does not.
## $1: a path
get_abs_filename() {
    local folder
    folder="$(cd "$(dirname "$1")" 2>/dev/null && pwd)" || return 0
    printf '%s/%s\n' "${folder%/}" "$(basename "$1")"
}
