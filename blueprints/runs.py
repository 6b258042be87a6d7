"""`checkpoint`, `logs`, `errors` and `on_failure` of a blueprint: what a schema cannot say of them, and what
the service goes by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blueprints import finding
from blueprints.finding import BlueprintFinding
from blueprints.merge import Layers
from neurocaas.protocol.line_pattern import ALLOWED, LinePattern, PatternError
from neurocaas.protocol.problems import shown
from neurocaas.protocol.resources import IDLE_AFTER
from neurocaas.protocol.runs import HOLD_MAX_MINUTES, IDLE_MAX_MINUTES, NamedError, RunRules
from neurocaas.protocol.units import bytes_of, seconds_of

READS: tuple[finding.Path, ...] = (("checkpoint",), ("logs",), ("errors",), ("on_failure",), ("idle",))
"""The settings that `mistakes` reads."""

_MIB, _GIB = 1 << 20, 1 << 30


def rules(data: Mapping[str, Any]) -> RunRules:
    """Of settings without mistakes."""
    held, idle = data["on_failure"].partition("hold ")[2], data["idle"].partition("end after ")[2]
    return RunRules(
        checkpoint_minutes=seconds_of(data["checkpoint"]["every"]) // 60,
        checkpoint_gib=bytes_of(data["checkpoint"]["size"]) // _GIB,
        log_mib=bytes_of(data["logs"]["keep"]) // _MIB,
        hold_minutes=seconds_of(held) // 60 if held else 0,
        idle_minutes=seconds_of(idle) // 60 if idle else 0,
        errors=tuple(NamedError(one["match"], one["name"], one.get("advice", "")) for one in data["errors"]),
    )


def mistakes(layers: Layers) -> Iterator[BlueprintFinding]:
    made = rules(layers.data)
    bounds = (
        (("checkpoint", "every"), "checkpoint.every", made.checkpoint_minutes <= 1440, "0m, or 1m to 1d"),
        (("checkpoint", "size"), "checkpoint.size", 1 <= made.checkpoint_gib <= 1024, "1 GiB to 1024 GiB"),
        (("logs", "keep"), "logs.keep", 2 <= made.log_mib <= 10240, "2 MiB to 10 GiB"),
        (
            ("on_failure",),
            "on-failure.hold",
            _held(layers, made),
            f"end, or hold 1m to {HOLD_MAX_MINUTES // 60}h",
        ),
        (
            ("idle",),
            "idle.end",
            layers.data["idle"] == "tell" or IDLE_AFTER // 60 <= made.idle_minutes <= IDLE_MAX_MINUTES,
            f"tell, or end after {IDLE_AFTER // 60}m to {IDLE_MAX_MINUTES // 60}h",
        ),
    )
    for path, rule, good, allowed in bounds:
        if not good:
            got: Any = layers.data
            for part in path:
                got = got[part]
            yield layers.finding(
                path, rule, shown(got), allowed, "Correct it, or leave it out for the default"
            )
    for index, one in enumerate(layers.data["errors"]):
        try:
            LinePattern(one["match"])
        except PatternError as error:
            got = f"{shown(one['match'])}: {error}"
            do = "Correct the pattern; a plain character of these is written with \\ before it"
            yield layers.finding(("errors", index, "match"), "errors.pattern", got, ALLOWED, do)


def _held(layers: Layers, made: RunRules) -> bool:
    return layers.data["on_failure"] == "end" or 1 <= made.hold_minutes <= HOLD_MAX_MINUTES
