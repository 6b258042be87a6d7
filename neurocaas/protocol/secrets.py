"""Secrets of an analysis: names in its blueprint, values in the parameter store, read by its machines alone.

A value is a SecureString at `/neurocaas/secrets/{stack}/{name}`. The script finds it in its environment under
the name; in what the script prints, `hidden` takes its place (`runtime.instance.agent.masking`).
"""

from __future__ import annotations

from neurocaas.protocol.problems import Problem

SECRETS = "/neurocaas/secrets"
"""Path of the parameters: no role but that of an analysis's machines reads below its stack's name."""

MOST = 10
"""Names of a blueprint: as many as one GetParameters call takes (SSM API reference)."""

SHORTEST, LONGEST = 6, 4096
"""Characters of a value. Shorter ones cannot be hidden: they would be found in ordinary words. A standard
parameter takes 4 KiB (SSM user guide, "Managing parameter tiers").
"""

_TAKEN = frozenset(
    {"HOME", "PATH", "USER", "SHELL", "LANG", "PWD", "TERM", "TMPDIR", "IFS", "ENV", "CHECKPOINT_DIR"}
)
_TAKEN_PREFIXES = ("AWS_", "NEUROCAAS_", "PYTHON", "LD_", "BASH", "LC_")


def parameter_name(stack: str, name: str) -> str:
    return f"{SECRETS}/{stack}/{name}"


def reserved(name: str) -> bool:
    """Whether a machine, or its shell, goes by a variable of this name."""
    return name in _TAKEN or name.startswith(_TAKEN_PREFIXES)


def hidden(name: str) -> str:
    """What logs have in the place of the value."""
    return f"[secret {name}]"


def value_problem(name: str, value: str) -> Problem | None:
    """What keeps a text from being the value of the secret `name`; None for a good one."""
    field, allowed = f"the value of {name}", f"{SHORTEST} to {LONGEST} bytes of text"
    size = len(value.encode("utf-8", "surrogatepass"))
    if not SHORTEST <= size <= LONGEST:
        why = "A shorter text could not be hidden in logs" if size < SHORTEST else "Store a key to it instead"
        return Problem(field, f"{size} bytes", allowed, why)
    if "\0" in value or not value.strip():
        got = "a NUL character" if "\0" in value else "white space only"
        return Problem(field, got, allowed, "Give the value again")
    return None
