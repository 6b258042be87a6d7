"""Rules for names: analyses, groups, timestamps, object keys, and the display names of datasets."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from runtime.protocol.limits import KEY_MAX_BYTES
from runtime.protocol.problems import Problem, shown

ANALYSIS_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""An analysis is also a bucket by default, so the rule is the S3 bucket rule without dots."""

GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TIMESTAMP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_UNFIT = frozenset({"Cc", "Zl", "Zp", "Cs"})
"""Unicode categories that a key may not have: controls, separators of lines and paragraphs, halves of surrogate pairs."""
_FILE_OF_LOGS = re.compile(r"certificate\.(txt|json)|job\.json|.*_files\.json|DATASET_NAME:.*_STATUS\.txt", re.DOTALL)
"""Names of files in the folder `logs/` of a job, where each dataset has a folder of its own name."""
RESERVED_GROUPS = frozenset({"logs", "jobs", "evidence"})
"""First key segments of an analysis bucket that belong to the service."""


def check_analysis_name(value: object) -> list[Problem]:
    if isinstance(value, str) and ANALYSIS_NAME.fullmatch(value):
        return []
    return [
        Problem(
            "analysis name",
            shown(value),
            "3 to 63 lowercase letters, digits and '-', with a letter or digit at both ends",
            "Choose another name",
        )
    ]


def check_group_name(value: object) -> list[Problem]:
    if isinstance(value, str) and GROUP_NAME.fullmatch(value) and value not in RESERVED_GROUPS:
        return []
    return [
        Problem(
            "group name",
            shown(value),
            f"1 to 63 letters, digits, '.', '_' and '-', starting with a letter or digit, and none of {', '.join(sorted(RESERVED_GROUPS))}",
            "Choose another name",
        )
    ]


def check_timestamp(value: object) -> list[Problem]:
    """A timestamp is a job's identifier: part of keys, tags and file names, hence the narrow alphabet."""
    if isinstance(value, str) and TIMESTAMP.fullmatch(value):
        return []
    return [
        Problem(
            "timestamp",
            "nothing" if value is None else shown(value),
            "a string of 1 to 64 letters, digits, '.', '_', ':' and '-', starting with a letter or digit",
            'Give a new identifier for each job, for instance "2026-01-31T12:00:00"',
        )
    ]


def key_fault(key: str) -> str | None:
    """Why `key` cannot be the key of a user's object, or None. Segments '.' and '..' are refused because tools on
    either side of S3 resolve them; a trailing '/' (a folder) is allowed."""
    if not key:
        return "it is empty"
    if len(key.encode("utf-8", "surrogatepass")) > KEY_MAX_BYTES:
        return f"it is longer than {KEY_MAX_BYTES} bytes"
    if any(unicodedata.category(char) in _UNFIT for char in key):
        return "it has control characters or line breaks"
    segments = key.split("/")
    if segments[-1] == "":
        segments.pop()
    if any(segment in ("", ".", "..") for segment in segments):
        return "it has empty, '.' or '..' segments"
    return None


def dataset_names(inputpaths: Sequence[str]) -> list[str]:
    """A unique display name for each input, in order: its base name, with leading folders (joined by '_') where base
    names are equal, and a number where even those are. Names have no '/', so each is one file name; none is that of a file
    beside which its logs lie."""
    split = [[part for part in path.split("/") if part] or ["dataset"] for path in inputpaths]
    depth = [1] * len(split)
    while True:
        names = [_fit("_".join(parts[-d:])) for parts, d in zip(split, depth, strict=True)]
        counts = Counter(names)
        longer = [i for i, name in enumerate(names) if counts[name] > 1 and depth[i] < len(split[i])]
        if not longer:
            break
        for i in longer:
            depth[i] += 1
    taken: set[str] = {name for name, count in counts.items() if count == 1}
    result = []
    for name in names:
        unique, number = name, 1
        while counts[name] > 1 and unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        result.append(unique)
    return result


def _fit(name: str) -> str:
    return f"{name}_data" if _FILE_OF_LOGS.fullmatch(name) else name
