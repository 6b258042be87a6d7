"""What bash says about a text without running it."""

from __future__ import annotations

import subprocess


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
