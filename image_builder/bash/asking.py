"""Commands that wait for somebody, and `set`."""

from __future__ import annotations

import re

from image_builder.bash import programs
from image_builder.bash.commands import Command

_STRICTNESS = re.compile(r"[-+][eEuxvh]+o?|errexit|errtrace|nounset|pipefail|xtrace|verbose")
_COMMAND_OF_SU = re.compile(r"-[a-z]*c$|--(session-)?command\b")
_LOGIN_OF_SUDO = re.compile(r"-[A-Za-z]*[is][A-Za-z]*|--login|--shell")
_STAYS_INTERACTIVE = re.compile(r"-[BEIOSilqu]+|--login|--norc|--noprofile|--posix|--rcfile=.*|-")


def asks_unseen(command: Command) -> bool:
    """Whether a command is `read -s`: what is typed is not shown, for it is a secret."""
    return command.program == "read" and any(re.match(r"-[a-z]*s", value) for value in command.values)


def only_strictness(command: Command) -> bool:
    """Whether a command is `set` with options that say only when to stop and what to print: they change no
    line that succeeded.
    """
    names = re.sub(r"(^|\s)[-+]o(?=\s|$)", "", " ".join(command.values)).split()
    return command.program == "set" and bool(names) and all(_STRICTNESS.fullmatch(name) for name in names)


def waits_inside(command: Command) -> bool:
    """Whether a command opens a shell or an interpreter into which somebody types."""
    name, values = command.program, command.values
    if command.piped or any(redirection.operator.startswith("<") for redirection in command.redirections):
        return False
    if name == "su":
        return not any(_COMMAND_OF_SU.match(value) for value in values)
    if name == "sudo":  # no program follows
        return any(_LOGIN_OF_SUDO.fullmatch(value) for value in values)
    if name in programs.SHELLS or re.fullmatch(r"python[0-9.]*", name):
        return all(_STAYS_INTERACTIVE.fullmatch(value) for value in values)
    return name in programs.INTERPRETERS and not values
