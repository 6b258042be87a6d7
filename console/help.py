"""`invoke TASK --help` and `invoke --help TASK`: what a task does and takes, in lines that fit the terminal.

Invoke's own help prints docstrings as wide as they are written, and takes a `--help` behind a task that wants a name for that name.
"""

import inspect
import itertools
import sys
import textwrap
from collections.abc import Sequence

from invoke.collection import Collection
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


def text(context: ParserContext, description: str) -> str:
    """The help of one task, from what the parser knows of it and its docstring."""
    places, rows = [], []
    positional = [one for one in context.positional_args if one.kind is not list]  # lists are given as flags, one by one
    for one in positional:
        word = one.names[0].replace("_", "-").upper()
        places.append(f"[{word} …]" if one.names[0] == "names" else word)
        rows.append((f"{word}, {context.help_for(to_flag(one.names[0]))[0]}", one.help or ""))
    others = sorted({id(one): one for one in context.args.values() if one not in positional}.values(), key=flag_key)
    options = [(spec, said or "") for spec, said in (context.help_for(to_flag(one.names[0])) for one in others)]
    usage = f"Usage: invoke {' '.join([str(context.name), *places, *(['[--options]'] if options else [])])}"
    tables = [f"{title}:\n" + "\n".join(_rows(table)) for title, table in (("Arguments", rows), ("Options", options)) if table]
    return "\n\n".join([usage, *map(_paragraph, description.split("\n\n")), *tables]) + "\n"


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), width(), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    margin = max(len(left) for left, _ in rows) + 5
    lines = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, max(24, width() - margin), break_on_hyphens=False, break_long_words=False) or [""]
        lines += [f"  {left}".ljust(margin) + wrapped[0], *(" " * margin + line for line in wrapped[1:])]
    return [line.rstrip() for line in lines]
