"""The command line of the command `neurocaas`: `neurocaas.commands`, help by concern, completion, mistakes in
three parts. As a process: `neurocaas.__main__`.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from neurocaas import access
from neurocaas.access import PROFILE
from neurocaas.commands import CONCERNS
from neurocaas.commands.command import AnalystCommand, Ended
from neurocaas.completion import as_it_is_typed, completion
from neurocaas.layout import as_told
from neurocaas.protocol.problems import UserFacingError, three_parts
from neurocaas.typed import called_as
from neurocaas.usage import UnknownCommandError, mistake

DEBUG = "NEUROCAAS_DEBUG"
DEFECT = 70
"""Exit code of an error that this program does not know (EX_SOFTWARE of sysexits.h)."""

_SHORT = {"analysis": ("-a", "--bucket"), "group": ("-g",), "config": ("-c",), "follow": ("-f",)}
"""Other names of options."""
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


_ALSO = {"download": "results"}
"""Words that people try for a command of another name."""


class _Parsed(click.Command):
    """Each mistake says in which command it was made; click's own parser does not."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class _Program(_Parsed, click.Group):
    """Shows its commands by what they are for."""

    concerns: Sequence[tuple[str, Sequence[str]]] = ()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in self.commands) + 2
        for title in dict.fromkeys(title for title, _ in self.concerns):
            names = [name for one, some in self.concerns if one == title for name in some]
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width - 2), self.commands[name].get_short_help_str(300)) for name in names]
                )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _ALSO.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise UnknownCommandError(args[0], ctx, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class _Command(_Parsed):
    """Shows what its arguments are, too."""

    arguments: Sequence[tuple[str, str]] = ()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(self.arguments)
        super().format_options(ctx, formatter)


def application(concerns: Sequence[tuple[str, Sequence[AnalystCommand]]] = CONCERNS) -> click.Group:
    """The whole command line."""

    @click.group(cls=_Program, context_settings=_HELP, invoke_without_command=True)
    @click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_version,
        help="Say which it is.",
    )
    @click.option(
        "--profile", default="", help="A profile of `neurocaas login`. Default: $NEUROCAAS_PROFILE."
    )
    @click.pass_context
    def neurocaas(context: click.Context, profile: str = "") -> None:
        """Neuroscience analyses as a service: submit data, follow the job, fetch the results.

        Each command takes --analysis NAME and --group NAME, or NEUROCAAS_ANALYSIS and NEUROCAAS_GROUP of the
        environment, or those of a profile of `neurocaas login`. `neurocaas COMMAND --help` says what else.
        """
        if profile:
            os.environ[PROFILE] = profile
        if context.invoked_subcommand is None:
            click.echo(context.get_help())

    assert isinstance(neurocaas, _Program)
    for _, some in concerns:
        for one in some:
            neurocaas.add_command(_as_click(one))
    neurocaas.add_command(completion)
    own = ("This program", [str(completion.name)])
    neurocaas.concerns = [*((title, [one.name for one in some]) for title, some in concerns), own]
    return neurocaas


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from neurocaas.version import version

        click.echo(f"neurocaas {version()}")
        context.exit()


def _as_click(one: AnalystCommand) -> click.Command:
    parameters = [_parameter(one, parameter) for parameter in one.parameters]
    if one.starts:
        first = click.Argument(
            ["first"], required=False, metavar="[ANALYSIS]", shell_complete=as_it_is_typed("analysis")
        )
        parameters.insert(0, first)

    def body(first: str | None = None, **given: Any) -> None:
        if first:
            if given["analysis"] not in ("", first):
                raise click.UsageError(f"two analyses: {first} and --analysis {given['analysis']}")
            given["analysis"] = first
        one.run(**{name: list(value) if name in one.lists else value for name, value in given.items()})

    made = _Command(one.name, callback=body, params=parameters, help=one.doc, context_settings=_HELP)
    made.arguments = [
        (str(parameter.metavar), "The same as --analysis." if parameter.name == "first" else one.help[typed])
        for parameter in parameters
        if isinstance(parameter, click.Argument)
        for typed in [str(parameter.name).rstrip("_").replace("_", "-")]
    ]
    return made


def _parameter(one: AnalystCommand, parameter: inspect.Parameter) -> click.Parameter:
    typed = parameter.name.rstrip("_").replace("_", "-")
    words = one.help[typed]
    complete = as_it_is_typed(typed)
    if parameter.name == one.rest:
        word = f"[{typed.upper()}]..."
        return click.Argument([parameter.name], nargs=-1, metavar=word, shell_complete=complete)
    if parameter.name in one.lists:
        return click.Option(
            [f"--{typed}", parameter.name], multiple=True, help=words, shell_complete=complete
        )
    if parameter.default is inspect.Parameter.empty:
        return click.Argument([parameter.name], metavar=typed.upper(), shell_complete=complete)
    flags = (*_SHORT.get(typed, ()), f"--{typed}")
    if isinstance(parameter.default, bool):
        on = f"--{typed}/--no-{typed}" if parameter.default else f"--{typed}"
        names = [*_SHORT.get(typed, ()), on, parameter.name]
        return click.Option(names, is_flag=True, default=parameter.default, help=words)
    return click.Option(
        [*flags, parameter.name],
        default=parameter.default,
        type=type(parameter.default),
        help=words,
        shell_complete=complete,
    )


def main(words: Sequence[str] | None = None) -> int:
    """The exit code. Mistakes are told in three parts on standard error, without a traceback."""
    before = os.environ.get(PROFILE)
    try:
        with called_as("neurocaas"):
            code = _run(words)
        for cloud in access.not_obvious():
            _tell(cloud)
        return code
    finally:  # an option is this command's alone, also where a program calls several
        os.environ.pop(PROFILE, None)
        if before is not None:
            os.environ[PROFILE] = before


def _run(words: Sequence[str] | None) -> int:
    try:
        application().main(
            args=list(words) if words is not None else None, prog_name="neurocaas", standalone_mode=False
        )
        sys.stdout.flush()  # a full disk, or a reader that has gone, is known now
    except Ended as end:
        _tell(end.message)
        return end.code
    except UserFacingError as error:
        _tell(f"error: {error.told}")
        return error.exit_code
    except click.ClickException as error:
        _tell(f"error: {mistake(error).told}")
        return 2
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted")
        return 130
    except Exception as error:  # noqa: BLE001  (whatever it is, a person reads what to do)
        return _defect(error)
    return 0


def _defect(error: Exception) -> int:
    """An error that nobody has foreseen: its traceback only for who asks for it."""
    from neurocaas.remedies import explained

    if told := explained(error):  # where the last words went: a full disk
        _tell(f"error: {told.told}")
        return told.exit_code
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()
        return DEFECT
    from neurocaas.version import version

    _tell(
        "error: "
        + three_parts(
            f"neurocaas {version()} met an error that it does not know: {type(error).__name__}: {error}",
            "none: this is a defect, and no mistake of yours",
            f"run the same with {DEBUG}=1 in the environment, and send what it prints to the people who run "
            "your service",
        )
    )
    return DEFECT


def _tell(text: str) -> None:
    if text:
        sys.stdout.flush()
        sys.stderr.write(as_told(text, sys.stderr) + "\n")
