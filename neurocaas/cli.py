"""The command `neurocaas`: `neurocaas.commands` on a command line of its own.

Shell completion is click's: `eval "$(_NEUROCAAS_COMPLETE=bash_source neurocaas)"` (or `zsh_source`,
`fish_source`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import click

from neurocaas.commands import COMMANDS
from neurocaas.commands.command import AnalystCommand, Ended
from neurocaas.protocol.printable import printable
from neurocaas.protocol.problems import UserFacingError, three_parts

_SHORT = {"analysis": ("-a", "--bucket"), "group": ("-g",)}
"""Other names of options."""


def application(commands: Sequence[AnalystCommand] = COMMANDS) -> click.Group:
    """The whole command line."""

    @click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
    @click.version_option(package_name="neurocaas", message="%(prog)s %(version)s")
    def neurocaas() -> None:
        """Neuroscience analyses as a service: submit data, follow the job, fetch the results."""

    for one in commands:
        neurocaas.add_command(_as_click(one))
    return neurocaas


def _as_click(one: AnalystCommand) -> click.Command:
    parameters = [_parameter(one, parameter) for parameter in one.parameters]
    if one.starts:
        parameters.insert(0, click.Argument(["first"], required=False, metavar="[ANALYSIS]"))

    def body(first: str | None = None, **given: Any) -> None:
        if first:
            if given["analysis"] not in ("", first):
                raise click.UsageError(f"two analyses: {first} and --analysis {given['analysis']}")
            given["analysis"] = first
        one.body(**{name: list(value) if name in one.lists else value for name, value in given.items()})

    return click.Command(one.name, callback=body, params=parameters, help=one.doc)


def _parameter(one: AnalystCommand, parameter: inspect.Parameter) -> click.Parameter:
    typed = parameter.name.rstrip("_").replace("_", "-")
    words = one.help[typed]
    if parameter.name in one.lists:
        return click.Option([f"--{typed}", parameter.name], multiple=True, help=words)
    if parameter.default is inspect.Parameter.empty:
        return click.Argument([parameter.name], metavar=typed.upper())
    flags = (*_SHORT.get(typed, ()), f"--{typed}")
    if isinstance(parameter.default, bool):
        on = f"--{typed}/--no-{typed}" if parameter.default else f"--{typed}"
        return click.Option([on, parameter.name], is_flag=True, default=parameter.default, help=words)
    return click.Option(
        [*flags, parameter.name], default=parameter.default, type=type(parameter.default), help=words
    )


def main(words: Sequence[str] | None = None) -> int:
    """The exit code. Mistakes are told in three parts on standard error, without a traceback."""
    try:
        application().main(
            args=list(words) if words is not None else None, prog_name="neurocaas", standalone_mode=False
        )
    except Ended as end:
        _tell(end.message)
        return end.code
    except UserFacingError as error:
        _tell(f"error: {error.told}")
        return error.exit_code
    except click.ClickException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "neurocaas")
        _tell(f"error: {three_parts(error.format_message(), '', f'`{where} --help`')}")
        return 2
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted")
        return 130
    return 0


def _tell(text: str) -> None:
    if text:
        sys.stderr.write(printable(text) + "\n")


if __name__ == "__main__":
    sys.exit(main())
