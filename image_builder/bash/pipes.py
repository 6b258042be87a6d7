"""`curl … | bash`, and other ways to run what was downloaded at once: finding them, and taking the first
apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from image_builder.bash.commands import Command
from image_builder.bash.programs import DOWNLOADERS, RUN_WHAT_THEY_READ, SHELLS
from image_builder.bash.reading import commands


@dataclass(frozen=True)
class PipedShell:
    """`source`: the text that downloads, writing to its standard output; `runner`: the text of the shell, up
    to its own arguments.
    """

    source: str
    runner: str
    arguments: str


def piped_shell(text: str) -> PipedShell | None:
    """The parts of a line that is nothing but a download piped into a shell; None for every other line."""
    found = [command for command in commands(text) if not command.nested]
    if (
        len(found) != 2
        or found[0].after != "|"
        or found[0].program not in DOWNLOADERS
        or found[1].program not in RUN_WHAT_THEY_READ
    ):
        return None
    download, runner = found
    if download.redirections or runner.redirections or runner.after.strip():
        return None
    last = runner.words[runner.program_index]
    arguments = text[last.end : runner.end].strip()
    values = runner.values
    if values and values[0] in ("-s", "-"):
        arguments = text[runner.arguments[0].end : runner.end].strip().removeprefix("-- ")
    elif values:
        return None
    return PipedShell(text[download.start : download.end], text[runner.start : last.end], arguments)


def source_of_piped_shell(text: str) -> str | None:
    """The downloading half of such a line, or None."""
    found = piped_shell(text)
    return found.source if found else None


def _runs_what_it_reads(command: Command) -> bool:
    """Whether a command takes its program from its standard input."""
    values = command.values
    if command.program in SHELLS:
        given = any(re.match(r"-[a-z]*c", value) for value in values)
        return not given and (
            any(re.match(r"-[a-z]*s", value) for value in values)
            or all(value[:1] in "-+" for value in values)
        )
    return command.program in RUN_WHAT_THEY_READ and values[:1] in ([], ["-"])


def runner_of(download: Command, line: Sequence[Command]) -> str:
    """The program that runs what a download of the line prints: at the end of its pipe, or around it, as in
    `sh -c "$(…)"`, `bash <(…)`, `eval`, `source`; "" for none."""
    if download.nested:
        outer = (other for other in line if other.start < download.start < other.end)
        return next(
            (
                other.program
                for other in outer
                if other.program in RUN_WHAT_THEY_READ | {"eval", "source", "."}
            ),
            "",
        )
    after = download.after
    for other in line[line.index(download) + 1 :]:
        if after not in ("|", "|&"):
            break
        if not other.nested and _runs_what_it_reads(other):
            return other.program
        after = other.after
    return ""
