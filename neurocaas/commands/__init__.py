"""The commands of analysts, each in the module of its concern. Exit codes: 0; 1: a job failed, was refused,
or a rerun differs; 2: a mistake in what was asked; 130: interrupted.
"""

from neurocaas.commands import fetching, jobs, submitting
from neurocaas.commands.command import AnalystCommand

COMMANDS: tuple[AnalystCommand, ...] = (*submitting.COMMANDS, *jobs.COMMANDS, *fetching.COMMANDS)
"""In the order of `neurocaas --help`."""
