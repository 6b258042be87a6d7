"""What happened to a job, in order: `jobs/{group}/job_{timestamp}/events.jsonl`, kept for ever.

S3 cannot append, and manager and monitor are told everything at least once. So each event is a small object
of its own below `events/`, whose key follows from what it says: it is written only when it is not there, and
telling it again changes nothing, not even its time. When the job ends, the service puts all of them into
`events.jsonl`, with what it knows from the reports of the machines (`runtime.monitor.history`), one JSON
object a line, oldest first:

```
{"time": "2026-01-31T12:00:00.000Z", "event": "waiting", "text": "…", "place": 3}
```

`tell` is for every part of manager and monitor::

    from neurocaas.protocol.events import tell
    tell(cloud, job.id, "waiting", "waits for room: place 3", now=clock(), once="1", place=3)

`cloud` is either port; the monitor's must be acting for the job's group (`JobWatch.for_group(job)`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, Protocol

from neurocaas.protocol.documents import DocumentError, iso, loads, moment
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.printable import one_line

SUBMITTED, STARTED, MACHINE, ANOTHER, DATASET, STOPPED, ENDED = (
    "submitted",
    "started",
    "machine-started",
    "another-machine",
    "dataset-ended",
    "stopped",
    "job-ended",
)
"""Events that each part may expect. Others are named where they are told."""

TEXT_MAX = 500
"""Characters of a text."""

FACTS_MAX = 20
"""Facts of an event; what is over it is left out."""

EVENTS_MAX = 20_000
"""Events that a job's history has at most: its first ones, and a last line that says how many more there
were. Two for each of 10,000 datasets, about 6 MB.
"""

EVENT_MAX_BYTES = 64 * 1024
"""More than an event has."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_FACT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OWN = ("time", "event", "text")
_WHAT = "an event"
_ORDER = {SUBMITTED: 0, STARTED: 1, ANOTHER: 2, MACHINE: 3, DATASET: 5, ENDED: 9}
"""Of events of the same millisecond; all others stand in the middle."""
_TOLD_BY_EC2 = frozenset({MACHINE, DATASET, ENDED})

Fact = str | int | float | bool | None


class Puts(Protocol):
    """What both clouds have."""

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False) -> bool:
        """Write text. With `if_absent`, False (and nothing written) when the key exists."""


@dataclass(frozen=True)
class JobEvent:
    """`time` ISO 8601 (`documents.iso`), `event` its name, `text` one line for people."""

    time: str
    event: str
    text: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def line(self) -> str:
        """Its line, without the end."""
        return json.dumps(
            {"time": self.time, "event": self.event, "text": self.text, **self.facts},
            ensure_ascii=False,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> JobEvent:
        """Raises DocumentError. What is no fact is left out."""
        data = loads(text, _WHAT)
        time, name, said = (data.get(key) for key in _OWN)
        if not (isinstance(time, str) and isinstance(name, str) and isinstance(said, str)):
            raise DocumentError(f"{_WHAT} lacks its time, name or text")
        return cls(iso(moment(time)), name, said, _facts(data))

    @property
    def _place(self) -> tuple[str, int, str]:
        # EC2 tells whole seconds: what it tells came at some time of that second
        whole = self.event in _TOLD_BY_EC2 and self.time.endswith(".000Z")
        return (
            self.time.replace(".000Z", ".999Z") if whole else self.time,
            _ORDER.get(self.event, 4),
            self.line(),
        )


@dataclass(frozen=True)
class Told:
    """An event, and the key that is its identity: two with the same key are the same event."""

    key: str
    event: JobEvent


def event(job: JobId, name: str, text: str, now: datetime, once: str = "", **facts: Fact) -> Told:
    """An event that is not written (yet). See `tell`."""
    if not _NAME.fullmatch(name) or any(fact in _OWN or not _FACT.fullmatch(fact) for fact in facts):
        raise ValueError(f"got the event {name!r} with {sorted(facts)}; allowed: names like 'job-ended'")
    made = JobEvent(iso(now), name, one_line(text, TEXT_MAX), _facts(facts))
    identity = once or json.dumps([made.text, made.facts], sort_keys=True)
    digest = hashlib.sha256(f"{name}\0{identity}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Told(f"{job.keys.events_prefix}{name}.{digest}.json", made)


def tell(
    cloud: Puts, job: JobId, name: str, text: str, *, now: datetime, once: str = "", **facts: Fact
) -> bool:
    """Tell that something has happened to a job, at `now`. True when nobody has told it before.

    `name` is in small letters and hyphens; `text` one line for people, of at most TEXT_MAX characters;
    `facts` are texts, numbers, yes or no, for programs. `once` says which event of this name it is
    (`"3:2"`: attempt 2 of dataset 3); without it, one with other words or facts is another event. Costs one
    PutObject. Errors of S3 are raised: the message comes again, and the event is told then.
    """
    told = event(job, name, text, now, once, **facts)
    return cloud.put(job.bucket, told.key, told.event.line() + "\n", if_absent=True)


def read_told(key: str, body: str | bytes) -> Told | None:
    """An event of `events/`; None for what cannot be read."""
    try:
        return Told(key, JobEvent.from_json(body))
    except DocumentError:
        return None


def in_order(told: Iterable[Told | None]) -> list[JobEvent]:
    """Each event once, oldest first; the first of those with the same key counts. At most EVENTS_MAX, and
    one more that says how many are left out."""
    once: dict[str, JobEvent] = {}
    for one in told:
        if one is not None:
            once.setdefault(one.key, one.event)
    events = sorted(once.values(), key=lambda one: one._place)
    if len(events) > EVENTS_MAX:
        left = len(events) - EVENTS_MAX
        last = events[-1]
        more = JobEvent(last.time, "left-out", f"{left} more events are not shown", {"count": left})
        events = [*events[: EVENTS_MAX - 1], more, last]
    return events


def history(events: Iterable[JobEvent]) -> str:
    """The text of `events.jsonl`."""
    return "".join(f"{one.line()}\n" for one in events)


def read_history(text: str | bytes) -> list[JobEvent]:
    """The events of an `events.jsonl`, as they stand there; lines that cannot be read are passed over."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    found = []
    for line in raw.split(b"\n"):
        if line.strip():
            one = read_told("", line)
            if one is not None:
                found.append(one.event)
    return found


def _facts(data: Mapping[str, Any]) -> dict[str, Fact]:
    known = {
        name: one_line(value, TEXT_MAX) if isinstance(value, str) else value
        for name, value in data.items()
        if name not in _OWN
        and _FACT.fullmatch(name)
        and (value is None or isinstance(value, (str, int)) or (isinstance(value, float) and isfinite(value)))
    }
    return dict(list(known.items())[:FACTS_MAX])
