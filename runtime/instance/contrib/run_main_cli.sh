#!/bin/bash
# The same as run_main.sh, under the name that the developer guide's usage line has.
exec bash "$(dirname "$0")/run_main.sh" "$@"
