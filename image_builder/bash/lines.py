"""Lines as they are typed: whether one is whole, changing it at places that were found in it, and writing its
aliases out.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

from image_builder.bash.reading import commands


def continues(text: str) -> bool:
    """Whether the next line would be read as part of the last one of `text`: it ends with a backslash that
    nothing escapes.
    """
    last = text.rpartition("\n")[2]
    return (len(last) - len(last.rstrip("\\"))) % 2 == 1 and not last.lstrip().startswith("#")


def complete(text: str) -> bool:
    """Whether bash has a whole command: nothing is open at its end, neither a quote, a block nor a
    here-document.
    """
    if continues(text):
        return False
    done = subprocess.run(
        ["bash", "-n"], input=text + "\n", capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    return not any(
        sign in done.stderr for sign in ("unexpected end of file", "unexpected EOF", "here-document")
    )


@dataclass
class Edits:
    """Changes to a text, by place; `before` and `after` are lines around it."""

    text: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def put(self, start: int, end: int, new: str) -> None:
        self.edits.append((start, end, new))

    def result(self) -> str:
        text = self.text
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new + text[end:]
        return "\n".join([*self.before, text, *self.after])


def learn_aliases(text: str, known: dict[str, str]) -> bool:
    """Take over what a line of nothing but `alias` and `unalias` says. Returns whether it was one."""
    found = commands(text)
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


def expand_aliases(text: str, known: dict[str, str]) -> str:
    """A line with its aliases written out (a shell at a terminal does that, a script does not), as bash does
    it: an alias in an alias too, but never one in
    itself, and the word after an alias that ends with a blank."""
    edits = Edits(text)
    for command in commands(text) if known else ():
        for word in command.words:
            meaning = known.get(word.raw)
            if meaning is None:
                break
            edits.put(
                word.start,
                word.end,
                expand_aliases(meaning, {name: other for name, other in known.items() if name != word.raw}),
            )
            if meaning[-1:] not in (" ", "\t"):
                break
    return edits.result()
