#!/bin/bash
# The tools are there and start.
set -euo pipefail

jq --version
aws --version
