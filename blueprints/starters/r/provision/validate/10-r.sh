#!/bin/bash
# R is there, and has what analyse.R needs.
set -euo pipefail

Rscript --vanilla -e 'library(jsonlite)'
