"""The analyst's commands (`neurocaas.commands`) as invoke tasks, for those who work in a checkout."""

from __future__ import annotations

import inspect
from typing import Any

from invoke.collection import Collection
from invoke.exceptions import Exit
from invoke.tasks import Task

from console.errors import UserError
from neurocaas.commands import COMMANDS, signing_in
from neurocaas.commands.command import AnalystCommand, Ended
from neurocaas.typed import called_as

BUCKET = "The same as --analysis."


def as_task(one: AnalystCommand) -> Task:  # type: ignore[type-arg]
    """The command as a task: the same parameters, and `--bucket`, as --analysis was called before."""

    def body(c: Any, *given: Any, **named: Any) -> None:
        bucket = named.pop("bucket", "")
        if bucket and named.get("analysis", bucket) not in ("", bucket):
            raise UserError(
                f"--bucket {bucket} and --analysis {named['analysis']}", "one of them", "leave one out"
            )
        if bucket:
            named["analysis"] = bucket
        with called_as("invoke"):
            try:
                one.run(*given, **named)
            except Ended as end:
                raise Exit(end.message or None, code=end.code) from None

    own, words = [_for_invoke(one, parameter) for parameter in one.parameters], dict(one.help)
    if any(parameter.name == "analysis" for parameter in own):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        own.append(inspect.Parameter("bucket", kind, default=""))
        words["bucket"] = BUCKET
    context = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    body.__signature__ = inspect.Signature([context, *own])  # type: ignore[attr-defined]
    body.__name__, body.__doc__ = one.name, one.body.__doc__
    return Task(body, name=one.name, iterable=list(one.lists), help=words)


def _for_invoke(one: AnalystCommand, parameter: inspect.Parameter) -> inspect.Parameter:
    """To invoke, another default of what may be given several times is its kind."""
    several = parameter.name in one.lists and parameter.default is not parameter.empty
    return parameter.replace(default=None) if several else parameter


collection = Collection(*(as_task(one) for one in COMMANDS if one not in signing_in.COMMANDS))
"""Without those that sign in: a task works in the cloud that the shell or the project names."""
