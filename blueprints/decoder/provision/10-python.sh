#!/bin/bash
# The analysis's own Python environment, from exact packages with their digests.
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

rm -rf /root/.cache/pip
