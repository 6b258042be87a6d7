#!/bin/bash
## Data between the bucket and this machine. All functions return non-zero when something could not be transferred,
## print what went where, and take names with spaces. A bucket may be given as "$bucketname"; a path may also be a
## whole s3://bucket/key, then the bucket argument is not looked at.

## The Python that reports and transfers. It is looked up before a script can activate an environment of its own.
: "${NEUROCAAS_PYTHON:=$(command -v python3)}"
export NEUROCAAS_PYTHON
## Its libraries, as they were before a script activates an environment with others.
export NEUROCAAS_LIBRARIES="${NEUROCAAS_LIBRARIES-${LD_LIBRARY_PATH-}}"

## Sets REPLY to the agent's program: agent/ is in the root of the code tree; in the repository it lies beside contrib/.
neurocaas_agent_path() {
    local root="${neurocaasrootdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
    [ -d "$root/agent" ] || root="$root/.."
    REPLY="$root/agent/__main__.py"
}

neurocaas_agent() {
    local REPLY
    neurocaas_agent_path
    LD_LIBRARY_PATH="$NEUROCAAS_LIBRARIES" "$NEUROCAAS_PYTHON" -E -s "$REPLY" "$@"
}

## Get a file, or a whole folder (a path that ends in "/", or that only exists as a folder).
## $1: path in the bucket   $2: bucket   $3: local folder, made if missing; the file keeps its name
download() {
    neurocaas_agent download -- "$1" "$2" "$3"
}

## Get everything below a path, with its folders.
## $1: path in the bucket   $2: bucket   $3: local folder
download_folder() {
    neurocaas_agent download-folder -- "$1" "$2" "$3"
}

## Send a file, or what is in a folder (with its folders).
## $1: local file or folder   $2: bucket   $3: group ("$groupdir")   $4: folder in the group ("$processdir"), or s3://bucket/folder
## $5: an ending that is left out, without its dot (optional)
upload() {
    neurocaas_agent upload -- "$1" "$2" "$3" "$4" "${5:-}"
}
