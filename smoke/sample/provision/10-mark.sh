#!/bin/bash
# Leaves a mark on the image, by which a job tells that its machine started from it: SEAL
set -euo pipefail

mkdir -p /opt/neurocaas
echo SEAL >/opt/neurocaas/smoke
