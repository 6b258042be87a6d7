"""Groups of the first implementation under names that this one takes: its first web site called a group by an
e-mail address.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping

from neurocaas.protocol.names import GROUP_NAME, RESERVED_GROUPS

_LONGEST = 63
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "þ": "th", "Ø": "O", "Æ": "Ae", "Ł": "L"}
)
"""Latin letters that are no letter with a mark."""
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def is_group(name: object) -> bool:
    """Whether a name can stay as it is."""
    return isinstance(name, str) and GROUP_NAME.fullmatch(name) is not None and name not in RESERVED_GROUPS


def new_names(names: Iterable[str]) -> Mapping[str, str]:
    """Old name -> new name of all groups that are imported together: no two are one, also where case is not
    looked at (IAM). A name that can stay stays, and the others do not depend on their order."""
    every = sorted(set(names), key=lambda name: (not is_group(name), name))
    made: dict[str, str] = {}
    taken: set[str] = set()
    for old in every:
        new = _free(old if is_group(old) else _near(old), taken)
        taken.add(new.lower())
        made[old] = new
    return made


def _near(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode()
    near = _OTHER.sub("-", plain).strip("-._")[:_LONGEST].rstrip("-._")
    if not near:
        return f"group-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{near}-group" if near in RESERVED_GROUPS else near


def _free(name: str, taken: set[str]) -> str:
    new, number = name, 1
    while new.lower() in taken:
        number += 1
        end = f"-{number}"
        new = name[: _LONGEST - len(end)] + end
    return new
