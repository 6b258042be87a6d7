"""What a list of jobs says of each, for a bounded number of requests.

Jobs stand in the index that the service keeps (`neurocaas.job_index`): a few reads for all of them. What is
not in it is looked up: a submission that nobody has answered yet, and, until the index is complete, jobs of
before the service kept one. Of such a job that has ended, two objects are read (`end.txt`,
`certificate.json`); of one that is open, its record and a listing of the verdicts on its datasets, of which
at most `VERDICTS` are read. Of a submission without an answer, nothing is. Jobs are read sixteen at once.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from neurocaas import own_jobs
from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.errors import AnalysisError
from neurocaas.job_index import index_of
from neurocaas.layout import edge, table
from neurocaas.listing import ListedJob, unanswered
from neurocaas.membership import name_of
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import SUBMISSION_SUFFIX, SUBMISSIONS, JobKeys, ResultKeys, rejected_keys
from neurocaas.protocol.status import FAILED, DatasetStatus
from neurocaas.protocol.units import brief_time, duration, minute, money
from neurocaas.protocol.waiting import WAITING
from neurocaas.states import JobEnding

VERDICTS = 32
"""So many verdicts on datasets of an open job are read; where there are more, nobody says here how many have
failed."""

LOOKED_AT = 200
"""So many of the latest jobs are looked at for those that are open."""

_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)
SUBMITTED, RUNNING, REJECTED = "SUBMITTED", "RUNNING", "REJECTED"
STATES = (SUBMITTED, WAITING, RUNNING, "SUCCESS", FAILED, REJECTED)


@dataclass(frozen=True)
class JobRow:
    """One job. `state` is one of STATES; `done` of its `datasets` have ended, and `failed` of those without
    success. `seconds` from the submission to the end, or to now. Of what is not known, None. `usd` is known
    when the job has ended, `reserved_usd` while it is open. `submitter`: who submitted it, by the name in
    groups.yaml; "" where nobody can say. `mine`: it was submitted from this computer, or by the person who
    asks."""

    analysis: str
    group: str
    job: str
    state: str
    submitted: datetime | None = None
    datasets: int | None = None
    done: int | None = None
    failed: int | None = None
    seconds: float | None = None
    usd: float | None = None
    why: str = ""
    mine: bool = False
    submitter: str = ""
    reserved_usd: float | None = None

    @property
    def open(self) -> bool:
        return self.state in (SUBMITTED, WAITING, RUNNING)


@dataclass(frozen=True)
class AnalysisPlace:
    """The jobs of a group in one analysis, by its name. `own`: those that were submitted from this computer;
    `me`: who asks, where that is to be known."""

    analysis: str
    group: str
    objects: Bucket
    own: frozenset[str] = frozenset()
    me: str = ""

    def mine(self, job: str, submitter: str = "") -> bool:
        """Whether a job is the person's who asks. Who has submitted decides, where it is known: several
        people may work on this computer."""
        return submitter == self.me if submitter and self.me else job in self.own


def rows(
    listed: Iterable[tuple[AnalysisPlace, ListedJob | IndexEntry]],
    wanted: Callable[[JobRow], bool],
    limit: int,
) -> list[JobRow]:
    """Of the jobs, the latest first as they come, the first `limit` (0: all) that are `wanted`. Not many more
    are read than that takes."""
    some, found = iter(listed), list[JobRow]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while batch := list(itertools.islice(some, AT_ONCE)):
            found += [one for one in pool.map(lambda pair: row(*pair), batch) if wanted(one)]
            if limit and len(found) >= limit:
                return found[:limit]
    return found


def row(place: AnalysisPlace, one: ListedJob | IndexEntry) -> JobRow:
    """What there is to say of one job."""
    if isinstance(one, IndexEntry):
        return _of_index(place, one)
    facts: dict[str, Any] = {
        "analysis": place.analysis,
        "group": place.group,
        "job": one.job,
        "submitted": one.submitted,
        "mine": one.job in place.own,
    }
    if not one.answer:
        return JobRow(state=SUBMITTED, seconds=_since(one.submitted, None), **facts)
    refused = one.answer == "refused"
    keys = rejected_keys(place.group, one.job) if refused else JobKeys.of(place.group, one.job)
    end = place.objects.text(keys.records.end).strip()
    if not end and not refused:
        return _open(place, one, facts)
    ending, certificate = JobEnding.of(end), _certificate(place.objects, keys)
    facts |= _by(place, one, str(certificate.get("submitter") or ""))
    known = ending.total or None
    return JobRow(
        state=REJECTED if refused or not ending.total else ending.state or FAILED,
        datasets=known,
        done=known,
        failed=ending.total - ending.succeeded if known else None,
        seconds=_since(one.submitted, str(certificate.get("finished", ""))),
        usd=_number(certificate.get("cost_usd")) if known else None,
        why=ending.why or _reason(certificate),
        **facts,
    )


def _of_index(place: AnalysisPlace, one: IndexEntry) -> JobRow:
    planned = one.datasets > 0
    return JobRow(
        analysis=place.analysis,
        group=place.group,
        job=one.name,
        state=WAITING if one.state == SUBMITTED and one.why else one.state,
        submitted=moment(one.created),
        datasets=one.datasets if planned else None,
        done=one.done if planned else None,
        failed=one.failed if planned else None,
        seconds=_since(moment(one.created), one.ended or None),
        usd=one.cost / 1e6 if planned and not one.open else None,
        why=one.why,
        mine=place.mine(one.name, one.submitter),
        submitter=one.submitter,
        reserved_usd=one.reserved / 1e6 if one.open and one.reserved else None,
    )


def _open(place: AnalysisPlace, one: ListedJob, facts: dict[str, Any]) -> JobRow:
    keys = JobKeys.of(place.group, one.job)
    raw = place.objects.get(keys.job)
    if raw is None:
        return JobRow(state=SUBMITTED, seconds=_since(one.submitted, None), **facts)
    total = None
    with contextlib.suppress(DocumentError):
        job = Job.from_json(raw)
        total = len(job.datasets)
        facts |= _by(place, one, job.submitter)
    verdicts = [str(entry["Key"]) for entry in place.objects.list(f"{keys.records.prefix}datasets/")]
    failed = None
    if len(verdicts) <= VERDICTS:
        failed = sum(state == FAILED for state in _verdicts(place.objects, verdicts))
    return JobRow(
        state=RUNNING,
        datasets=total,
        done=len(verdicts),
        failed=failed,
        seconds=_since(one.submitted, None),
        **facts,
    )


def _by(place: AnalysisPlace, one: ListedJob, submitter: str) -> dict[str, Any]:
    return {"submitter": submitter, "mine": place.mine(one.job, submitter)}


def _verdicts(objects: Bucket, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        with contextlib.suppress(DocumentError):
            yield DatasetStatus.from_json(objects.get(key) or b"").status


def _certificate(objects: Bucket, keys: ResultKeys) -> dict[str, Any]:
    with contextlib.suppress(DocumentError):
        return dict(loads(objects.get(keys.records.certificate_json) or b"{}", "certificate.json"))
    return {}


def _reason(certificate: dict[str, Any]) -> str:
    """Why a job has failed, in few words: of its first dataset without success."""
    with contextlib.suppress(LookupError, TypeError, AttributeError):
        reasons = [one["reason"] for one in certificate["datasets"] if one["status"] == FAILED]
        return str(reasons[0] or "") if reasons else ""
    return ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _since(begun: datetime | None, finished: str | None) -> float | None:
    """Seconds until the time that is written; None: until now."""
    if begun is None:
        return None
    try:
        end = datetime.now(timezone.utc) if finished is None else moment(finished)
    except DocumentError:
        return None
    return max(0.0, (end - begun).total_seconds())


_SINCE = re.compile(r"([0-9]{1,6})\s*(m|min|h|d|w)")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since_when(text: str, now: datetime | None = None) -> datetime | None:
    """The moment that `--since` means: so long ago, or a date (or time) of this computer's clock."""
    if not text:
        return None
    now = now or datetime.now(timezone.utc)
    if found := _SINCE.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        given = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise AnalysisError(
            f"--since {text}",
            "30m, 12h, 2d, 3w, or a date like 2026-11-01",
            "write it like one of these",
        ) from None
    return given.astimezone(timezone.utc)


def chosen_states(text: str) -> frozenset[str]:
    """The states that `--state` means, of several with commas between them; none: all."""
    known = {one.lower(): frozenset({one}) for one in STATES}
    known |= {"open": frozenset({SUBMITTED, WAITING, RUNNING}), "succeeded": frozenset({"SUCCESS"})}
    chosen = frozenset[str]()
    for word in text.lower().replace(",", " ").split():
        if word not in known:
            near = difflib.get_close_matches(word, known, 1, 0.6)
            raise AnalysisError(
                f"--state {word}",
                ", ".join(name for name in known if name != "succeeded"),
                f"did you mean {near[0]}?" if near else "choose one of these",
            )
        chosen |= known[word]
    return chosen


@dataclass(frozen=True)
class Overview:
    """`rows`, the latest last, of some `every` jobs and submissions; `more`: there may be others like them.
    `own` of those that were looked at are the person's who asks. `me`: the name of who asks, where it was
    asked for and is known."""

    rows: tuple[JobRow, ...]
    every: int
    more: bool
    own: int
    me: str = ""


@dataclass
class _Listed:
    """What there is of one analysis: of the index, as much as was asked for."""

    place: AnalysisPlace
    jobs: list[ListedJob | IndexEntry]
    every: int


def overview(
    analyses: Sequence[Any],
    *,
    limit: int = 20,
    since: datetime | None = None,
    states: frozenset[str] = frozenset(),
    mine: bool = False,
) -> Overview:
    """The latest `limit` (0: all) of the jobs of `analyses` (each a `neurocaas.Analysis`) that came `since`
    then, are in one of `states` (none: any), and are `mine`: those that the person who asks has submitted, or
    anybody from this computer. Those whose time is not known any more are left out where it matters."""
    me = name_of(analyses[0].session, analyses[0].group) if mine and analyses else ""

    def fits(place: AnalysisPlace, one: ListedJob | IndexEntry) -> bool:
        came = _came(one)
        if since is not None and (came is None or came < since):
            return False
        if isinstance(one, IndexEntry):
            return (not mine or place.mine(one.name, one.submitter)) and (not states or one.state in states)
        perhaps = not mine or one.job in place.own or bool(me and one.answer)
        return perhaps and (not states or bool(_possible(one.answer) & states))

    def listed(one: Any) -> _Listed:
        place = AnalysisPlace(one.name, one.group, one.objects, own_jobs.own(one.bucket, one.group), me)
        return _listed(one, place, lambda job: fits(place, job), limit, since)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(listed, analyses))
    pairs = [(one.place, job) for one in found for job in one.jobs]
    own = sum(_mine(place, job) for place, job in pairs)
    fitting = [(place, job) for place, job in pairs if fits(place, job)]
    fitting.sort(key=lambda pair: (_came(pair[1]) or _BEGINNING, _name(pair[1])), reverse=True)
    shown = rows(fitting, lambda one: (not states or one.state in states) and (not mine or one.mine), limit)
    every = sum(one.every for one in found)
    more = bool(limit) and len(shown) == limit and len(fitting) > limit
    return Overview(tuple(reversed(shown)), every, more, own, me)


def _listed(
    analysis: Any,
    place: AnalysisPlace,
    fits: Callable[[IndexEntry], bool],
    limit: int,
    since: datetime | None,
) -> _Listed:
    """The jobs of one analysis, until there are more than `limit` that fit (0: all of them)."""
    index = index_of(place.objects, place.group)
    known = dict[str, IndexEntry]()
    last, fitting = 0, 0
    for number, some in enumerate(index.latest(since if index.complete else None)):
        last = last or len(some)
        for entry in some:
            before = known.get(entry.folder)
            if before is None or before.created < entry.created:  # of a name that was used again, the latest
                known[entry.folder] = entry
        fitting += sum(map(fits, some))
        if index.complete and limit and fitting > limit and number > 0:
            break
    entries = list(known.values())
    if index.complete:
        waiting = unanswered(place.objects, place.group, entries)
        return _Listed(place, [*entries, *waiting], index.about(last) + len(waiting))
    answered = {"job": "job_", "refused": "rejected_"}
    others = [
        one
        for one in analysis.listing()
        if not one.answer or _folder(place.group, answered[one.answer], one.job) not in known
    ]
    there = {one.submission for one in entries}
    others = [
        one
        for one in others
        if one.answer or f"{place.group}/{SUBMISSIONS}/{one.job}_{SUBMISSION_SUFFIX}" not in there
    ]
    return _Listed(place, [*entries, *others], len(entries) + len(others))


def _folder(group: str, kind: str, name: str) -> str:
    return rejected_keys(group, name).folder if kind == "rejected_" else f"{kind}{name}"


def _came(one: ListedJob | IndexEntry) -> datetime | None:
    return moment(one.created) if isinstance(one, IndexEntry) else one.submitted


def _name(one: ListedJob | IndexEntry) -> str:
    return one.name if isinstance(one, IndexEntry) else one.job


def _mine(place: AnalysisPlace, one: ListedJob | IndexEntry) -> bool:
    return place.mine(_name(one), one.submitter if isinstance(one, IndexEntry) else "")


def _possible(answer: str) -> frozenset[str]:
    """The states that a job may be in, by what a listing says of it."""
    if not answer:
        return frozenset({SUBMITTED})
    return frozenset({REJECTED}) if answer == "refused" else frozenset(STATES)


def job_table(found: Sequence[JobRow], *, analyses: bool = False) -> list[str]:
    """The jobs as people read them; `analyses`: of several. On a narrow terminal with fewer columns."""
    headers = ("analysis", "job", "who", "state", "done", "failed", "submitted", "took", "cost", "why")
    narrow = edge() is not None
    written = [
        (
            one.analysis,
            one.job,
            one.submitter or ("you" if one.mine else ""),
            one.state,
            "" if one.datasets is None else f"{one.done}/{one.datasets}",
            str(one.failed) if one.failed else "",
            (brief_time if narrow else minute)(one.submitted),
            duration(one.seconds),
            "" if one.usd is None else money(one.usd),
            one.why,
        )
        for one in found
    ]
    one_of = () if analyses else ("analysis",)
    less = (*one_of, "who", "why", "submitted", "took", "cost", "failed", "analysis", "done")
    return table(headers, written, right=("done", "failed", "took", "cost"), less=less)


def open_jobs(analyses: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The jobs of each analysis that have not ended, each with its analysis and its handle. Where the service
    keeps no index, those of the latest `LOOKED_AT`, with one read for each that is looked at."""
    found = []
    for one in analyses:
        index = index_of(one.objects, one.group)
        if index.complete:
            entries = index.entries()
            names = [entry.name for entry in entries if entry.open]
            names += [waiting.job for waiting in unanswered(one.objects, one.group, entries)]
        else:
            latest = [job for job in one.listing()[-LOOKED_AT:] if job.answer != "refused"]
            ends = one.ends(latest)
            names = [job.job for job in latest if not ends[job]]
        found += [(one, one.job(name)) for name in names]
    return found
