"""How an analysis's blueprint wants its runs: checkpoints, logs, failures that have names, and machines that
stay after a failure."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocaas.protocol.log_gap import KEEP_MIB
from neurocaas.protocol.typed_json import stored

CHECKPOINT_MINUTES, CHECKPOINT_GIB = 30, 20

HOLD_MAX_MINUTES = 720
IDLE_MAX_MINUTES = 1440


@dataclass(frozen=True)
class NamedError:
    """A failure that its author knows: `match` is a pattern (`protocol.line_pattern`) of a line of the
    script's outputs, `name` what it is called, `advice` what to do."""

    match: str
    name: str
    advice: str = field(default="", metadata=stored(added=True))


@dataclass(frozen=True, kw_only=True)
class RunRules:
    """`checkpoint_minutes`: how often a script's checkpoint folder is saved (0: only when AWS takes a machine
    back), while it has up to `checkpoint_gib`. `log_mib`: what is kept of each output of a dataset.
    `hold_minutes`: how long a machine stays whose script has failed (0: not at all). `errors`: in the order
    in which they are looked for. `idle_minutes`: after so many in which a machine has done next to nothing
    its script is ended (0: never)."""

    checkpoint_minutes: int = field(default=CHECKPOINT_MINUTES, metadata=stored(added=True))
    checkpoint_gib: int = field(default=CHECKPOINT_GIB, metadata=stored(added=True))
    log_mib: int = field(default=KEEP_MIB, metadata=stored(added=True))
    hold_minutes: int = field(default=0, metadata=stored(added=True))
    idle_minutes: int = field(default=0, metadata=stored(added=True))
    errors: tuple[NamedError, ...] = field(default=(), metadata=stored(added=True))
