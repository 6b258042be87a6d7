"""`rec …`: what the person who records says about the recording."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from image_builder import secrets
from image_builder.recording.events import Event

USAGE = """rec note TEXT        write a remark into the script
rec drop [N]         leave a line out (the last one): what it did stays in this shell's root, but not in the script
rec undo             take back the last line, where it only added files, and leave it out
rec check COMMAND    a test of the image; it runs here now, and after every bake
rec as USER -- CMD   run CMD as another user
rec finish           end the recording and write the script"""


class Helpers:
    """Understands `rec`. `undo` gives the commands that take the last line back, or a reason why that cannot be."""

    def __init__(self, append: Callable[[Event], None], events: list[Event], undo: Callable[[], list[str] | str]) -> None:
        self._append, self._events, self._undo = append, events, undo
        self.finished = False

    def call(self, words: list[str]) -> list[str]:
        """Do what `rec WORDS` asks; returns commands for the shell."""
        verb, rest = words[0] if words else "", words[1:]
        if verb in ("note", "check") and rest:
            self._append(Event(self._number(), verb, secrets.hide(" ".join(rest))))
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
            return ["exit 0"]
        if verb == "as" and len(rest) > 2 and rest[1] == "--":
            return []
        return [_say(USAGE)]

    def _drop(self, rest: list[str], how: str = "") -> list[str]:
        lines = {event.seq: event for event in self._events if event.kind == "command"}
        dropped = {event.target for event in self._events if event.kind == "drop"}
        left = [number for number in lines if number not in dropped]
        wanted = int(rest[0]) if rest and rest[0].isdigit() else (left[-1] if left and not rest else None)
        if wanted not in left:
            shown = "".join(f"\n  {number}: {lines[number].text.splitlines()[0]}" for number in left[-10:]) or " none"
            return [_say(f"there is no line {' '.join(rest) or 'to drop'}; the last ones are:{shown}")]
        self._append(Event(self._number(), "drop", how, target=wanted))
        return [_say(f"left out: {lines[wanted].text.splitlines()[0]}")]

    def _number(self) -> int:
        return max((event.seq for event in self._events), default=0) + 1


def _say(text: str) -> str:
    return f"printf '%s\\n' {shlex.quote(text)} >&2"
