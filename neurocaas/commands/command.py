"""One way to write a command of analysts: a function. The command line `neurocaas` (`neurocaas.cli`) and the
project's invoke tasks (`console.analysts`) are both made of it.

A parameter without a default is a positional argument; one whose default is True or False a flag; one named
in `lists` may be given several times; every other is an option. `analysis` is the analysis's name, `group`
the group: a function that takes them looks the analysis up with `speaking.analysis_of`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.errors import told_of_aws
from neurocaas.protocol.problems import UserFacingError
from neurocaas.remedies import explained


class Ended(Exception):
    """A command ends here with `code`, after `message` on standard error."""

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.message, self.code = message, code


@dataclass(frozen=True)
class AnalystCommand:
    """`name` as it is typed. `help` has a text for each parameter, by its name as it is typed. `starts`: the
    command line takes the analysis's name as its first argument as well (`neurocaas submit dti`). `rest`: the
    parameter that takes all words that stand without an option's name; of a task it is an option that may be
    given several times."""

    name: str
    body: Callable[..., None]
    help: Mapping[str, str]
    lists: tuple[str, ...]
    starts: bool
    rest: str = ""

    def run(self, *given: Any, **named: Any) -> None:
        """The body. What goes wrong beneath it with the network, credentials or the disk is an AnalysisError
        too."""
        try:
            self.body(*given, **named)
        except Exception as error:
            if isinstance(error, (Ended, UserFacingError)):
                raise
            if not (told := told_of_aws(error) or explained(error)):
                raise
            raise told from error

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.body) or ""

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...]:
        return tuple(inspect.signature(self.body).parameters.values())


def command(
    *,
    help: Mapping[str, str],  # noqa: A002  (as in click and invoke)
    name: str = "",
    lists: Sequence[str] = (),
    starts: bool = False,
    rest: str = "",
) -> Callable[[Callable[..., None]], AnalystCommand]:
    """Makes a command of a function; its name is the function's unless `name` says another."""

    def made(body: Callable[..., None]) -> AnalystCommand:
        several = (*lists, *([rest] if rest else []))
        return AnalystCommand(name or body.__name__.replace("_", "-"), body, help, several, starts, rest)

    return made
