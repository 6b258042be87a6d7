"""Submissions and cancellations that no manager has heard of, because S3's event or the queue's message was
lost: told of once more.

What it costs does not grow with old jobs. A sweep lists at most `PAGES` pages of a bucket, going on where the
last one stopped, and looks up only files that have come since the last whole round. A file that is told of
twice does no harm: its timestamp is claimed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from neurocaas.protocol.keys import CANCEL_SUFFIX, SUBMISSION_SUFFIX, SUBMISSIONS, WATCH_SUFFIX, JobId
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, QUEUE_VISIBILITY
from runtime.monitor.port import Deployed, MonitorCloud, Search, Written

PAGES = 50
"""Listings of one sweep and bucket: 50,000 keys, or 50 groups."""

PAGE = 1000
"""Keys of one listing (Amazon S3 API reference, ListObjectsV2)."""

SETTLED = 60.0
"""Seconds after which a manager has heard of a file, unless something was lost or the queue is long."""

ANSWERED = 1.5 * QUEUE_VISIBILITY * QUEUE_MAX_RECEIVES
"""Seconds after which whatever the queue was told of has an answer: nothing is told of again before."""


def deliver_unheard(
    cloud: MonitorCloud, clock: Callable[[], datetime], log: Callable[[str, JobId | None], None]
) -> list[str]:
    """Look through every analysis that is deployed; faults in words."""
    faults = []
    for analysis in cloud.analyses():
        try:
            for key in _search(cloud, analysis, clock().timestamp()):
                log(f"delivered again: s3://{analysis.bucket}/{key}", None)
        except Exception as error:  # noqa: BLE001 (one bucket that cannot be read must not keep the others from an answer)
            faults.append(f"{analysis.bucket}: {type(error).__name__}: {error}")
    return faults


def _search(cloud: MonitorCloud, analysis: Deployed, now: float) -> Iterator[str]:
    """Tell the queue of what was not heard of, and give the keys of it."""
    state = cloud.searched(analysis.bucket)
    # the first search of all: what is older has been answered, or its table is gone, and nothing is run a
    # second time
    if state is None:
        state = Search("", now, now)
    written, last = _listed(cloud, analysis, state.after)
    since = state.through - ANSWERED
    wanted = [one for one in written if _asks(one.key) and since <= one.modified.timestamp() <= now - SETTLED]
    known = cloud.heard(analysis.bucket, [one.key for one in wanted]) if wanted else {}
    for one in wanted:
        heard = known.get(one.key)
        told = heard is not None and heard.sent == one.etag and now - heard.sent_at < ANSWERED
        if not told and (heard is None or heard.etag != one.etag):
            cloud.deliver(analysis.queue_url, analysis.bucket, one, now)
            yield one.key
    cloud.note_search(
        analysis.bucket,
        Search("", now, state.begun) if last is None else Search(last, state.begun, state.through),
    )


def _listed(cloud: MonitorCloud, analysis: Deployed, after: str) -> tuple[list[Written], str | None]:
    """The next files in `submissions/` of the groups, and where to go on when there are more (None: this was
    the rest).
    """
    found: list[Written] = []
    pages = 0
    for prefix in sorted(f"{group}/{SUBMISSIONS}/" for group in analysis.groups):
        if prefix < after and not after.startswith(prefix):
            continue
        start, more = (after if after.startswith(prefix) else prefix), True
        while more:
            if pages == PAGES:
                return found, start
            page = cloud.submissions(analysis.bucket, prefix, start, PAGE)
            pages, found, more = pages + 1, found + page, len(page) == PAGE
            start = page[-1].key if page else start
    return found, None


def _asks(key: str) -> bool:
    return key.endswith((SUBMISSION_SUFFIX, CANCEL_SUFFIX, WATCH_SUFFIX))
