"""Patterns of `.bidsignore`, which are those of `.gitignore` (git's documentation, "gitignore"): one a line,
`*` and `?` within a name, `**` over folders, a `/` at the end for folders only, one at the beginning or in
the middle for a place below the root, `!` to take back, `#` for a comment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IgnoredPattern:
    """`taken_back`: what it matches is not ignored after all."""

    matches: re.Pattern[str]
    folders_only: bool
    taken_back: bool


def read_patterns(text: str) -> list[IgnoredPattern]:
    """The patterns of a file, in its order. What is no pattern (`[` without an end) matches itself."""
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        line = re.sub(r"(?<!\\) +$", "", line)
        if not line or line.startswith("#"):
            continue
        taken_back = line.startswith("!")
        line = line[taken_back:]
        folders_only = line.endswith("/")
        line = line.rstrip("/")
        anchored = "/" in line
        if not line:
            continue
        body = _regex(line.lstrip("/"))
        found.append(
            IgnoredPattern(re.compile(body if anchored else f"(?:.*/)?{body}"), folders_only, taken_back)
        )
    return found


def ignores(patterns: Sequence[IgnoredPattern], path: str) -> bool:
    """Whether a file (its path below the root, with '/') is ignored, itself or a folder on the way to it:
    what is below an ignored folder cannot be taken back."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        begin, is_file = "/".join(parts[:depth]), depth == len(parts)
        last = None
        for one in patterns:
            if not (one.folders_only and is_file) and one.matches.fullmatch(begin):
                last = one
        if last is not None and not last.taken_back:
            return True
    return False


def _regex(pattern: str) -> str:
    done, place = [], 0
    while place < len(pattern):
        rest = pattern[place:]
        if rest.startswith("**/") and (place == 0 or pattern[place - 1] == "/"):
            done.append("(?:.*/)?")
            place += 3
        elif rest == "**" and place and pattern[place - 1] == "/":
            done.append(".+")
            place += 2
        elif rest[0] == "*":
            done.append("[^/]*")
            place += 1
        elif rest[0] == "?":
            done.append("[^/]")
            place += 1
        elif found := re.match(r"\[([!^]?)(\]?[^\]]*)\]", rest):
            inner = found[2].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
            done.append(f"(?!/)[{'^' if found[1] else ''}{inner}]")
            place += found.end()
        elif rest[0] == "\\" and len(rest) > 1:
            done.append(re.escape(rest[1]))
            place += 2
        else:
            done.append(re.escape(rest[0]))
            place += 1
    return "".join(done)
