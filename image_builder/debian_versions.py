"""Which of two versions of a Debian package is the later one (Debian policy manual, "Version")."""

from __future__ import annotations

import re
from functools import cmp_to_key

_PARTS = re.compile(r"(\D*)(\d*)")


def compare(one: str, other: str) -> int:
    """Negative when `one` is the earlier version, positive when it is the later one, 0 for the same."""
    first, second = _split(one), _split(other)
    if first[0] != second[0]:
        return -1 if first[0] < second[0] else 1
    return _compare(first[1], second[1]) or _compare(first[2], second[2])


key = cmp_to_key(compare)
"""For `sorted`."""


def _split(version: str) -> tuple[int, str, str]:
    """Epoch, upstream version, revision."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", version.strip()
    upstream, dash, revision = rest.rpartition("-")
    return (int(epoch) if epoch.isdigit() else 0), (upstream if dash else rest), (revision if dash else "")


def _compare(one: str, other: str) -> int:
    """Parts that are no number and numbers in turn, from the left; what has no end has zeros."""
    for (text, number), (text_, number_) in zip(_of(one, other), _of(other, one), strict=True):
        for left, right in zip(_padded(text, text_), _padded(text_, text), strict=True):
            if left != right:
                return -1 if left < right else 1
        if (difference := int(number or 0) - int(number_ or 0)) != 0:
            return -1 if difference < 0 else 1
    return 0


def _of(text: str, other: str) -> list[tuple[str, str]]:
    """The pairs of `text`, as many as the longer of both has."""
    found, others = (_PARTS.findall(one) for one in (text, other))
    return found + [("", "")] * (len(others) - len(found))


def _padded(text: str, other: str) -> list[int]:
    """The order of characters: '~', the end, letters, everything else."""
    weights = [_weight(character) for character in text]
    return weights + [0] * (len(other) - len(text))


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
