"""The command line that starts a dataset on its machine (guide, "Main script")."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from neurocaas.protocol.job import Job

MAIN_SCRIPT = "run_main.sh"


def main_command(job: Job, index: int) -> list[str]:
    """The argument list for dataset `index`: `bash run_main.sh bucket inputpath resultdir configpath script`.

    It is executed as a list, never through a shell, so nothing of a submission is ever read as shell text.
    """
    return [
        "bash",
        MAIN_SCRIPT,
        job.bucket,
        job.datasets[index].inputpath,
        job.resultdir,
        job.configpath_of(index),
        job.script,
    ]


def shown(arguments: Sequence[str]) -> str:
    """An argument list as one line that a person may paste into a shell."""
    return shlex.join(arguments)
