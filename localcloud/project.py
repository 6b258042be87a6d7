"""What the project around the local cloud tells it: its words for commands, and where the user's cache is.

A project says it in the table ``[tool.localcloud]`` of its ``pyproject.toml``: the file beside this package
(a checkout), else the one beside the nearest ``Pulumi.yaml``. So all processes of a local cloud say the same,
however they were started. A variable ``LOCALCLOUD_<KEY>`` wins. Standard library only: set-up imports this.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.paths import project_root

WARM_VARIABLE = "LOCALCLOUD_WARM_PYTHON"
"""A program that is called like this Python and starts faster, for the engine's plugins and for functions:
tests have one.
"""


class ProjectSettingsInvalid(Exception):
    """The table of the project cannot be used."""


@dataclass(frozen=True)
class Project:
    """Words of messages, as a person would type them, and one name."""

    cache: str = "localcloud"
    """The folder below the user's cache (``$XDG_CACHE_HOME``, else ``~/.cache``)."""
    command: str = "localcloud "
    """What stands before the name of a command: ``localcloud `` gives ``localcloud up``."""
    setup: str = "python -m localcloud.emulator_env"
    """What makes all that the local cloud needs."""
    bake: str = "aws imagebuilder start-image-pipeline-execution"
    """What builds a machine image anew."""
    parent: str = "image.parent"
    """Where somebody says over which image a clean root lies."""

    def says(self, name: str) -> str:
        """A command of the local cloud as a person types it: ``says("up")``."""
        return f"{self.command}{name}"


VARIABLES = {f"LOCALCLOUD_{field.name.upper()}": field.name for field in dataclasses.fields(Project)}
"""Environment variable -> the setting that it overrides."""


def read(folders: Iterable[Path], environ: Mapping[str, str]) -> Project:
    """The settings of the first folder whose ``pyproject.toml`` has the table; the defaults where none has.

    Raises `ProjectSettingsInvalid` for a key that is not there, or a value that is not a text.
    """
    known = list(VARIABLES.values())
    told: dict[str, Any] = {}
    for folder in folders:
        file = folder / "pyproject.toml"
        found = _table(file)
        if found is not None:
            wrong = [key for key, value in found.items() if key not in known or not isinstance(value, str)]
            if wrong:
                raise ProjectSettingsInvalid(
                    f"{file}: got {', '.join(wrong)} in [tool.localcloud]\n"
                    f"  allowed: texts, with the keys {', '.join(known)}\n"
                    "  do: correct the table"
                )
            told = found
            break
    told |= {name: value for variable, name in VARIABLES.items() if (value := environ.get(variable))}
    return Project(**told)


def _table(file: Path) -> dict[str, Any] | None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # a broken file is for the tools to tell whose it is
    table = document.get("tool", {}).get("localcloud")
    return table if isinstance(table, dict) else None


@functools.cache
def project() -> Project:
    """The settings of this process's project, read once."""
    return read((Path(__file__).resolve().parents[1], project_root()), os.environ)
