"""The command to type next, as the person at hand types it: `neurocaas follow …`, or `invoke follow …` where
that is how this one was called; with the analysis and the group again, where they had to be said.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass
class _Called:
    program: str = "neurocaas"
    analysis: str = ""
    group: str = ""


_CALLED = _Called()


@contextmanager
def called_as(program: str) -> Iterator[None]:
    """For the time of a command: the word before its name. What it says of analysis and group is forgotten
    with it."""
    before = replace(_CALLED)
    _CALLED.program, _CALLED.analysis, _CALLED.group = program, "", ""
    try:
        yield
    finally:
        _CALLED.program, _CALLED.analysis, _CALLED.group = before.program, before.analysis, before.group


def named(analysis: str = "", group: str = "") -> None:
    """What was said on this command line, and not by the environment or the configuration."""
    _CALLED.analysis, _CALLED.group = analysis, group


def command(name: str, job: str = "", *more: str) -> str:
    """A command, of a `job` perhaps, with `more` words: `neurocaas logs dti/2026-11-25 --group lab`."""
    words = [_CALLED.program, name]
    if job:
        words.append(shlex.quote(f"{_CALLED.analysis}/{job}" if _CALLED.analysis else job))
    elif _CALLED.analysis:
        words += ["--analysis", _CALLED.analysis]
    words += ["--group", _CALLED.group] if _CALLED.group else []
    return " ".join([*words, *more])
