"""What is wrong with a command line, in three parts, with the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

from neurocaas.errors import AnalysisError


class UnknownCommandError(click.UsageError):
    """A word where the name of a command should be."""

    def __init__(self, name: str, context: click.Context, names: Iterable[str]) -> None:
        super().__init__(f"no command {name!r}", context)
        self.name, self.names = name, tuple(names)


def mistake(error: click.ClickException) -> AnalysisError:
    """The error of click's parser as ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "neurocaas"
    see = f"`{path} --help`"
    if isinstance(error, UnknownCommandError):
        near = _nearest(error.name, error.names)
        return AnalysisError(
            f"{error.name!r} is no command",
            f"the commands of {see}",
            f"did you mean `{path} {near}`?" if near else f"{see} lists them",
        )
    if isinstance(error, click.NoSuchOption):
        options = _options(context)
        near = _nearest(error.option_name, options)
        return AnalysisError(
            f"{path}: there is no option {error.option_name}",
            ", ".join(options),
            f"did you mean {near}?" if near else see,
        )
    parameter = getattr(error, "param", None)
    if isinstance(error, click.MissingParameter) and parameter is not None and context:
        return AnalysisError(f"{path}: no {_name(parameter)}", _form(context), see)
    if isinstance(error, click.BadParameter) and parameter is not None and context:
        said = error.message.removesuffix(".")
        whole = isinstance(parameter.type, click.types.IntParamType)
        allowed = "a whole number" if whole else _form(context)
        return AnalysisError(f"{path}: {_name(parameter)}: {said}", allowed, see)
    return AnalysisError(f"{path}: {_lower(error.format_message())}", _form(context) if context else "", see)


def _options(context: click.Context | None) -> list[str]:
    found = context.command.get_params(context) if context else []
    return [
        name
        for one in found
        if isinstance(one, click.Option) and not one.hidden
        for name in (*one.opts, *one.secondary_opts)
        if name.startswith("--")
    ]


def _nearest(name: str, names: Iterable[str]) -> str:
    """The name that was meant, as it seems; "" when none is near."""
    known = list(names)
    begun = [one for one in known if one.startswith(name)]
    return next(iter([*begun, *difflib.get_close_matches(name, known, 1, 0.6)]), "")


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return parameter.opts[-1]
    return parameter.metavar or parameter.human_readable_name.upper()


def _form(context: click.Context) -> str:
    return f"`{context.command_path} {' '.join(context.command.collect_usage_pieces(context))}`"


def _lower(text: str) -> str:
    text = text.removesuffix(".")
    return text[:1].lower() + text[1:]
