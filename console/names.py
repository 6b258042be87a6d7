"""Tasks with any number of names behind them: `invoke validate dti analysis`. Invoke has no positional
argument that may be left out.
"""

import sys
from types import FrameType
from typing import Any

from invoke.parser.argument import Argument
from invoke.tasks import Task


class Names(Argument):
    """Takes every word that is no flag, and none as well; its value is a list.

    Invoke's parser asks every positional argument for its value twice: when it looks for the place of a word,
    and when the words are over and it complains of arguments without a value. The first is answered with
    None, which means "here".
    """

    @property
    def value(self) -> Any:
        frame: FrameType | None = sys._getframe(1)
        for _ in range(3):
            if frame is None:
                break
            if frame.f_code.co_name in ("handle", "see_positional_arg"):
                return None
            frame = frame.f_back
        return list(self._value or ())

    @value.setter
    def value(self, word: str) -> None:
        self.raw_value = word  # by which the parser knows that a flag (`--names WORD`) has got its value
        self._value = [*(self._value or ()), word]


class TaskOfNames(Task):  # type: ignore[type-arg]
    """A task whose parameter `names` is such an argument."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        found = super().get_arguments(ignore_unknown_help)
        return [
            Names(names=one.names, help=one.help, positional=True) if one.name == "names" else one
            for one in found
        ]
