"""Who runs a script: what its first line says, as Linux reads it (execve(2), "Interpreter scripts").

The line names one program, by its path; everything behind it is one argument, blanks and all. Whoever needs
several writes `#!/usr/bin/env -S bash -euo pipefail`: there `env` splits the argument. `run_script` in
run_main.sh's workflow.sh obeys the same rules, with two kindnesses that scripts of the first implementation
need: a script without such a line is run by bash, and so is one of `sh`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from neurocaas.protocol.problems import Problem, shown

BASH = "bash"
SHELLS = frozenset({"bash", "sh", "dash", "ksh", "zsh"})
MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks, and the encoding that each stands for."""

_FIELD = "script, first line"
_SPLIT = re.compile(r"(?:-v?S|--split-string=)[ \t]*(.*)")
_ENV_SH = re.compile(r"""(-v?S[ \t]*|--split-string=[ \t]*)?(?:sh|/[^ \t]*/sh)(?:[ \t]+([^'"\\$]*))?""")
"""How `env` is told to run sh, with arguments that mean themselves."""

_ONE_ARGUMENT = SHELLS | {"env", "python", "python2", "python3"}
"""Programs that take an argument with a blank in it for nonsense. (Others, perl for one, split it
themselves.)
"""


@dataclass(frozen=True)
class Interpreter:
    """`program` and `argument` are the two halves of the line ("" and None where there is none). `words` is
    the program that reads the script in the end, with its arguments, `env` taken away; empty where only `env`
    can tell."""

    program: str
    argument: str | None
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The last part of the program's path: `bash`, `python3`."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def is_bash(self) -> bool:
        """Whether bash runs it, so that `bash -n` knows its mistakes."""
        return self.name in (BASH, "sh")

    @property
    def command(self) -> tuple[str, ...]:
        """What stands before the script's path when it is run."""
        if not self.program:
            return (BASH,)
        own = self.program.rpartition("/")[2]
        if own == "env" and (sh := _ENV_SH.fullmatch(self.argument or "")) and (sh[1] or not sh[2]):
            return (BASH, *(sh[2] or "").split())
        program = BASH if own == "sh" else self.program
        return (program,) if self.argument is None else (program, self.argument)


def parse(head: bytes) -> Interpreter:
    """From the beginning of a script (its first line at least). A byte order mark or a carriage return hides
    nothing: `problems` tells.
    """
    line = _first_line(head)
    if not line.startswith("#!"):
        return Interpreter("", None, (BASH,))
    program, *rest = re.split("[ \t]+", line[2:].strip(" \t"), maxsplit=1)
    if not program:
        return Interpreter("", None, (BASH,))
    argument = rest[0] if rest else None
    return Interpreter(program, argument, _words(program, argument))


def problems(head: bytes) -> list[Problem]:
    """Why a script that begins like this would not run as it means to; all reasons at once."""
    found = []
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            got = f"a byte order mark ({encoding})"
            found.append(
                Problem(
                    _FIELD,
                    got,
                    "UTF-8 without a mark",
                    "Save the script again as UTF-8 without a byte order mark",
                )
            )
    if head.partition(b"\n")[0].endswith(b"\r"):
        found.append(
            Problem(
                _FIELD, "a Windows line end (CR LF)", "LF", "Convert the script, for instance with dos2unix"
            )
        )
    one = parse(head)
    if one.program and not one.program.startswith("/"):
        allowed = "the whole path of a program, as in #!/bin/bash"
        found.append(
            Problem(
                _FIELD, shown(one.program), allowed, f"Write #!/usr/bin/env {one.program.rpartition('/')[2]}"
            )
        )
    if one.argument and re.search("[ \t]", one.argument) and not _split(one.program, one.argument):
        name = one.program.rpartition("/")[2]
        if name in _ONE_ARGUMENT:
            words = one.argument if name == "env" else f"{name} {one.argument}"
            got = f"several arguments ({shown(one.argument)}), which Linux hands to {name} as one"
            found.append(Problem(_FIELD, got, "one argument, or env -S", f"Write #!/usr/bin/env -S {words}"))
    return found


def _first_line(head: bytes) -> str:
    line = head.partition(b"\n")[0].rstrip(b"\r")
    for mark in MARKS:
        line = line.removeprefix(mark)
    return line.replace(b"\0", b"").decode("utf-8", "surrogateescape")


def _split(program: str, argument: str) -> re.Match[str] | None:
    return _SPLIT.fullmatch(argument) if program.rpartition("/")[2] == "env" else None


def _words(program: str, argument: str | None) -> tuple[str, ...]:
    if program.rpartition("/")[2] != "env":
        return (program,) if argument is None else (program, argument)
    if argument is None:
        return ()
    if not (split := _split(program, argument)):
        return (argument,)
    try:
        words = shlex.split(split[1])
    except ValueError:  # a quote that is not closed: env says so
        return ()
    while words and "=" in words[0].lstrip("-") and not words[0].startswith("-"):  # env's own NAME=VALUE
        words = words[1:]
    return () if not words or words[0].startswith("-") else tuple(words)
