"""The commands of analysts, each in the module of its concern. Exit codes: 0; 1: a job failed, was refused,
or outputs differ; 2: a mistake in what was asked; 130: interrupted.
"""

from neurocaas.commands import (
    belonging,
    discovering,
    fetching,
    jobs,
    linking,
    paying,
    signing_in,
    submitting,
    sweeping,
    watching,
    working,
)
from neurocaas.commands.command import AnalystCommand

CONCERNS: tuple[tuple[str, tuple[AnalystCommand, ...]], ...] = (
    ("Sign in", (*signing_in.COMMANDS, *belonging.COMMANDS)),
    ("Choose", (*discovering.COMMANDS, *linking.COMMANDS)),
    ("Submit", (*submitting.COMMANDS, *watching.COMMANDS)),
    ("Watch", jobs.COMMANDS),
    ("Pay", paying.COMMANDS),
    ("Results", (*fetching.COMMANDS, *sweeping.COMMANDS, *working.COMMANDS)),
)
"""In the order of a day's work, as `neurocaas --help` shows them; a heading may come twice."""
COMMANDS: tuple[AnalystCommand, ...] = tuple(one for _, some in CONCERNS for one in some)
