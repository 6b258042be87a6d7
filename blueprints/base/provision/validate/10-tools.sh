#!/bin/bash
# The tools are there and start.
set -euo pipefail

git --version
jq --version
aws --version
/opt/neurocaas/awscli/bin/python -m pip check
