"""The script `pulumi-language-python` that starts our language host (standard library only: set-up imports
this).

It lies beside a CLI of our own making, as the official release has its host beside the CLI: then the engine
takes it as its own, and `pulumi` works in any shell. It belongs to no checkout: the program's environment is
named by two variables, or else is the `.venv` beside the nearest Pulumi.yaml.
"""

from __future__ import annotations

from localcloud.project import project

LANGUAGE_HOST = "pulumi-language-python"
PYTHON_VARIABLE = "LOCALCLOUD_PYTHON"
"""The Python of the program's environment."""
KIT_VARIABLE = "LOCALCLOUD_KIT"
"""The folder that holds the `localcloud` package."""

HOST_SCRIPT = """\
#!/bin/sh
root=$PWD
until [ -f "$root/Pulumi.yaml" ] || [ "$root" = / ]; do root=$(dirname "$root"); done
: "${LOCALCLOUD_KIT:=$root}" "${LOCALCLOUD_PYTHON:=$root/.venv/bin/python}"
export LOCALCLOUD_KIT
if [ ! -x "$LOCALCLOUD_PYTHON" ]; then
    echo "got no Python environment $LOCALCLOUD_PYTHON for the program in $root; run {setup} there" >&2
    exit 1
fi
start='import os, sys
sys.path.insert(0, os.environ["LOCALCLOUD_KIT"])
from localcloud.pulumi.language import main
sys.exit(main(sys.argv[1:]))'
exec "$LOCALCLOUD_PYTHON" -c "$start" "$@"
""".replace("{setup}", project().setup)
