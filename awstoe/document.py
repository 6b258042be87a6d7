"""What a component document is once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_TIMEOUT = 7200


class InvalidDocument(Exception):
    """`problems`: every mistake found, each with its line and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Step:
    """One step. `timeout` is seconds or None for no limit; `inputs`, `condition` and `loop` are as written,
    references unresolved.
    """

    name: str
    action: str
    inputs: Any
    timeout: int | None = DEFAULT_TIMEOUT
    on_failure: str = "Abort"
    attempts: int = 1
    condition: Any = None
    loop: Any = None
    disable_logging: bool = False


@dataclass(frozen=True)
class Phase:
    """A named list of steps."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Document:
    """A document. `values` holds constants, and parameters with their given or default values."""

    name: str
    phases: tuple[Phase, ...]
    values: Mapping[str, str]

    def phase(self, name: str) -> Phase | None:
        """The phase called `name`, or None."""
        return next((phase for phase in self.phases if phase.name == name), None)
