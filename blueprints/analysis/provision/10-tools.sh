#!/bin/bash
# Tools that analysis scripts like to call.
set -euo pipefail

if ! command -v jq >/dev/null; then
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends jq
fi
jq --version
