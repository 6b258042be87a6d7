"""The run script of an imported analysis, written from COMMAND: the same steps in the same order, the same
script, and its failures told.

It stops at the first step that fails, and ends with the code of what it ran, whatever came after there.
"""

from __future__ import annotations

import re
import shlex
from itertools import count

from blueprints import old_shell
from blueprints.old_command import OldCommand, OldStep

_HEAD = """\
#!/bin/bash
# Made by `invoke import-blueprint` from the COMMAND of the first implementation; it is yours to change. COMMAND was:
{command}
{left_out}
set -e -o pipefail
userhome="${{userhome:-/home/ubuntu}}"

## What an image of the first implementation has in neurocaas_contrib is found where the code of today lies.
for path in "$userhome"/neurocaas_contrib.image/*; do
    [ ! -e "$path" ] || [ -e "$neurocaasrootdir/$(basename "$path")" ] || ln -s "$path" "$neurocaasrootdir/"
done
"""  # noqa: E501

_FOUND = """
here="$(cd "$(dirname "$0")" && pwd)"
## Prints where a script of the analysis is: as it is named, beside this script, in the code, in the home of the image.
found() {
    local name="${1#"$userhome"/neurocaas_contrib/}" path
    for path in "$1" "$here/$name" "$here/$(basename "$name")" "$neurocaasrootdir/$name" "$userhome/$name"; do
        if [ -f "$path" ] && [ ! "$path" -ef "$0" ]; then
            [[ "$path" == */* ]] || path="./$path"
            printf '%s\\n' "$path"
            return
        fi
    done
    printf 'The analysis script: got %s, which is not on this machine. Allowed: a file of the image, or of the blueprint. ' "$1" >&2
    printf 'Put it into the folder of the blueprint, under this name or as %s.\\n' "$(basename "$1")" >&2
    return 127
}
"""  # noqa: E501

_RUN = """
## Runs a script as its first line says, else by its ending. The functions that it may source are linked in beside it.
run() {
    local script="$1" first="" interpreter=(bash) folder
    shift
    folder="$(dirname "$script")"
    [ -e "$folder/ncap_utils" ] || ln -s "$neurocaasrootdir/ncap_utils" "$folder/ncap_utils" 2>/dev/null || true
    IFS= read -r first <"$script" || true
    [[ "$script" != *.py ]] || interpreter=(python3)
    if [[ "$first" == '#!'* && ! "$first" =~ [/[:space:]](da)?sh[[:space:]]*$ ]]; then
        read -ra interpreter <<<"${first:2}"
    fi
    "${interpreter[@]}" "$script" "$@"
}
"""  # noqa: E501

_ENTER = """
## Goes to a folder: from where the script is, or from the home of the image.
enter() {
    cd "$1" 2>/dev/null || cd "$userhome/$1"
}
"""

_SETTINGS = """
## Reads a shell's settings. What is not there, or ends with another code, stopped nothing.
settings() {
    local file
    for file in "$1" "$userhome/$1"; do
        if [ -f "$file" ]; then
            # shellcheck disable=SC1090
            source "$file" || true
            return 0
        fi
    done
    echo "There is no $1: it is passed over." >&2
}
"""

_AFTER = """
## What came after, whatever the code was. The first failure is the script's.
after() {{
    local code=$?
    trap - EXIT
    set +e
{steps}
    exit "$code"
}}
trap after EXIT
"""

_NOTHING = """
printf 'The run script of {name}: got a COMMAND that could not be taken over. Allowed: a script that runs the analysis. ' >&2
printf 'Write it into blueprints/{name}/{file}.\\n' >&2
exit 64
"""  # noqa: E501

_FOUR = " ".join(f'"${name}"' for name in old_shell.VARIABLES)


def write(name: str, file: str, text: str, command: OldCommand, folder: str = "") -> str:
    """The script `file` of analysis `name`, from the COMMAND `text`. `folder`: its WORKING_DIRECTORY, "" when
    it had none.
    """
    noted = "\n".join(f"#   {_printable(line)}" for line in text.splitlines() or [""])
    told = [("Not in it", command.left_out), ("Look at this", command.doubts)]
    left_out = "".join(f"# {kind}: {_printable(one)}\n" for kind, every in told for one in every)
    made = _HEAD.format(command=noted, left_out=left_out)
    if not command.runs:
        return made + _NOTHING.format(name=name, file=file)
    steps = command.steps
    if any(step.script for step in steps):
        made += _FOUND
    if any(step.kind == "script" or "run " in f" {step.text}" for step in steps):
        made += _RUN
    if any(step.kind == "folder" for step in steps):
        made += _ENTER
    if any(step.kind == "settings" for step in steps):
        made += _SETTINGS
    later = [step.text for step in steps if step.kind == "after"]
    if later:
        lines = "\n".join(f'    {one} || {{ last=$?; [ "$code" -ne 0 ] || code=$last; }}' for one in later)
        made += _AFTER.format(steps=lines)
    made += "\n" + _directory(folder)
    return made + "".join(_step(step) for step in steps if step.kind != "after")


def _directory(folder: str) -> str:
    """The beginning: where COMMAND was run, if that is there."""
    if not folder.startswith(("~", "/home/ubuntu")):
        place = shlex.quote(folder)
        return 'cd "$userhome"\n' + (f"[ ! -d {place} ] || cd {place}\n" if folder else "")
    place = _quoted(re.sub(r"^~[^/]*", "/home/ubuntu", folder))
    return f"mkdir -p {place}\ncd {place}\n"


def _step(step: OldStep) -> str:
    match step.kind:
        case "conda":
            return f'eval "$(conda shell.bash hook)"\n{step.text}\n'
        case "script":
            more = f" {step.arguments}" if step.arguments else ""
            return f'script="$(found {_quoted(step.script or "")})"\nrun "$script" {_FOUR}{more}\n'
        case "program" if step.script:
            return f'script="$(found {_quoted(step.script)})"\n{step.text}\n'
        case _:
            return f"{step.text}\n"


def _quoted(script: str) -> str:
    return old_shell.filled(shlex.quote(script), count().__next__)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
