"""On how many examples properties are tried."""

from __future__ import annotations

import os

from hypothesis import settings

FEWEST = 5


def load() -> None:
    """Choose a profile: `ci` tries what a pipeline and `make test` must have tried, `dev` (`make check`, and
    pytest by hand) a fifth of it. `$HYPOTHESIS_PROFILE` names one, `$CI` means `ci`.
    """
    settings.register_profile("ci", max_examples=100, deadline=None)
    settings.register_profile("dev", parent=settings.get_profile("ci"), max_examples=20)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def examples(in_ci: int) -> int:
    """For a test that names a number of its own: that many with the profile `ci`, fewer with `dev`."""
    return min(in_ci, max(FEWEST, in_ci * settings().max_examples // 100))
