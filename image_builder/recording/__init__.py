"""Recordings: what was typed in a clean shell becomes provisioning scripts, and a replay proves them.

`verification.verification(blueprint)` says whether the scripts of an analysis have been replayed as they are
now.
"""
