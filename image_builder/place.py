"""The guide's place of the deployed code on a machine, `/home/ubuntu/neurocaas_contrib`, and scripts that put
something else there.

That is no mistake: the developer guide tells to clone a repository of this name, and images of the first
implementation have it. A job's machine runs the deployed code all the same, and moves what the image has
there to `neurocaas_contrib.image` (`runtime/instance/agent/prepare.py`).
"""

from __future__ import annotations

import re

from image_builder.bash.commands import Command
from image_builder.bash.reading import commands

_CLONED = re.compile(r"(?:.*[/:])?neurocaas_contrib(?:\.git)?/?")
_AT = re.compile(r"(?:/home/ubuntu|~ubuntu|~|\$HOME|\$\{HOME\})/neurocaas_contrib(?:/.*)?")
_MAKERS = frozenset({"mkdir", "cp", "mv", "ln", "rsync", "install", "tar", "unzip"})

CONSEQUENCE = (
    "the image's own neurocaas_contrib is moved to neurocaas_contrib.image on a job's machine, which runs "
    "the deployed code"
)


def puts_there(command: Command) -> bool:
    """Whether a command makes something at the place."""
    values = command.values
    if command.program == "git":
        return "clone" in values and any(
            _CLONED.fullmatch(value) for value in values[values.index("clone") + 1 :]
        )
    return command.program in _MAKERS and any(_AT.fullmatch(value) for value in values)


def puts_something_there(text: str) -> bool:
    """Whether a script does."""
    return any(map(puts_there, commands(text)))
