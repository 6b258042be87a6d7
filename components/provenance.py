"""Which commit a blueprint is of."""

from __future__ import annotations

import subprocess
from pathlib import Path


def blueprint_commit(root: Path, name: str) -> str | None:
    """The last commit that touched the blueprint's folder, with "-dirty" when files there differ from it.
    None outside git.

    The folder's own commit, not HEAD: a commit elsewhere must not change what is deployed.
    """
    folder = f"blueprints/{name}"
    commit = _git(root, "log", "-1", "--format=%H", "--", folder)
    if not commit:
        return None
    return f"{commit}-dirty" if _git(root, "status", "--porcelain", "--", folder) else commit


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
