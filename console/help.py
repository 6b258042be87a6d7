"""`invoke TASK --help` and `invoke --help TASK`: what a task does and takes, in lines that fit the terminal.

Invoke's own help prints docstrings as wide as they are written, and takes a `--help` behind a task that wants
a name for that name.
"""

import inspect
import itertools
import sys
import textwrap
from collections.abc import Sequence

from invoke.collection import Collection
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext, flag_key, to_flag

from console.layout import width

FLAGS = ("--help", "-h")


def answer_help(tasks: Collection, words: Sequence[str]) -> None:
    """When the words of a command line ask for a task's help, print it and end the program."""
    asked = list(itertools.takewhile(lambda word: word != "--", words))
    if not set(FLAGS).intersection(asked):
        return
    contexts = {name: one for one in tasks.to_contexts() for name in (one.name, *one.aliases)}
    name = next((word for word in asked if word in contexts), None)
    if name is None:
        return  # the help of invoke itself, or a task that there is not: invoke says so
    sys.stdout.write(text(contexts[name], inspect.getdoc(tasks[name]) or ""))
    raise SystemExit(0)


def usage(context: ParserContext) -> str:
    """`invoke promote SOURCE TARGET [--options]`."""
    places = [f"[{_word(one)} …]" if one.names[0] == "names" else _word(one) for one in _positional(context)]
    return (
        "invoke "
        f"{' '.join([str(context.name), *places, *(['[--options]'] if len(places) < len(_arguments(context)) else [])])}"  # noqa: E501
    )


def text(context: ParserContext, description: str) -> str:
    """The help of one task, from what the parser knows of it and its docstring."""
    places = _positional(context)
    others = sorted((one for one in _arguments(context) if one not in places), key=flag_key)
    rows = [(f"{_word(one)}, {context.help_for(to_flag(one.names[0]))[0]}", one.help or "") for one in places]
    options = [
        (spec, said or "") for spec, said in (context.help_for(to_flag(one.names[0])) for one in others)
    ]
    tables = [
        f"{title}:\n" + "\n".join(_rows(table))
        for title, table in (("Arguments", rows), ("Options", options))
        if table
    ]
    return (
        "\n\n".join([f"Usage: {usage(context)}", *map(_paragraph, description.split("\n\n")), *tables]) + "\n"
    )


def _arguments(context: ParserContext) -> list[Argument]:
    return list({id(one): one for one in context.args.values()}.values())


def _positional(context: ParserContext) -> list[Argument]:
    # lists are given as flags, one by one
    return [one for one in context.positional_args if one.kind is not list]


def _word(argument: Argument) -> str:
    return str(argument.names[0]).replace("_", "-").upper()


def _paragraph(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), width(), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    margin = max(len(left) for left, _ in rows) + 5
    lines = []
    for left, right in rows:
        wrapped = textwrap.wrap(
            right, max(24, width() - margin), break_on_hyphens=False, break_long_words=False
        ) or [""]
        lines += [f"  {left}".ljust(margin) + wrapped[0], *(" " * margin + line for line in wrapped[1:])]
    return [line.rstrip() for line in lines]
