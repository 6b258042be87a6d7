"""`curl … | bash`: finding it, and taking it apart."""

from __future__ import annotations

from dataclasses import dataclass

from image_builder import shell
from image_builder.recording.programs import DOWNLOADERS, SHELLS


@dataclass(frozen=True)
class PipedShell:
    """`source`: the text that downloads, writing to its standard output; `runner`: the text of the shell, up to its own arguments."""

    source: str
    runner: str
    arguments: str


def piped_shell(text: str) -> PipedShell | None:
    """The parts of a line that is nothing but a download piped into a shell; None for every other line."""
    found = [command for command in shell.commands(text) if not command.nested]
    if len(found) != 2 or found[0].after != "|" or found[0].program not in DOWNLOADERS or found[1].program not in SHELLS:
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
