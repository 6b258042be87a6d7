"""Rules for names: analyses, groups, timestamps, object keys, and the display names of datasets."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from neurocaas.protocol.limits import KEY_MAX_BYTES, NAME_MAX_BYTES
from neurocaas.protocol.problems import Problem, shown

ANALYSIS_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""The name of its bucket begins with it, so the rule is the S3 bucket rule without dots."""

GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TIMESTAMP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_UNFIT = frozenset({"Cc", "Zl", "Zp", "Cs"})
"""Unicode categories that a key may not have: controls, separators of lines and paragraphs, halves of
surrogate pairs.
"""
_FILE_OF_LOGS = re.compile(
    r"certificate\.(txt|json)|job\.json|.*_files\.json|DATASET_NAME:.*_STATUS\.txt", re.DOTALL
)
"""Names of files in the folder `logs/` of a job, where each dataset has a folder of its own name."""
DATASET_NAME_BYTES = NAME_MAX_BYTES - len("DATASET_NAME:_inst10000_STATUS.txt")
"""Longest display name of a dataset: its status file, also that of a member of an ensemble, has to be a file
on the computers of people.
"""
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
            "1 to 63 letters, digits, '.', '_' and '-', starting with a letter or digit, and none of "
            f"{', '.join(sorted(RESERVED_GROUPS))}",
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
    """Why `key` cannot be the key of an object that a user names, or None. Segments '.' and '..' are refused
    because tools on either side of S3 resolve them, and longer ones than a file's name may be because a
    machine keeps the object as a file; a trailing '/' (a folder) is allowed."""
    if any(unicodedata.category(char) in _UNFIT for char in key):
        return "it has control characters or line breaks"
    return file_fault(key)


def file_fault(key: str) -> str | None:
    """Why an object of this key cannot be kept as a file, under its own name below its own folders, or
    None.
    """
    return object_fault(key) or _unfit_for_a_file(key.removesuffix("/"))


def object_fault(key: str) -> str | None:
    """Why S3 cannot have an object of this key, or None (S3 user guide, "Naming Amazon S3 objects")."""
    if not key:
        return "it is empty"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is no UTF-8"
    return f"it is longer than {KEY_MAX_BYTES} bytes" if size > KEY_MAX_BYTES else None


def folder_faults(paths: Iterable[str]) -> list[str]:
    """Why objects at these paths below a folder cannot all be files of one folder on a machine: one text for
    each that cannot.
    """
    every = list(paths)
    folders = {path[: found.start()] for path in every for found in re.finditer("/", path)}
    faults = []
    for path in every:
        fault = _unfit_for_a_file(path) or ("there are objects below it as well" if path in folders else None)
        if fault:
            faults.append(f"{shown(path)}: {fault}")
    return faults


def _unfit_for_a_file(path: str) -> str | None:
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "it has empty, '.' or '..' segments"
    if "\0" in path:
        return "it has a character that no file's name may have"
    if any(len(segment.encode("utf-8", "surrogatepass")) > NAME_MAX_BYTES for segment in segments):
        return f"it has a part that is longer than {NAME_MAX_BYTES} bytes, which no file's name may be"
    return None


def bounded(name: str, limit: int = NAME_MAX_BYTES, *, before: str = "", ending: str = "") -> str:
    """`name` between `before` and `ending`, all together of at most `limit` bytes in UTF-8: a name that is
    too long is cut and gets a digest of the whole, so that two that differ stay different. Characters stay
    whole."""
    raw = name.encode("utf-8", "surrogatepass")
    room = limit - len(before.encode()) - len(ending.encode())
    if len(raw) > room:
        digest = f"_{hashlib.sha256(raw).hexdigest()[:8]}"
        name = raw[: room - len(digest)].decode(errors="ignore") + digest
    return f"{before}{name}{ending}"


def dataset_names(inputpaths: Sequence[str]) -> list[str]:
    """A unique display name for each input, in order: its base name, with leading folders (joined by '_')
    where base names are equal, and a number where even those are. Names have no '/', so each is one file
    name, of at most DATASET_NAME_BYTES (what is longer ends in a digest of itself); none is that of a file
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
            unique = bounded(name, DATASET_NAME_BYTES, ending=f"_{number}")
        taken.add(unique)
        result.append(unique)
    return result


def _fit(name: str) -> str:
    return bounded(name, DATASET_NAME_BYTES, ending="_data" if _FILE_OF_LOGS.fullmatch(name) else "")
