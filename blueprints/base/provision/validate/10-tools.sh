#!/bin/bash
# The tools are there and start.
set -euo pipefail

git --version
jq --version
aws --version
/opt/neurocaas/tools/bin/python -c 'import boto3; print("boto3", boto3.__version__)'
/opt/neurocaas/tools/bin/python -m pip check
