"""What can be seen of a script before it runs: text that a machine can read, a first line that names a
program, and bash's own syntax.

The rules of the first line are those of `neurocaas.protocol.interpreter`, which the machine keeps as well.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from neurocaas.protocol import interpreter

_HEAD = 8000
"""Bytes that are looked at to tell text from something else (what follows may be the payload of an archive
that unpacks itself).
"""

_BASH = '((BASH_VERSINFO[0] < 4)) || exec "$BASH" "$@"'
"""Of an older bash (3.2 of macOS) nothing is asked: it does not know what the machine's own takes."""


@dataclass(frozen=True)
class ScriptMistake:
    """`rule` as in a `BlueprintFinding`; `line` is 1-based, None for the whole."""

    rule: str
    line: int | None
    got: str
    allowed: str
    do: str


def mistakes(content: bytes) -> Iterator[ScriptMistake]:
    """Everything in a run script that keeps a machine from running it as it is meant."""
    runner = interpreter.parse(content)
    marked = any(content.startswith(mark) for mark in interpreter.MARKS)
    if not marked and b"\0" in content[:_HEAD]:
        got, do = "NUL bytes", "Save it as UTF-8; of a compiled program write a script that calls it"
        yield ScriptMistake("script.encoding", None, got, "a text", do)
        return
    windows = content.find(b"\r\n")
    if windows >= 0 and (runner.is_bash or b"\n" not in content[:windows]):
        line = content.count(b"\n", 0, windows) + 1
        got, do = f"Windows line ends (line {line})", "Convert it, for instance with dos2unix"
        yield ScriptMistake("script.line-ends", line, got, "lines that end in LF", do)
    content = content.replace(b"\r\n", b"\n")
    for problem in interpreter.problems(content):
        yield ScriptMistake("script.interpreter", 1, problem.got, problem.allowed, problem.do)
    if runner.is_bash and not marked and (wrong := syntax(content.decode("utf-8", "surrogateescape"))):
        yield ScriptMistake(
            "script.syntax",
            wrong[0],
            wrong[1],
            "what bash can read",
            "Correct the line, or what it belongs to above",
        )


@lru_cache(maxsize=64)
def syntax(text: str) -> tuple[int, str] | None:
    """The first mistake that bash sees in a text without running it: line and words. None without one, or
    without a bash to ask.
    """
    # a text that turns it on would not have been run so far
    flags = ("-O", "extglob", "-n") if "extglob" in text else ("-n",)
    command = ["bash", "-c", _BASH, "bash", *flags]
    try:
        done = subprocess.run(
            command,
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            env={"LC_ALL": "C"},
        )
    except FileNotFoundError:
        return None
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 0 and "here-document" not in said:
        return None
    first = (said.splitlines() or ["bash: line 1: it cannot be read"])[0]
    match = re.search(r"line (\d+): (.*)", first)
    line, words = (int(match[1]), match[2]) if match else (1, first)
    return min(line, text.count("\n") + 1), words
