"""All rules."""

from __future__ import annotations

from checks import access, data, machines, tags
from checks.rule import Rule

RULES: tuple[Rule, ...] = (*access.RULES, *data.RULES, *machines.RULES, *tags.RULES)
