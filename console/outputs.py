"""Stack outputs as an API: checked against their JSON Schema, and written for a program, a shell or a CI
job.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from console.errors import UserError

SECRET = "[secret]"  # noqa: S105 (what the engine prints in the place of one)
FORMATS = ("json", "env", "github", "global-params")


def checked(outputs: Mapping[str, Any], stack: str, schemas: Path) -> Mapping[str, Any]:
    """The outputs, when they agree with the schema of their kind in the folder `schemas`; else UserError with
    every difference.
    """
    import jsonschema

    kind = str(outputs.get("kind", ""))
    path = schemas / f"{kind}-outputs.json"
    if not re.fullmatch(r"[a-z-]+", kind) or not path.is_file():
        raise UserError(
            f"stack '{stack}' has outputs of kind {kind!r}",
            f"a kind with a schema in {schemas}",
            f"deploy it with this version of the program: `invoke deploy {stack}`",
        )
    problems = sorted(
        jsonschema.Draft202012Validator(json.loads(path.read_text())).iter_errors(dict(outputs)), key=str
    )
    if problems:
        said = "\n".join(
            f"  {'.'.join(map(str, one.absolute_path)) or '(outputs)'}: {one.message}" for one in problems
        )
        raise UserError(
            f"the outputs of stack '{stack}' do not agree with their schema:\n{said}",
            str(path),
            f"deploy it with this version of the program: `invoke deploy {stack}`",
        )
    return outputs


def rendered(outputs: Mapping[str, Any], form: str) -> str:
    """The outputs as text. `env`: upper-case names, values quoted for a POSIX shell. `github`: the names as
    they are; a value with several lines between delimiters, as $GITHUB_OUTPUT wants. Values that are not text
    are JSON in both. `global-params`: of `utils` by the names of the first implementation."""
    if form == "json":
        return json.dumps(outputs, indent=2, sort_keys=True) + "\n"
    if form == "env":
        import shlex

        return "".join(
            f"{name.upper()}={shlex.quote(_text(value))}\n" for name, value in sorted(outputs.items())
        )
    if form == "github":
        return "".join(_github(name, _text(value)) for name, value in sorted(outputs.items()))
    if form == "global-params":
        from console.global_params import global_params

        return json.dumps(global_params(outputs), indent=2) + "\n"
    raise UserError(f"format {form!r}", ", ".join(FORMATS), "choose one with --format")


def hidden(outputs: Mapping[str, Any]) -> list[str]:
    """Names of the secret outputs, whose values the engine keeps to itself."""
    return [name for name, value in outputs.items() if value == SECRET]


def masks(outputs: Mapping[str, Any], names: Sequence[str]) -> str:
    """Commands that keep the values of these outputs out of a GitHub log, line by line, as the log is
    masked.
    """
    lines = {line for name in names for line in _text(outputs[name]).splitlines() if line.strip()}
    return "".join(f"::add-mask::{line.replace('%', '%25')}\n" for line in sorted(lines))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _github(name: str, value: str) -> str:
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}\n"
    delimiter = "EOF"
    while delimiter in value:
        delimiter += "_"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
