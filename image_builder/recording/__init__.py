"""Recordings: what was typed in a clean shell becomes provisioning scripts, and a replay proves them.

`verification(blueprint)` says whether the scripts of an analysis have been replayed as they are now.
"""

from image_builder.recording.verification import Stale, Unverified, Verified, verification

__all__ = ["Stale", "Unverified", "Verified", "verification"]
