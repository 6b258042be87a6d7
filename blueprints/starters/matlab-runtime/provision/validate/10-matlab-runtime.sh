#!/bin/bash
# The runtime is where run_*.sh looks for it.
set -euo pipefail

test -d /opt/mcr/R2023b/runtime/glnxa64
