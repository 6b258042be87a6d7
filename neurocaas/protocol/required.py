"""What the results of a dataset must contain (`results.required` of a blueprint): patterns of paths below
`process_results/`.

Within a name, `*`, `?` and `[…]` are those of the shell; a part `**` stands for any folders, or none. A
pattern without `/` is about files of the top folder. The time that it takes grows with the length of pattern
and path only: the monitor, which works for all analyses, fits names to it that a machine has chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def missing(patterns: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Those of `patterns` that none of `paths` fits, in their order."""
    left = list(patterns)
    for path in paths:
        if not left:
            break
        left = [pattern for pattern in left if not fits(pattern, path)]
    return left


def fits(pattern: str, path: str) -> bool:
    """Whether a path, relative to `process_results/`, fits a pattern. Case counts, as in S3."""
    parts, wanted = path.split("/"), pattern.split("/")
    reached = {0}  # how many parts of the path the pattern may have taken so far
    for name in [*wanted, "*"] if wanted[-1] == "**" else wanted:
        if name == "**":
            reached = set(range(min(reached), len(parts)))
        else:
            reached = {
                taken + 1 for taken in reached if taken < len(parts) and fnmatchcase(parts[taken], name)
            }
        if not reached:
            return False
    return len(parts) in reached
