"""Names that no analysis can have, and why."""

from __future__ import annotations

from blueprints.model import UTILS
from blueprints.parents import BASE

_CODE = "a machine keeps the service's own code in a folder of this name, beside the analysis's"
RESERVED = {
    UTILS: "the stack of this one is shared by all analyses",
    BASE: "this is the project's base image",
    "starters": "the starters of analyses are in blueprints/starters",
    **dict.fromkeys(("agent", "neurocaas", "vendor"), _CODE),
}
"""`components.packaging` lays an analysis's folder beside those of the machines' code."""
