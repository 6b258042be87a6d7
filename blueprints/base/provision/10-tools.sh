#!/bin/bash
# Tools that analysis scripts like to call: git, jq, and the AWS CLI in an environment of its own, where it is in no analysis's way.
set -euo pipefail

if ! { command -v git && command -v jq; } >/dev/null || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends ca-certificates git jq python3-venv
fi

mkdir -p /opt/neurocaas
python3 -m venv --clear /opt/neurocaas/awscli
/opt/neurocaas/awscli/bin/python -m pip install --disable-pip-version-check --no-input --no-cache-dir --progress-bar off --only-binary :all: \
    --require-hashes --requirement requirements.txt
ln -sf /opt/neurocaas/awscli/bin/aws /usr/local/bin/aws
