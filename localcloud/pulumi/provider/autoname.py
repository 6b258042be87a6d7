"""Names for resources that were given none, as pulumi-terraform-bridge makes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from localcloud.pulumi.provider.model import AutoName, Properties

DEFAULTS_KEY = "__defaults"
"""Names of the inputs that the provider filled in, kept in the checked inputs (the engine ignores keys that
begin with `__`).
"""


class Mode(Enum):
    """What the project's autonaming configuration wants (`pulumi:autonaming`)."""

    DEFAULT = "default"
    PROPOSE = "propose"
    ENFORCE = "enforce"
    DISABLE = "disable"


@dataclass(frozen=True)
class Naming:
    """The engine's wish for a name: a mode and, for PROPOSE and ENFORCE, a name."""

    mode: Mode = Mode.DEFAULT
    proposed: str = ""


def defaulted(inputs: Properties) -> frozenset[str]:
    """The inputs in `inputs` that the provider filled in."""
    return frozenset(inputs.get(DEFAULTS_KEY) or ())


def choose(rule: AutoName, logical_name: str, olds: Properties, seed: bytes, naming: Naming) -> str | None:
    """The name for a resource without one; `None` when there shall be none (autonaming is off).

    A name that was made before is kept. `seed` is the engine's: the same seed makes the same name.
    """
    if naming.mode is Mode.DISABLE:
        return None
    old = olds.get(rule.property)
    if isinstance(old, str) and rule.property in defaulted(olds):
        return old
    if naming.mode is Mode.ENFORCE:
        return naming.proposed
    if naming.mode is Mode.PROPOSE:
        return _finish(rule, naming.proposed)
    random = hashlib.sha256(seed).hexdigest()[: rule.random]
    return _finish(rule, f"{logical_name}{rule.separator}{random}" if rule.random else logical_name)


def too_long(rule: AutoName, name: str) -> str | None:
    """What is wrong when a made name is longer than the service allows, else `None`."""
    if not rule.limit or len(name) <= rule.limit:
        return None
    return (
        f"the name made from the resource's name is {name!r}, {len(name)} characters; at most {rule.limit} "
        "are allowed; "
        f"give the resource a shorter name in the program, or set {rule.property}"
    )


def _finish(rule: AutoName, name: str) -> str:
    if rule.lower:
        name = name.lower()
    if rule.prefix and not name.startswith(rule.prefix):
        name = rule.prefix + name
    return name
