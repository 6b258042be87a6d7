"""A command line that invoke cannot read is answered in three parts and exit code 2, instead of "No idea what
'-a' is!" or a traceback.
"""

import difflib
import re
import sys
from collections.abc import Sequence

from invoke.collection import Collection
from invoke.exceptions import ParseError
from invoke.program import Program

from neurocaas.protocol.problems import three_parts

CODE = 2


def explain_mistakes(tasks: Collection, words: Sequence[str]) -> None:
    """Let the program that is reading `words` do so. A value that is no number raises ValueError in invoke's
    parser.
    """
    parse = Program.parse_tasks

    def explained(program: Program) -> None:
        try:
            parse(program)
        except (ParseError, ValueError) as error:
            sys.stderr.write(f"error: {message(tasks, words, error)}\n")
            raise SystemExit(CODE) from None

    setattr(Program, "parse_tasks", explained)  # noqa: B010  (for mypy, a method is not assigned to)


def message(tasks: Collection, words: Sequence[str], error: Exception) -> str:
    """What was got, what is allowed, what to do."""
    from console.help import usage
    from console.layout import fitted

    contexts = {str(one.name): one for one in tasks.to_contexts()}
    near = getattr(error, "context", None)
    context = (
        near
        if near and near.name in contexts
        else next((contexts[word] for word in words if word in contexts), None)
    )
    if context is None:
        got = next((word for word in words if not word.startswith("-")), " ".join(words))
        close = difflib.get_close_matches(got, contexts, 1)
        do = f"did you mean `invoke {close[0]}`?" if close else "`invoke --list` shows the tasks"
        text = three_parts(f"{got!r} is no task", "the tasks of `invoke --list`", do)
    else:
        takes = "".join(
            f". {one.names[0].upper()}: {one.help}" for one in context.positional_args if one.kind is not list
        )
        allowed, do = f"{usage(context)}{takes}", f"`invoke {context.name} --help`"
        text = three_parts(f"{context.name}: {_got(error, words)}", allowed, do)
    return fitted(text) if sys.stderr.isatty() else text


def _got(error: Exception, words: Sequence[str]) -> str:
    """Invoke's words for the three mistakes that there are, in ours."""
    said = str(error)
    if unknown := re.match(r"No idea what '(.+)' is", said):
        flag = unknown[1]  # of `-bad`, invoke names the first letter that is no flag
        short = len(flag) == 2 and flag.startswith("-") and flag not in words
        word = (
            next((one for one in words if one[:1] == "-" and one[1:2] != "-" and flag[1] in one), flag)
            if short
            else flag
        )
        return f"got {word!r}, which it does not know"
    if missing := re.search(r"positional arguments: (.+)", said):
        return f"got no {missing[1].replace(chr(39), '').replace('_', '-').upper()}"
    if wrong := re.search(r"invalid literal for int\(\) with base 10: (.+)", said):
        return f"got {wrong[1]}, which is no whole number"
    return said
