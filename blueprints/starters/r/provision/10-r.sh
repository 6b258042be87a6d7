#!/bin/bash
# R, as the distribution has it, with jsonlite, by which analyse.R reads its parameters. Further packages: r-cran-NAME.
set -euo pipefail

apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends r-base-core r-cran-jsonlite
