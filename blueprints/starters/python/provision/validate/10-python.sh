#!/bin/bash
# The environment is there, and has what analyse.py imports.
set -euo pipefail

/opt/neurocaas/env/bin/python -c 'import json'
