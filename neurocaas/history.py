"""What happened to a job, in order: as the service has written it down, and while it runs as it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from neurocaas.layout import cell
from neurocaas.protocol.documents import moment
from neurocaas.protocol.events import (
    DATASET,
    ENDED,
    EVENT_MAX_BYTES,
    MACHINE,
    STARTED,
    SUBMITTED,
    JobEvent,
    in_order,
    read_history,
    read_told,
)

_TOLD = 500
"""Events of a job under way that are read one by one, the first by their keys."""

_HISTORY_MAX = 64 << 20


def job_events(handle: Any) -> list[JobEvent]:
    """The events of a job, oldest first: of one that has ended with one read, of one that is open with one
    for each event so far. `handle`: a `JobHandle` whose `status` was asked."""
    keys, listed = handle.keys, handle.listed()
    if keys.events in listed:
        return read_history(handle.objects.get(keys.events, _HISTORY_MAX) or b"")
    told = islice((key for key in sorted(listed) if key.startswith(keys.events_prefix)), _TOLD)
    found = ((key, handle.objects.get(key, EVENT_MAX_BYTES)) for key in told)
    return in_order(read_told(key, body) for key, body in found if body is not None)


def which(one: JobEvent) -> tuple[object, ...]:
    """Which event it is: a job's history may tell it in other words than it was told at once."""
    if one.event in (SUBMITTED, STARTED, MACHINE, DATASET, ENDED):
        return one.event, one.facts.get("dataset"), one.facts.get("attempt")
    return one.event, one.time, one.text


def event_lines(events: Iterable[JobEvent]) -> Iterator[str]:
    """As people read them: the time of this computer's clock, and what happened."""
    for one in events:
        yield f"{moment(one.time).astimezone():%Y-%m-%d %H:%M:%S}  {cell(one.text)}"
