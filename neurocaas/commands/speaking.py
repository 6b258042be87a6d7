"""What the commands share: where a job is, how results are written, and what is said when a job is
followed.
"""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

from neurocaas import typed
from neurocaas.access import ANALYSIS, defaults
from neurocaas.access import BUCKET as BUCKET
from neurocaas.access import GROUP as GROUP
from neurocaas.commands.command import Ended
from neurocaas.errors import AnalysisError
from neurocaas.layout import edge, wrapped
from neurocaas.notes import note as note
from neurocaas.protocol.lines import say as say
from neurocaas.protocol.printable import printable, printable_json

WHERE = {
    "analysis": (
        f"The analysis's name; NAME-STAGE for one of its stages. Default: ${ANALYSIS}, or your profile's."
    ),
    "group": f"Your group. Default: ${GROUP}, or your profile's.",
}
JOB = {
    **WHERE,
    "job": (
        "The job's timestamp, the beginning of only one, its submission's name, or 'last' for the latest "
        "one. ANALYSIS/JOB names the analysis as well."
    ),
}
JSON = {"json": "One JSON document."}


def tell(text: str) -> None:
    """What people read, on standard output: on a terminal, lines end between words."""
    say(wrapped(printable(text), edge()))


def as_json(value: Any) -> str:
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def state_facts(state: Any) -> dict[str, Any]:
    """A `JobState` as JSON documents have it."""
    return {
        **asdict(state),
        "state": state.outcome,
        "finished": state.finished,
        "succeeded": state.succeeded,
        "why": state.why,
    }


def analysis_of(analysis: str, group: str) -> Any:
    """The analysis of a command's --analysis and --group. Looked up now: a wrong name is told before anything
    else. NEUROCAAS_BUCKET is an older name of NEUROCAAS_ANALYSIS."""
    from neurocaas.analysis import Analysis

    typed.named(analysis, group)
    if not (analysis and group):
        said = defaults()
        analysis, group = analysis or said.analysis, group or said.group
    missing = [f"--{name}" for name, value in (("analysis", analysis), ("group", group)) if not value]
    if missing:
        raise AnalysisError(
            f"no {' and no '.join(missing)}",
            "an analysis and your group in it",
            f"say which: --analysis NAME --group NAME, or set {ANALYSIS} and {GROUP}; `neurocaas login` "
            "keeps both",
        )
    return Analysis(analysis, group)


def analyses_of(analysis: str, group: str) -> list[Any]:
    """All analyses that the group may use, for a command's --all."""
    from neurocaas.analysis import Analysis
    from neurocaas.lookup import known_to

    if analysis:
        raise AnalysisError(f"--analysis {analysis}, and --all", "one of them", "leave one out")
    typed.named(group=group)
    group = group or defaults().group
    if not group:
        raise AnalysisError("no --group", "your group", f"say which: --group NAME, or set {GROUP}")
    session = Analysis("", group).session
    names = [one.stack for one in known_to(session, group)]
    if not names:
        raise AnalysisError(
            f"no list of the analyses of group {group}",
            "a service that keeps one, and credentials that may read it",
            "name the analysis: --analysis NAME; or choose the region of the service (AWS_REGION)",
        )
    return [Analysis(name, group, session=session) for name in names]


def goes_on(job: str) -> str:
    """What is said when somebody stops looking at a job."""
    shows, ends = typed.command("follow", job), typed.command("cancel", job)
    return f"job {job} goes on: `{shows}` shows it, `{ends}` ends it"


def named_job(job: str, analysis: str, group: str) -> tuple[Any, str]:
    """The analysis, and the job's name in it, of a command's argument JOB or ANALYSIS/JOB."""
    named, _, name = job.rpartition("/")
    if named and analysis and named != analysis:
        raise AnalysisError(
            f"two analyses: {named!r} in the job's name, and --analysis {analysis}",
            "one",
            "leave one of them out",
        )
    return analysis_of(named or analysis, group), name


def job_of(job: str, analysis: str, group: str) -> tuple[Any, Any]:
    """The analysis and the job of a command's arguments."""
    chosen, name = named_job(job, analysis, group)
    return chosen, chosen.find(name)


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
    analysis: Any = None,
) -> Any:
    """Show a job until it ends (on standard output, or `out`), and return its last state. Interrupted, it
    says that the job goes on.
    `typical`: seconds that earlier runs took, for the time that is left. `analysis`: where the reasons are
    looked for while nothing runs."""
    from neurocaas.view import board

    try:
        if quiet:
            return handle.follow(lambda _: None, timeout=timeout)
        with board(out, typical) as shown:
            waits = Waits(analysis, handle)
            return handle.follow(lambda now: shown.show(handle.timestamp, now, waits(now)), timeout=timeout)
    except KeyboardInterrupt:
        raise Ended(goes_on(handle.timestamp), code=130) from None


WAITS_SECONDS = 20.0
"""So long nothing may run before it is said why; and so often that is looked up again."""


class Waits:
    """Why a job waits, in a sentence: "" while something runs, or it has only just begun to wait."""

    def __init__(self, analysis: Any, handle: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._analysis, self._handle, self._clock = analysis, handle, clock
        self._asked, self._said = clock(), ""

    def __call__(self, state: Any) -> str:
        if self._analysis is None or state.finished or any(one.seconds is not None for one in state.datasets):
            return ""
        if self._clock() - self._asked >= WAITS_SECONDS:
            from botocore.exceptions import BotoCoreError, ClientError

            from neurocaas.explain import explain

            # what may not be asked here, or not now, hinders nobody from following
            with contextlib.suppress(AnalysisError, BotoCoreError, ClientError):
                self._said = explain(self._analysis.evidence(self._handle)).sentence
            self._asked = self._clock()
        return self._said


def end_with(analysis: Any, handle: Any, state: Any) -> None:
    """Exit code 1 and the reason for a job that has ended without success."""
    if state.finished and not state.succeeded:
        raise Ended("\n".join(explanation_lines(analysis, handle)), code=1)
