"""Aliases: a shell at a terminal expands them, a script does not."""

from __future__ import annotations

from image_builder import shell
from image_builder.recording.edits import Edits


def learn(text: str, known: dict[str, str]) -> bool:
    """Take over what a line of nothing but `alias` and `unalias` says. Returns whether it was one."""
    found = shell.commands(text)
    if not found or any(command.program not in ("alias", "unalias") for command in found):
        return False
    for command in found:
        for value in command.values:
            name, mark, meaning = value.partition("=")
            if command.program == "alias" and mark:
                known[name] = meaning
            elif command.program == "unalias":
                known.pop(name, None)
    return True


def expand(text: str, known: dict[str, str]) -> str:
    """A line with its aliases written out."""
    edits = Edits(text)
    for command in shell.commands(text) if known else ():
        word = command.words[0] if command.words else None
        if word is not None and word.raw in known:
            edits.put(word.start, word.end, known[word.raw])
    return edits.result()
