#!/bin/sh
# Packages must not start services: nothing supervises them here.
exit 101
