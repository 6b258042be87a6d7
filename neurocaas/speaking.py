"""What the commands share: where a job is, how results are written, and what is said when a job is
followed.
"""

import json
import os
from dataclasses import asdict, is_dataclass
from typing import Any

from invoke.exceptions import Exit

from neurocaas.errors import AnalysisError
from neurocaas.notes import note as note
from neurocaas.protocol.lines import say as say
from neurocaas.protocol.printable import printable, printable_json

BUCKET, GROUP = "NEUROCAAS_BUCKET", "NEUROCAAS_GROUP"
WHERE = {
    "bucket": f"The analysis's name; NAME-STAGE for one of its stages, or its bucket. Default: ${BUCKET}.",
    "group": f"Your group. Default: ${GROUP}.",
}
JOB = {
    **WHERE,
    "job": (
        "The job's timestamp, the beginning of only one, its submission's name, or 'last' for the latest one."
    ),
}
JSON = {"json": "One JSON document."}


def as_json(value: Any) -> str:
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def analysis_of(bucket: str, group: str) -> Any:
    """The analysis of a command's --bucket and --group. Looked up now: a wrong name is told before anything
    else."""
    from neurocaas.analysis import Analysis

    bucket, group = bucket or os.environ.get(BUCKET, ""), group or os.environ.get(GROUP, "")
    missing = [f"--{name}" for name, value in (("bucket", bucket), ("group", group)) if not value]
    if missing:
        raise AnalysisError(
            f"no {' and no '.join(missing)}",
            "an analysis and your group in it",
            f"say which: --bucket NAME --group NAME, or set {BUCKET} and {GROUP}",
        )
    return Analysis(bucket, group)


def explanation_lines(analysis: Any, handle: Any) -> list[str]:
    """Why a job waits or has failed, as people read it."""
    from neurocaas.explain import explain

    found = explain(analysis.evidence(handle))
    lines = [
        found.sentence,
        *(f"  because: {line}" for line in found.evidence),
        *([f"  do: {found.fix}"] if found.fix else []),
    ]
    return [printable(line, keep="\t") for line in lines]


def follow(
    handle: Any,
    timeout: float | None = None,
    *,
    quiet: bool = False,
    out: Any = None,
    typical: float | None = None,
) -> Any:
    """Show a job until it ends (on standard output, or `out`), and return its last state. Interrupted, it
    says that the job goes on.
    `typical`: seconds that earlier runs took, for the time that is left."""
    from neurocaas.view import board

    try:
        if quiet:
            return handle.follow(lambda _: None, timeout=timeout)
        with board(out, typical) as shown:
            return handle.follow(lambda now: shown.show(handle.timestamp, now), timeout=timeout)
    except KeyboardInterrupt:
        raise Exit(
            f"job {handle.timestamp} goes on: `invoke follow {handle.timestamp}` shows it, `invoke cancel` "
            "ends it",
            code=130,
        ) from None


def end_with(analysis: Any, handle: Any, state: Any) -> None:
    """Exit code 1 and the reason for a job that has ended without success."""
    if state.finished and not state.succeeded:
        raise Exit("\n".join(explanation_lines(analysis, handle)), code=1)
