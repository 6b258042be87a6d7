"""`rec …`: what the person who records says about the recording.

After `rec check` and `rec as USER --` one word is a line for bash, as `su -c` takes it; several words are a
command and its arguments, which keep their limits: `rec check python -c 'import x.y'` runs, and becomes,
exactly that. A `!` before them is bash's.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from image_builder import secrets
from image_builder.bash.commands import Command
from image_builder.bash.lines import Edits
from image_builder.bash.reading import commands
from image_builder.recording.events import Event

USAGE = """rec note TEXT        write a remark into the script
rec drop [N]         leave a line out (the last one): what it did stays in this shell's root, but not in the script
rec undo             take back the last line, where it only added files, and leave it out
rec check COMMAND    a test of the image; it runs here now, and after every bake
rec as USER -- CMD   run CMD as another user
rec finish           end the recording and write the script
A COMMAND of one word is a line for bash ('cd /opt && ls'), one of several words is a program with its arguments."""  # noqa: E501

_ONE_WORD = re.compile(r"(?:[\w@%+=:,./-]|'[^']*'|\"[^\"@]*\"|\\[^\n])+")
"""What is one word whatever the shell's variables and files are. One that begins with `~` is none of these,
and is not missed.
"""

_ARGUMENTS = """'"$@"'"""
_LINE_OR_ARGUMENTS = """'if [ $# -eq 1 ]; then eval "set --; $1"; else "$@"; fi'"""
"""For words of which only the shell knows how many they are."""


class Helpers:
    """Understands `rec`. `undo` gives the commands that take the last line back, or a reason why that cannot
    be.
    """

    def __init__(
        self, append: Callable[[Event], None], events: list[Event], undo: Callable[[], list[str] | str]
    ) -> None:
        self._append, self._events, self._undo = append, events, undo
        self.finished = False

    def call(self, words: list[str], cwd: str = "") -> list[str]:
        """Do what `rec WORDS` asks in the folder `cwd`; returns commands for the shell."""
        verb, rest = words[0] if words else "", words[1:]
        if verb == "note" and rest:
            self._append(Event(self._number(), verb, secrets.hide(" ".join(rest))))
            return []
        if verb == "check" and rest:
            text = (
                rest[0]
                if len(rest) == 1
                else f"! {shlex.join(rest[1:])}"
                if rest[0] == "!"
                else shlex.join(rest)
            )
            if secrets.hide(text) != text:
                return [
                    _say(
                        "a check with a secret in it, which everybody would read in the script: not recorded"
                    )
                ]
            self._append(Event(self._number(), verb, text, cwd=cwd))
            return []
        if verb == "drop":
            return self._drop(rest)
        if verb == "undo" and not rest:
            steps = self._undo()
            if isinstance(steps, str):
                return [_say(steps)]
            return [*steps, *self._drop([], "taken back")]
        if verb == "finish" and not rest:
            self.finished = True
            return ["builtin exit 0"]
        if verb == "as" and len(rest) > 2 and rest[1] == "--":
            return []
        return [_say(USAGE)]

    def _drop(self, rest: list[str], how: str = "") -> list[str]:
        lines = {event.seq: event for event in self._events if event.kind == "command"}
        dropped = {event.target for event in self._events if event.kind == "drop"}
        left = [number for number in lines if number not in dropped]
        wanted = int(rest[0]) if rest and rest[0].isdigit() else (left[-1] if left and not rest else None)
        if wanted not in left:
            shown = (
                "".join(f"\n  {number}: {lines[number].text.splitlines()[0]}" for number in left[-10:])
                or " none"
            )
            return [_say(f"there is no line {' '.join(rest) or 'to drop'}; the last ones are:{shown}")]
        self._append(Event(self._number(), "drop", how, target=wanted))
        return [_say(f"left out: {lines[wanted].text.splitlines()[0]}")]

    def _number(self) -> int:
        return max((event.seq for event in self._events), default=0) + 1


def is_helper(text: str) -> bool:
    """Whether a line is a `rec` that says something about the recording, and is no part of it."""
    command = _only(text)
    words = [word.value for word in command.words] if command else []
    return words[:1] == ["rec"] and words[1:2] != ["as"]


def spelled_out(text: str) -> str:
    """`rec as USER -- CMD` as a line that works without the recorder; the words of CMD, and all around them,
    stay as they were typed.
    """
    command = _only(text)
    words = command.words if command else []
    if (
        command is None
        or [word.raw for word in words[:2]] != ["rec", "as"]
        or len(words) < 5
        or words[3].value != "--"
    ):
        return text
    user, rest = words[2].raw, words[4:]
    sure = sum(_ONE_WORD.fullmatch(word.raw) is not None for word in rest)
    if sure == len(rest) == 1:
        head = f"su {user} -s /bin/bash -c "
    else:
        head = f"su -s /bin/bash -c {_ARGUMENTS if sure > 1 else _LINE_OR_ARGUMENTS} -- {user} rec "
    edits = Edits(text)
    edits.put(words[0].start, rest[0].start, head)
    return edits.result()


def _only(text: str) -> Command | None:
    """The command of a line that has only one, whatever stands in substitutions inside it."""
    found = [command for command in commands(text) if not command.nested]
    return found[0] if len(found) == 1 else None


def _say(text: str) -> str:
    return f"builtin printf '%s\\n' {shlex.quote(text)} >&2"
