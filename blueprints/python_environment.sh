#!/bin/bash
# The analysis's own Python environment, from exact packages with their digests. The examples share this file: each one's
# provision/10-python.sh is a link to it, and it runs beside the requirements.txt of its analysis.
set -euo pipefail

environment=/opt/neurocaas/env

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends python3-venv
fi

mkdir -p "$(dirname "$environment")"
python3 -m venv --clear "$environment"
"$environment/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off --only-binary :all: --require-hashes \
    --requirement requirements.txt

# matplotlib looks through all fonts at its first use: done here once, not on every machine.
if "$environment/bin/python" -c 'import matplotlib' 2>/dev/null; then
    mkdir -p "$environment/matplotlib"
    MPLCONFIGDIR="$environment/matplotlib" "$environment/bin/python" -c 'import matplotlib.font_manager'
fi

rm -rf /root/.cache/pip
