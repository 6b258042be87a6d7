"""How many examples a property is tried on."""

from __future__ import annotations

from hypothesis import settings

FEWEST = 5


def examples(in_ci: int) -> int:
    """That many with the profile `ci`, fewer with `dev` (tests/conftest.py has both)."""
    return min(in_ci, max(FEWEST, in_ci * settings().max_examples // 100))
