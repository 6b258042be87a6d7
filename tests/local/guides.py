"""The commands of a guide, as somebody would type them who reads it from the top, on a terminal of 80
columns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"(?:^<!-- not run: ([^\n]+) -->\n+)?^```(bash|python|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
TABLE = re.compile(r"^\|[^\n]*\| (?:type|do) \|\n\| --- [^\n]*\n((?:\|[^\n]*\n)+)", re.MULTILINE)
"""A table of what to do: its last column has the commands."""
IN_A_ROW = re.compile(r"`((?:invoke|neurocaas) [^`]+)`")
FILE = re.compile(r"# (\S+\.yaml)\n")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")
ENDED = re.compile(r"\r?\n@@ended (\d+)@@\r?\n")
LOOKED_AT = 1000
"""Characters at the end of what was written in which questions and the end are looked for: an engine that
draws its progress writes megabytes.
"""
LIMIT_SECONDS = 180
"""For one command."""

ANSWERS = (
    (re.compile(r"Type '([^']+)' to [^\n]*: ?$"), r"\1"),
    (re.compile(r"\[y/N\] ?$"), "y"),
)
RECORDED = ("mkdir -p /opt/tool", "echo works > /opt/tool/mark", "exit")
PROMPT = re.compile(r"\[recording\] \S* ?# $")
"""Of the shell that `invoke record` opens; what is typed there."""


@dataclass(frozen=True)
class Step:
    """One thing to do. `kind`: bash, python, or yaml (text to append to the file `where`). `skipped`: why it
    is not run, "" when it is.
    """

    kind: str
    text: str
    line: int
    skipped: str = ""
    where: str = ""


def steps(page: Path) -> list[Step]:
    """What a page tells to do, in its order: each command line, each Python block, each piece of a file;
    commands in tables too.
    """
    whole = page.read_text()
    found: list[tuple[int, list[Step]]] = []
    for match in FENCE.finditer(whole):
        why, kind, text = match[1] or "", match[2], match[3]
        line = whole.count("\n", 0, match.start()) + 1
        if kind == "bash":
            commands = [one for one in text.replace("\\\n", " ").splitlines() if one.strip()]
            found.append((match.start(), [Step(kind, one, line, why) for one in commands]))
        elif kind == "python":
            found.append((match.start(), [Step(kind, text, line, why)]))
        elif named := FILE.match(text):
            found.append((match.start(), [Step(kind, text, line, why, named[1])]))
    for match in TABLE.finditer(whole):
        line = whole.count("\n", 0, match.start()) + 3
        rows = enumerate(match[1].splitlines())
        found.append(
            (
                match.start(),
                [Step("bash", one, line + at) for at, row in rows for one in IN_A_ROW.findall(row)],
            )
        )
    return [step for _, some in sorted(found, key=lambda one: one[0]) for step in some]


@dataclass
class Shell:
    """A shell at a terminal in `folder`. What one command exports, the next one has."""

    folder: Path
    environ: Mapping[str, str]

    def __post_init__(self) -> None:
        self._ours, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
        quiet = termios.tcgetattr(its)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(its, termios.TCSANOW, quiet)
        environ = {**self.environ, "TERM": "xterm-256color", "PS1": ""}
        command = ["bash", "--norc", "--noprofile"]
        self._process = subprocess.Popen(command, cwd=self.folder, env=environ, stdin=subprocess.PIPE,
            stdout=its, stderr=its, text=True,
                                         preexec_fn=os.setsid, pass_fds=(its,))  # fmt: skip
        self._its = its

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for one in (self._ours, self._its):
            os.close(one)

    def run(self, command: str) -> tuple[int, str]:
        """The exit code of a command and what it wrote; questions are answered with yes."""
        assert self._process.stdin
        # The shell reads its lines from a pipe, so that what a command reads from the terminal is never the
        # next command.
        self._process.stdin.write(f"{{ {command}\n}} < /dev/fd/{self._its}; printf '\\n@@ended %d@@\\n' $?\n")
        self._process.stdin.flush()
        written, answered, typed = "", 0, list(RECORDED)
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (ended := ENDED.search(written, max(0, len(written) - LOOKED_AT))):
            if time.monotonic() > deadline or not select.select([self._ours], [], [], 5)[0]:
                if time.monotonic() > deadline:
                    return -1, f"{written}\n(still running after {LIMIT_SECONDS} s)"
                continue
            with contextlib.suppress(OSError):
                written += CONTROL.sub("", os.read(self._ours, 65536).decode("utf-8", "replace"))
            waiting = written[max(answered, len(written) - LOOKED_AT) :]
            reply = next(
                (found.expand(answer) for question, answer in ANSWERS if (found := question.search(waiting))),
                None,
            )
            if reply is None and typed and PROMPT.search(waiting):
                reply = typed.pop(0)
            if reply is not None:
                answered = len(written)
                os.write(self._ours, f"{reply}\n".encode())
        return int(ended[1]), written[: ended.start()].replace("\r\n", "\n")
