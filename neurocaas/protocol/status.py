"""The status file of one dataset, `logs/DATASET_NAME:{name}_STATUS.txt` (JSON, in spite of its name)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.resources import Used
from neurocaas.protocol.typed_json import data_of

INITIALIZING = "INITIALIZING"
IN_PROGRESS = "IN PROGRESS"
SUCCESS = "SUCCESS"
FAILED = "FAILED"
STATES = (INITIALIZING, IN_PROGRESS, SUCCESS, FAILED)
FINAL = frozenset({SUCCESS, FAILED})
LINES, LINE_CHARS = 50, 500
"""So many lines of each output a status has, each cut at so many characters."""

TEXT_CHARS = 1000
"""Where the texts of a status are cut: reasons, commands."""

NONE = "NONE"
"""What an unknown field says."""
TIMED_OUT = "timed out"
"""How the reason of a dataset begins that was ended at its duration."""
DATA_CHANGED = "the data changed after it was submitted"
"""How that of a dataset begins which could not be read any more as it was submitted."""


@dataclass(frozen=True)
class DatasetStatus:
    """`reason` says why a dataset failed; `said` is the last error line of its script, in the script's words;
    `out_of_memory`: the machine's memory was not enough. `stdout` and `stderr` map line numbers ("0", "1", …)
    to lines. Times are ISO 8601 in UTC. `progress` (0 to 1) and its text are the script's last mark,
    `eta_seconds` about what is left; what it says never grows. `uploaded` is how many result files the
    machine has sent (None: it does not say), `checkpoint` when the last complete one was (NONE: never).
    `error` and `advice`: the name that the blueprint has for a failure, and what to do; the service fills
    them in. `disk_full`: its disk was too small; `used`: what the machine has used in all;
    `idle_since`: since when it does next to nothing (`neurocaas.protocol.resources`). A missing status file
    means INITIALIZING: the machine is not up yet."""

    status: str = INITIALIZING
    input: str = NONE
    instance: str = NONE
    reason: str = NONE
    command: str = NONE
    exit_code: int | None = None
    job_start: str = NONE
    job_finish: str = NONE
    last_command: str = NONE
    cpu_usage: str = NONE
    memory_usage: str = NONE
    stdout: Mapping[str, str] = field(default_factory=dict)
    stderr: Mapping[str, str] = field(default_factory=dict)
    updated: str = NONE
    progress: float | None = None
    progress_text: str = NONE
    eta_seconds: float | None = None
    said: str = NONE
    out_of_memory: bool = False
    uploaded: int | None = None
    checkpoint: str = NONE
    error: str = NONE
    advice: str = NONE
    disk_full: bool = False
    used: Used | None = None
    idle_since: str = NONE

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> DatasetStatus:
        """Analysis scripts and people can reach this file, so a field of the wrong type counts as unknown,
        and what is longer than a status may be is cut; only text that is no JSON object raises
        DocumentError."""
        data = loads(text, "status file")
        state = data.get("status")
        code = data.get("exit_code")
        return cls(
            status=state if state in STATES else IN_PROGRESS,
            exit_code=code
            if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 2**32
            else None,
            stdout=_lines(data.get("stdout")),
            stderr=_lines(data.get("stderr")),
            progress=_number(data.get("progress"), 1),
            eta_seconds=_number(data.get("eta_seconds"), 1e9),
            out_of_memory=data.get("out_of_memory") is True,
            uploaded=_count(data.get("uploaded")),
            disk_full=data.get("disk_full") is True,
            used=Used.of(data.get("used")),
            **{name: _text(data.get(name)) for name in _TEXTS},
        )


_NUMBER = re.compile("0|[1-9][0-9]{0,14}")
_TEXTS = (
    *(
        "input",
        "instance",
        "reason",
        "command",
        "job_start",
        "job_finish",
        "last_command",
        "cpu_usage",
        "memory_usage",
        "updated",
    ),
    *("progress_text", "said", "checkpoint", "error", "advice", "idle_since"),
)


def _text(value: Any) -> str:
    return value[:TEXT_CHARS] if isinstance(value, str) and value else NONE


def _number(value: Any, most: float) -> float | None:
    return (
        float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most
        else None
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32 else None


def _lines(value: Any) -> dict[str, str]:
    """The last lines, by their numbers as `str` writes them."""
    if not isinstance(value, dict):
        return {}
    numbered = sorted(
        (int(number), line)
        for number, line in value.items()
        if _NUMBER.fullmatch(number) and isinstance(line, str)
    )
    return {str(number): line[:LINE_CHARS] for number, line in numbered[-LINES:]}
