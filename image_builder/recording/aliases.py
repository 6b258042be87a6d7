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
            elif command.program == "unalias" and value == "-a":
                known.clear()
            elif command.program == "unalias":
                known.pop(name, None)
    return True


def expand(text: str, known: dict[str, str]) -> str:
    """A line with its aliases written out, as bash does it: an alias in an alias too, but never one in
    itself, and the word after an alias that ends with a blank."""
    edits = Edits(text)
    for command in shell.commands(text) if known else ():
        for word in command.words:
            meaning = known.get(word.raw)
            if meaning is None:
                break
            edits.put(
                word.start,
                word.end,
                expand(meaning, {name: other for name, other in known.items() if name != word.raw}),
            )
            if meaning[-1:] not in (" ", "\t"):
                break
    return edits.result()
