"""COMMAND of the first implementation: one shell line with four `{}`, of which the program that it starts is what matters here."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from string import Formatter

PLACEHOLDERS = ("bucket", "input", "results folder", "config")
"""What str.format put in, in this order; without the fourth the config was silently lost."""
_MAIN = re.compile(r"(^|/)run_main(_cli)?\.sh$")
_BREAKS = re.compile(r"&&|\|\||[;|&\n]")
_MARK = "\x00"


@dataclass(frozen=True)
class Command:
    """`script`: the analysis script that was called, as it was written; None when the line names none. `tail`: what came after."""

    script: str | None
    tail: str


def fault(text: str) -> str | None:
    """Why `text` cannot be a COMMAND, or None."""
    if "{}" not in text and " " in text.strip() and not re.search(r"[/;$\"'.]", text):
        return "a sentence, not a command"
    try:
        fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        return f"braces that are no placeholder {{}} ({str(error).lower()})"
    if any(fields):
        return "braces that are no placeholder {}"
    if len(fields) != len(PLACEHOLDERS):
        return f"{len(fields)} placeholder{'' if len(fields) == 1 else 's'} {{}}"
    try:
        shlex.split(text)
    except ValueError as error:
        return f"a shell line that does not end ({str(error).lower()})"
    return None


def read(text: str) -> Command:
    """The parts of a COMMAND without fault."""
    call, tail = _split(text)
    words = shlex.split(call.replace("{}", _MARK))
    for index, word in enumerate(words):
        if _MAIN.search(word):
            after = [one for one in words[index + 1 :] if one != _MARK]
            return Command(after[0] if after else None, tail)
    scripts = [word for word in words if word.endswith((".sh", ".py"))]
    return Command(scripts[0] if scripts else None, tail)


def _split(text: str) -> tuple[str, str]:
    """The command with the placeholders, and what follows it."""
    last = text.rindex("{}")
    found = _BREAKS.search(text, last)
    call, tail = (text, "") if found is None else (text[: found.start()], text[found.start() :])
    start = max((match.end() for match in _BREAKS.finditer(call, 0, call.index("{}"))), default=0)
    return call[start:], tail.strip(" ;\n")
