"""Why a job waits, runs or has failed: one sentence, what it rests on, and what to do.

`explain` is a pure function of what `neurocaas.evidence` has read.
"""

import re
from dataclasses import dataclass

from neurocaas.evidence import Evidence
from neurocaas.protocol.chain import waited_for
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.status import INITIALIZING, SUCCESS
from neurocaas.protocol.stop import outcome_of
from neurocaas.protocol.units import duration
from neurocaas.states import DatasetState
from neurocaas.typed import command as typed

PATIENCE = 60.0
"""Seconds after which a submission without an answer is a fault and not a delay."""

BOOT = 600.0
"""Seconds after which a machine that has not begun is worth a look."""

_ADMIN = "ask the administrator of the analysis"


@dataclass(frozen=True)
class Explanation:
    """`sentence` says why, `evidence` names what it rests on, `fix` what to do ("" when nothing is to be
    done).
    """

    sentence: str
    evidence: tuple[str, ...]
    fix: str


# Kind of failure -> what happened, what to do. Kinds are the exit classes, and two that only the reason
# tells.
_KINDS = {
    "analysis": (
        "its script failed",
        "read what it printed (`{logs}`), correct the data or the configuration, and submit again",
    ),
    "memory": (
        "it ran out of memory",
        "choose a larger machine with --instance-type{types}, or give each dataset less to do",
    ),
    "disk": ("its disk was full", "add __dataset_size__ (GiB) to the configuration, or raise it"),
    "user": (
        "the submission was wrong",
        "correct the submission as said, and submit it under another timestamp",
    ),
    "data": ("its data could not be used", "correct the data as said, and submit again"),
    "image": (
        "its machine image is not there",
        "the administrator bakes the analysis's image (`invoke bake-ami`) and deploys it (`invoke deploy`), "
        "then submit again",
    ),
    "capacity": (
        "no machine could be had",
        "submit again later, with fewer datasets or another instance_type",
    ),
    "reclaim": ("AWS took its spot machine back", "submit again; an on-demand machine is not taken back"),
    "quota": (
        "the budget ended it",
        "use fewer datasets, a cheaper instance_type or a shorter __duration__, or ask the administrator "
        "for a larger budget",
    ),
    "timeout": (
        "it reached its time limit",
        "raise __duration__ in the configuration (minutes), or give each dataset less to do",
    ),
    "cancelled": ("it was cancelled", "submit again if it was not meant"),
    "platform": ("the service failed", f"submit again; if it fails again, {_ADMIN}"),
}
_UNKNOWN = (
    "the reason is not known to this client",
    f"read its certificate (`{{certificate}}`), or {_ADMIN}",
)

_BY_REASON = (
    (
        "memory",
        re.compile(r"out of memory|MemoryError|cannot allocate memory|bad_alloc|oom-kill", re.IGNORECASE),
    ),
    ("disk", re.compile(r"disk is full|No space left on device|Disk quota exceeded", re.IGNORECASE)),
)


def explain(found: Evidence) -> Explanation:
    """The explanation of what was found. Pure."""
    state = found.state
    if state.phase == "REJECTED":
        return _refused(found)
    if state.phase == "DONE":
        return _ended(found)
    if found.stop:
        return Explanation(
            f"Job {state.timestamp} is being ended: {found.stop}.",
            ("stop.json",),
            "wait: it takes seconds to minutes",
        )
    if state.waits:
        return Explanation(
            f"Job {state.timestamp} waits: {state.waits.rstrip('.')}.",
            ("waiting.json",),
            f"wait: it goes on by itself; or `{typed('cancel', state.timestamp)}` ends it",
        )
    if state.phase == "RUNNING":
        return _running(found)
    if found.certificate:
        return _being_launched(found)
    return _unanswered(found)


def _unanswered(found: Evidence) -> Explanation:
    job = found.state.timestamp
    if found.submitted is None:
        near = f" Jobs with a name like it: {', '.join(found.others)}." if found.others else ""
        return Explanation(
            f"There is no job {job}: no submission and no result has this name.{near}",
            ("nothing in submissions/ and results/",),
            f"check the name (`{typed('jobs')}`)",
        )
    if found.dead:
        return Explanation(
            f"Job {job} will not start: its submission has failed in the manager again and again and was "
            "set aside.",
            ("it is in the dead-letter queue",),
            f"{_ADMIN} to read the manager's log (`invoke logs --lambda manager --stack STACK`) and to "
            "redrive the queue",
        )
    since = f"the submission came {duration(found.submitted)} ago, there is no certificate"
    if found.submitted <= PATIENCE:
        return Explanation(
            f"Job {job} waits for the manager, which answers within seconds.",
            (since,),
            "wait a moment, then ask again",
        )
    looked = {
        None: "the dead-letter queue may not be read with these credentials",
        False: "the dead-letter queue does not have it",
    }
    return Explanation(
        f"Job {job} has had no answer from the manager, which should have come within seconds.",
        (since, looked.get(found.dead, "")),
        f"is the stack deployed for this group, and does the file's name end in submit.json? Else {_ADMIN}",
    )


_WAITING = re.compile(r"Waiting for (\d+) of (\d+) environments[:;] ((?:place|attempt) [^.\n]*)")
_STARTED = re.compile(r"(\d+) of (\d+) environments started; AWS starts machines one after another")
"""The manager's lines of a launch that is not over."""


def _being_launched(found: Evidence) -> Explanation:
    waiting = _WAITING.findall(found.certificate)
    job, problem = found.state.timestamp, _last_error(found.certificate)
    earlier = waited_for(found.certificate)
    if earlier and not found.state.datasets:
        return Explanation(
            f"Job {job} waits for job {earlier} to end, and takes its results then.",
            ("certificate.txt",),
            f"look at that one: `{typed('status', earlier)}`; or cancel",
        )
    if waiting:
        missing, total, place = waiting[-1]
        why = (
            "as many machines run as are allowed" if "no room for" in problem else "AWS has none to give now"
        )
        return Explanation(
            f"Job {job} waits for {missing} of its {total} machines, because {why} ({place}).",
            (f"certificate.txt: {problem}",) if problem else ("certificate.txt",),
            "wait: it is tried again by itself; or cancel and submit with another instance_type",
        )
    started = _STARTED.search(found.certificate)
    if started:
        return Explanation(
            f"Job {job} has {started[1]} of its {started[2]} machines so far: AWS starts machines one after "
            "another, and the rest follows.",
            ("certificate.txt",),
            "wait: the launch goes on by itself, for up to eight hours; or submit fewer datasets at a time",
        )
    return Explanation(
        f"Job {job} is being checked by the manager.",
        ("certificate.txt has begun",),
        "wait a moment, then ask again",
    )


def _running(found: Evidence) -> Explanation:
    state, job = found.state, found.state.timestamp
    waiting = [one for one in state.datasets if one.state == INITIALIZING]
    going = [one for one in state.datasets if not one.final and one not in waiting]
    going_on = any(one.search(found.certificate) for one in (_WAITING, _STARTED))
    if going_on and "All jobs submitted" not in found.certificate:
        return _being_launched(found)
    if all(one.final for one in state.datasets):
        return Explanation(
            f"Job {job} is done but for its end: all {len(state.datasets)} datasets are final, and the "
            "monitor closes the job when the"
            " last machine is gone.",
            tuple(f"{one.name}: {one.state}" for one in state.datasets[:5]),
            "wait about a minute",
        )
    counts = f"{len(going)} of {len(state.datasets)} datasets run" + (
        f", {len(waiting)} wait for their machine" if waiting else ""
    )
    if going:
        longest = max(going, key=lambda one: one.seconds or 0.0)
        said = f", and printed last: {longest.last_line}" if longest.last_line else ""
        warned = tuple(f"{one.name}: {one.reason}" for one in going if one.reason)
        kept = f", its last checkpoint is of {longest.checkpoint}" if longest.checkpoint else ""
        since = f"{longest.name} has run for {duration(longest.seconds) or 'some seconds'}{said}{kept}"
        return Explanation(f"Job {job} is running: {counts}.", (since, *warned, *_room(found)), "")
    age = found.age or 0.0
    if found.pending:
        return Explanation(
            f"Job {job} waits for room: {found.pending} of its machines have been accepted and cannot start "
            "while others run.",
            (f"launched {duration(age)} ago", *_room(found)),
            "wait: they start by themselves when others end (on this computer LOCALCLOUD_MAX_INSTANCES says "
            "how many run at once)",
        )
    late = age > BOOT
    return Explanation(
        f"Job {job} waits for its machines to start"
        + (", which takes longer than usual." if late else ", which takes a minute or two."),
        (f"launched {duration(age)} ago, no machine has written a status yet",),
        f"{_ADMIN} to look at the machines' consoles" if late else "wait a moment, then ask again",
    )


def _room(found: Evidence) -> tuple[str, ...]:
    return (
        (f"EC2 has {found.pending} of its machines pending; {found.running} machines run",)
        if found.pending
        else ()
    )


def _refused(found: Evidence, how: str = "was refused") -> Explanation:
    problems = [one for one in found.facts.get("problems", []) if isinstance(one, dict)]
    job, exit_class = found.state.timestamp, str(found.facts.get("exit_class", "user"))
    said = [f"{one.get('field')}: got {one.get('got')}; allowed: {one.get('allowed')}" for one in problems]
    if not problems:
        said = [line for line in (_last_error(found.certificate), found.state.why) if line]
    first = said[0].rstrip(".") if said else "its certificate gives no reason"
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    todo = "; ".join(dict.fromkeys(str(one.get("do", "")).rstrip(".") for one in problems if one.get("do")))
    return Explanation(
        f"Job {job} {how}: {first}{more}.",
        tuple(said[1:]) or ("certificate.txt",),
        todo or _fix(exit_class, found),
    )


def _ended(found: Evidence) -> Explanation:
    state, job = found.state, found.state.timestamp
    failed = [one for one in state.datasets if one.state != SUCCESS]
    total = len(state.datasets)
    if not failed:
        return Explanation(
            f"Job {job} has succeeded: all {total} datasets are done.", (f"end.txt: {state.end}",), ""
        )
    if not any(one.final for one in failed):
        return _refused(found, "has ended without a machine")
    first = failed[0]
    kind = _kind(first, str(found.facts.get("exit_class", "analysis")))
    last = one_line(first.last_error or first.last_line)
    return Explanation(
        f"Job {job} has failed for {len(failed)} of {total} datasets: {first.name}: "
        f"{_KINDS.get(kind, _UNKNOWN)[0]} ({_why(first)}).",
        (
            f"exit class {found.facts.get('exit_class', 'not written')}",
            *((f"{first.name} printed last: {last}",) if last else ()),
            *(f"{one.name}: {_why(one)}" for one in failed[1:6]),
        ),
        one_line(first.advice) or _fix(kind, found),
    )


def _kind(dataset: DatasetState, exit_class: str) -> str:
    """The kind of a failure: its exit class, or more exactly what its machine has seen, or its reason and its
    last error say.
    """
    if exit_class in ("analysis", "data"):
        if dataset.out_of_memory:
            return "memory"
        said = f"{dataset.reason}\n{dataset.last_error}"
        return next((kind for kind, pattern in _BY_REASON if pattern.search(said)), exit_class)
    return exit_class


def _why(dataset: DatasetState) -> str:
    """Why a dataset failed, in one line. The reason of one that was stopped begins with its exit class, which
    is said already.
    """
    if dataset.error:
        said = f": {one_line(dataset.reason.rstrip('.'))}" if dataset.reason else ""
        return f"{one_line(dataset.error)}{said}"
    if dataset.reason:
        return one_line(dataset.reason.removeprefix(f"{outcome_of(dataset.reason)}: ").rstrip("."))
    return "no reason was written" if dataset.exit_code is None else f"exit code {dataset.exit_code}"


def _fix(kind: str, found: Evidence) -> str:
    types = f" (there are {', '.join(found.types)})" if found.types else ""
    job = found.state.timestamp
    return _KINDS.get(kind, _UNKNOWN)[1].format(
        logs=typed("logs", job), certificate=typed("status", job, "--certificate"), types=types
    )


def _last_error(certificate: str) -> str:
    """The last error line of the set-up log, without its place and time."""
    lines = [line.partition("\t")[0] for line in certificate.splitlines() if "ERROR: " in line]
    return str(lines[-1].partition("ERROR: ")[2].strip()) if lines else ""
