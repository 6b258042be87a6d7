"""Completion of what is typed in a shell: commands and options by click, analyses and jobs from the service,
where it answers at once. What cannot be known in time is not offered, and nothing is said about it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PATIENCE = 2.0
"""Seconds for which somebody who has pressed TAB waits."""
MOST = 200
"""So many jobs are offered, the latest."""

INSTALL = {
    "bash": """\
# Append to ~/.bashrc:   eval "$(neurocaas completion bash)"
# or once, with the package bash-completion:
#   neurocaas completion bash > ~/.local/share/bash-completion/completions/neurocaas""",
    "zsh": """\
# Append to ~/.zshrc, after compinit:   eval "$(neurocaas completion zsh)\"""",
    "fish": """\
# Once:   neurocaas completion fish > ~/.config/fish/completions/neurocaas.fish""",
}


@click.command(
    "completion",
    help="Print what completes commands, analyses and jobs in a shell: bash, zsh or fish. Its first lines "
    "say where it goes.",
)
@click.argument("shell", type=click.Choice(sorted(INSTALL)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    program = context.find_root().command
    # the class's own `source` also looks at the bash of this machine, which need not be the one that reads it
    source = made(program, {}, "neurocaas", "_NEUROCAAS_COMPLETE")
    click.echo(f"{INSTALL[shell]}\n{(source.source_template % source.source_vars()).strip()}")


def as_it_is_typed(name: str) -> Callable[..., list[CompletionItem]] | None:
    """How the parameter of that name is completed; None: as click does."""
    if name in ("data", "config", "certificate", "to"):
        return _paths
    return {"analysis": _analyses, "job": _jobs}.get(name)


def _paths(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type="dir" if parameter.name == "to" else "file")]


def _analyses(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    group = str(context.params.get("group") or "")
    return _offered(begun, lambda: _names_of_analyses(group))


def _jobs(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    group, analysis = (str(context.params.get(name) or "") for name in ("group", "analysis"))
    named, slash, _name = begun.rpartition("/")
    return _offered(
        begun, lambda: [f"{named}{slash}{job}" for job in _names_of_jobs(named or analysis, group)]
    )


def _names_of_analyses(group: str) -> Sequence[str]:
    from neurocaas.access import defaults, session
    from neurocaas.lookup import known_to

    return sorted({one.analysis for one in known_to(session(), group or defaults().group)})


def _names_of_jobs(analysis: str, group: str) -> Sequence[str]:
    from neurocaas.commands.speaking import analysis_of

    return ["last", *reversed(analysis_of(analysis, group).job_names()[-MOST:])]


def _offered(begun: str, names: Callable[[], Sequence[str]]) -> list[CompletionItem]:
    """Those of the names that go on as it was begun; none when they cannot be had in time, whatever the
    reason."""
    from click.shell_completion import CompletionItem

    found: list[str] = []

    def ask() -> None:
        try:
            found.extend(names())
        except Exception as error:
            if os.environ.get("NEUROCAAS_DEBUG"):
                raise error

    # a thread that nobody waits for: a network that is away must not keep the shell
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return [CompletionItem(name) for name in list(found) if name.startswith(begun)]
