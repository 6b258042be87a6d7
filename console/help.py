"""`invoke TASK --help` for tasks whose argument is positional: invoke itself would take `--help` for the argument's value."""

import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from invoke.exceptions import Exit

FLAGS = ("--help", "-h")


def answers_help(name: str, body: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the body of the task `name`: one of its values being a help flag shows the task's help in place of running it."""

    @functools.wraps(body)
    def helped(*args: Any, **kwargs: Any) -> Any:
        if any(value in FLAGS for value in (*args, *kwargs.values()) if isinstance(value, str)):
            raise Exit(code=subprocess.run([sys.executable, "-m", "invoke", "--help", name], check=False).returncode)
        return body(*args, **kwargs)

    helped.__signature__ = inspect.signature(body)  # type: ignore[attr-defined]
    return helped
