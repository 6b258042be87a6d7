"""Why a job waits, runs or has failed: one sentence, what it rests on, and what to do.

`explain` is a pure function of what can be read (`Evidence`), which `gather` reads.
"""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from client.errors import code_of
from client.job import DatasetState, JobHandle, JobState
from client.view import clock
from runtime.protocol.documents import DocumentError, loads
from runtime.protocol.status import INITIALIZING, SUCCESS

PATIENCE = 60.0
"""Seconds after which a submission without an answer is a fault and not a delay."""

BOOT = 600.0
"""Seconds after which a machine that has not begun is worth a look."""

_ADMIN = "ask the administrator of the analysis"


@dataclass(frozen=True)
class Evidence:
    """`submitted`: seconds since the submission file came, None when there is none. `dead`: the submission is in the dead-letter
    queue (None: these credentials may not look). `age`: seconds since the job began. `others`: names like the job's."""

    state: JobState
    certificate: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    submitted: float | None = None
    dead: bool | None = None
    age: float | None = None
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Explanation:
    """`sentence` says why, `evidence` names what it rests on, `fix` what to do ("" when nothing is to be done)."""

    sentence: str
    evidence: tuple[str, ...]
    fix: str


# Exit class -> what to do. What is special about a class is in the reason that stands before it.
_FIXES = {
    "analysis": "read what it printed (`invoke logs {job}`), correct the data or the configuration, and submit again",
    "user": "correct the submission as said, and submit it under another timestamp",
    "data": "correct the data as said, and submit again",
    "image": "the administrator bakes the analysis's image (`invoke bake-ami`), then submit again",
    "capacity": "submit again later, with fewer datasets or another instance_type",
    "reclaim": "submit again; an on-demand machine is not taken back",
    "quota": "use fewer datasets, a cheaper instance_type or a shorter __duration__, or ask the administrator for a larger budget",
    "timeout": "raise __duration__ in the configuration (minutes), or give each dataset less to do",
    "cancelled": "submit again if it was not meant",
    "platform": f"submit again; if it fails again, {_ADMIN}",
}


def explain(found: Evidence) -> Explanation:
    """The explanation of what was found. Pure."""
    state = found.state
    if state.phase == "REJECTED":
        return _refused(found)
    if state.phase == "DONE":
        return _ended(found)
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
            "check the name (`invoke jobs`)",
        )
    if found.dead:
        return Explanation(
            f"Job {job} will not start: its submission has failed in the manager again and again and was set aside.",
            ("it is in the dead-letter queue",),
            f"{_ADMIN} to read the manager's log (`invoke local.logs` here) and to redrive the queue",
        )
    since = f"the submission came {clock(found.submitted)} ago, there is no certificate"
    if found.submitted <= PATIENCE:
        return Explanation(f"Job {job} waits for the manager, which answers within seconds.", (since,), "wait a moment, then ask again")
    looked = {None: "the dead-letter queue may not be read with these credentials", False: "the dead-letter queue does not have it"}
    return Explanation(
        f"Job {job} has had no answer from the manager, which should have come within seconds.",
        (since, looked.get(found.dead, "")),
        f"is the stack deployed for this group, and does the file's name end in submit.json? Else {_ADMIN}",
    )


def _being_launched(found: Evidence) -> Explanation:
    waiting = re.findall(r"Waiting for (\d+) of (\d+) environments; attempt (\d+) of (\d+)", found.certificate)
    job, problem = found.state.timestamp, _last_error(found.certificate)
    if waiting:
        missing, total, attempt, of = waiting[-1]
        return Explanation(
            f"Job {job} waits for {missing} of its {total} machines, because AWS has none to give now (attempt {attempt} of {of}).",
            (f"certificate.txt: {problem}",) if problem else ("certificate.txt",),
            "wait: it is tried again by itself; or cancel and submit with another instance_type",
        )
    return Explanation(f"Job {job} is being checked by the manager.", ("certificate.txt has begun",), "wait a moment, then ask again")


def _running(found: Evidence) -> Explanation:
    state, job = found.state, found.state.timestamp
    waiting = [one for one in state.datasets if one.state == INITIALIZING]
    going = [one for one in state.datasets if not one.final and one not in waiting]
    capacity = re.search(r"Waiting for \d+ of \d+ environments", found.certificate) and "All jobs submitted" not in found.certificate
    if capacity:
        return _being_launched(found)
    if all(one.final for one in state.datasets):
        return Explanation(
            f"Job {job} is done but for its end: all {len(state.datasets)} datasets are final, and the monitor closes the job when the"
            " last machine is gone.",
            tuple(f"{one.name}: {one.state}" for one in state.datasets[:5]),
            "wait about a minute",
        )
    counts = f"{len(going)} of {len(state.datasets)} datasets run, {len(waiting)} wait for their machine"
    if going:
        longest = max(going, key=lambda one: one.seconds or 0.0)
        said = f", and printed last: {longest.last_line}" if longest.last_line else ""
        return Explanation(
            f"Job {job} is running: {counts}.", (f"{longest.name} has run for {clock(longest.seconds) or 'some seconds'}{said}",), ""
        )
    age = found.age or 0.0
    late = age > BOOT
    return Explanation(
        f"Job {job} waits for its machines to start" + (", which takes longer than usual." if late else ", which takes a minute or two."),
        (f"launched {clock(age)} ago, no machine has written a status yet",),
        f"{_ADMIN} to look at the machines' consoles" if late else "wait a moment, then ask again",
    )


def _refused(found: Evidence, how: str = "was refused") -> Explanation:
    problems = [one for one in found.facts.get("problems", []) if isinstance(one, dict)]
    job, exit_class = found.state.timestamp, str(found.facts.get("exit_class", "user"))
    said = [f"{one.get('field')}: got {one.get('got')}; allowed: {one.get('allowed')}" for one in problems]
    if not problems:
        said = [line for line in (_last_error(found.certificate), found.state.end) if line]
    first = said[0].rstrip(".") if said else "its certificate gives no reason"
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    todo = "; ".join(dict.fromkeys(str(one.get("do", "")).rstrip(".") for one in problems if one.get("do")))
    return Explanation(f"Job {job} {how}: {first}{more}.", tuple(said[1:]) or ("certificate",), todo or _fix(exit_class, job))


def _ended(found: Evidence) -> Explanation:
    state, job = found.state, found.state.timestamp
    failed = [one for one in state.datasets if one.state != SUCCESS]
    total = len(state.datasets)
    if not failed:
        return Explanation(f"Job {job} has succeeded: all {total} datasets are done.", (f"end.txt: {state.end}",), "")
    first = failed[0]
    exit_class = str(found.facts.get("exit_class", "analysis"))
    if not any(one.final for one in failed):
        return _refused(found, "has ended without a machine")
    return Explanation(
        f"Job {job} has failed for {len(failed)} of {total} datasets ({exit_class}): {first.name}: {_why(first)}.",
        (*(f"{one.name}: {_why(one)}" for one in failed[1:6]), *((f"it printed last: {first.last_line}",) if first.last_line else ())),
        _fix(exit_class, job),
    )


def _why(dataset: DatasetState) -> str:
    if dataset.reason:
        return dataset.reason.rstrip(".")
    return "its script failed" if dataset.exit_code is None else f"its script ended with exit code {dataset.exit_code}"


def _fix(exit_class: str, job: str) -> str:
    return _FIXES.get(exit_class, _FIXES["platform"]).format(job=job)


def _last_error(certificate: str) -> str:
    """The last error line of the set-up log, without its place and time."""
    lines = [line.partition("\t")[0] for line in certificate.splitlines() if "ERROR: " in line]
    return lines[-1].partition("ERROR: ")[2].strip() if lines else ""


def gather(job: JobHandle, others: Sequence[str], dead_letters: str, session: Any) -> Evidence:
    """Read what there is. `dead_letters`: URL of the dead-letter queue, "" when it is not known."""
    import difflib

    now = datetime.now(UTC)
    state = job.status()
    stem = job.submission_key or f"{job.group}/submissions/{job.timestamp}_submit.json"
    came = next((entry["LastModified"] for entry in job.objects.list(stem)), None)
    certificate = job.answer()
    facts: Mapping[str, Any] = {}
    with contextlib.suppress(DocumentError):
        facts = loads(job.objects.get(job.answer_keys().certificate_json) or b"{}", "certificate.json")
    unanswered = state.phase == "SUBMITTED" and not certificate
    return Evidence(
        state=state,
        certificate=certificate,
        facts=facts,
        submitted=None if came is None else max(0.0, (now - came).total_seconds()),
        dead=_is_dead(stem, dead_letters, session) if unanswered and came is not None else None,
        age=job.age(now),
        others=difflib.get_close_matches(job.timestamp, others, 3, 0.6) if unanswered and came is None else (),
    )


def _is_dead(key: str, queue: str, session: Any) -> bool | None:
    """Whether the submission is among the messages of the dead-letter queue; None when that cannot be read. The messages stay."""
    import botocore.exceptions

    if not queue:
        return None
    try:
        answer = session.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    except botocore.exceptions.ClientError as error:
        if "Denied" in code_of(error) or "NonExistent" in code_of(error):
            return None
        raise
    return any(json.dumps(key)[1:-1] in message["Body"] or key in message["Body"] for message in answer.get("Messages", []))
