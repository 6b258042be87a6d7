"""A cancellation: `{group}/submissions/{id}_cancel.json` ends the job of `{id}_submit.json`, or the job it
names.

The file may be empty, or `{"timestamp": "…"}`. What it does is one conditional write, `stop.json` among the
job's records, so it may come before the submission is processed, while machines start, or twice. One that
comes before the submission is there waits for it for a while (`runtime.manager.early`). A cancellation that
has no effect yet, or can have none, is answered like a refused submission, below
`results/rejected_{id}_cancel/`.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from neurocaas.protocol.certificate import SetupLog, claim_id, digest_of
from neurocaas.protocol.documents import DocumentError, iso, loads
from neurocaas.protocol.events import STOPPED, tell
from neurocaas.protocol.keys import CancelKey, JobId, JobKeys
from neurocaas.protocol.ledger import Claim
from neurocaas.protocol.limits import EARLY_CANCEL, SUBMISSION_MAX_BYTES
from neurocaas.protocol.names import check_timestamp
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.stop import CANCELLED, StopOrder
from runtime.manager.answer import JobAnswer, rejection, version_of
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.early import Early, keep
from runtime.manager.port import BucketRefusedError, ManagerCloud, ObjectTooLargeError
from runtime.manager.submitter import submitter_of

_ALLOWED = 'an empty file beside the submission it cancels, or {"timestamp": "…"}'
_DO = "Correct the file and upload it again"


class _NotYetError(InvalidInput):
    """There is nothing to cancel so far; `name` is the key of the submission that is meant, or the
    timestamp.
    """

    def __init__(self, name: str, got: str, allowed: str, do: str) -> None:
        later = f"its job is not started if it comes within {EARLY_CANCEL // 60} minutes. {do}"
        super().__init__(
            [
                Problem(
                    "cancellation",
                    got,
                    allowed,
                    f"When its submission is only on its way, nothing is to be done: {later}",
                )
            ]
        )
        self.name = name


def cancel(
    cloud: ManagerCloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Carry a cancellation out, or answer why there is nothing to cancel."""
    key = CancelKey.parse(delivery.event.key)
    who = submitter_of(cloud, key.group, delivery)
    order = StopOrder(CANCELLED, f"by {key.key}", iso(clock()), by=who.name)
    try:
        if who.refused is not None:
            raise InvalidInput([who.refused])
        try:
            return _carry_out(cloud, settings, clock, delivery, key, order)
        except _NotYetError as error:
            keep(cloud, settings.bucket, key.group, error.name, Early(order))
            # Now it waits. Its submission may have come in between, and its manager may have looked before.
            done = _carry_out(cloud, settings, clock, delivery, key, order)
            keep(cloud, settings.bucket, key.group, error.name, Early(order, obeyed=digest_of(key.key)))
            return done
    except InvalidInput as error:
        return rejection(cloud, settings, clock, key, submitter=who.name).refuse(error.problems)


def _carry_out(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    clock: Callable[[], datetime],
    delivery: Delivery,
    key: CancelKey,
    order: StopOrder,
) -> Outcome:
    """End the job that is meant. Raises InvalidInput when it cannot be ended, _NotYetError when there is
    none.
    """
    bucket, now = settings.bucket, clock()
    timestamp, claim = _wanted(cloud, bucket, key)
    delivery.notes.timestamp = timestamp
    item = JobId(bucket, key.group, timestamp)
    keys = item.keys
    there = cloud.claimed(item)
    _check_claim(key, timestamp, claim, there)
    if there is not None and there.ended:
        earlier = read_order(cloud, bucket, keys)
        if earlier is not None and earlier.reason == order.reason:
            return Outcome(0, "delivered again: the job is cancelled")
        got = f"the job {timestamp!r}, which has ended already"
        do = f"Nothing is left to do: its outcome is in {keys.end}"
        raise InvalidInput([Problem("cancellation", got, "a job that has not ended", do)])
    if not cloud.put(bucket, keys.stop, order.to_json(), if_absent=True):
        order = read_order(cloud, bucket, keys) or order
    tell(cloud, item, STOPPED, f"to be ended: {order.text}", now=now, once="1")
    if claim is not None and _never_begins(cloud, settings, clock, key, item, claim, order):
        return Outcome(0, f"job {timestamp} will not be started")
    if cloud.note_stop(item, order.text, now.timestamp()):
        waiting = cloud.waiting(item)
        if waiting is not None:  # no machine is there that would read the order
            cloud.wake(waiting)
        for one in cloud.waiters(bucket):
            if one.job == item:
                cloud.wake(one)
        return Outcome(0, f"job {timestamp} is being stopped")
    # A manager is between the claim and the lease: the next delivery finds the job's item, or its end.
    return Outcome(0, f"job {timestamp} is only just beginning", again=True)


def _never_begins(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    clock: Callable[[], datetime],
    key: CancelKey,
    item: JobId,
    claim: str,
    order: StopOrder,
) -> bool:
    """End a job that no manager has begun yet, by claiming it for its submission before one does. False when
    one has.
    """
    now = clock()
    ours = Claim(claim, key.submission.key, iso(now), cancelled_by=digest_of(key.key))
    there = cloud.claim(item, ours)
    if there is not None and there.cancelled_by != ours.cancelled_by:
        return False
    log = SetupLog(now, version_of(settings), item.timestamp)
    JobAnswer(cloud, settings, clock, item.keys, log, key.submission.key).stop(order)
    return True


def read_order(cloud: ManagerCloud, bucket: str, keys: JobKeys) -> StopOrder | None:
    """The order to stop a job, None when there is none. An unreadable one is an order all the same."""
    raw = cloud.get(bucket, keys.stop, SUBMISSION_MAX_BYTES)
    if raw is None:
        return None
    try:
        return StopOrder.from_json(raw)
    except DocumentError:
        return StopOrder(CANCELLED, f"by an unreadable {keys.stop}", "")


def _wanted(cloud: ManagerCloud, bucket: str, key: CancelKey) -> tuple[str, str | None]:
    """The timestamp of the job that is meant, and the claim of the submission beside the file (None: named by
    itself).
    """
    try:
        raw = cloud.get(bucket, key.key, SUBMISSION_MAX_BYTES)
    except ObjectTooLargeError as error:
        raise InvalidInput([Problem("cancellation", f"{error.size} bytes", _ALLOWED, _DO)]) from error
    except BucketRefusedError:
        raw = None  # encrypted with a key of the user's own: that it is there says enough
    if raw is not None and raw.removeprefix(BOM_UTF8).strip():
        try:
            stamp = loads(raw, "it").get("timestamp")
        except DocumentError as error:
            raise InvalidInput(
                [Problem("cancellation", f"text of another kind: {error}", _ALLOWED, _DO)]
            ) from error
        if stamp is not None:
            return _timestamp(stamp), None
    submission = None
    with suppress(ObjectTooLargeError, BucketRefusedError):
        submission = cloud.get(bucket, key.submission.key, SUBMISSION_MAX_BYTES)
    if submission is None:
        got = f"no submission {shown(key.submission.key)} beside it, and no timestamp in it"
        raise _NotYetError(
            key.submission.key, got, _ALLOWED, "Else correct its name, or name the job's timestamp in it"
        )
    try:
        stamp = loads(submission, "the submission").get("timestamp")
    except DocumentError as error:
        raise InvalidInput(
            [
                Problem(
                    "cancellation", f"a submission that is no job: {error}", _ALLOWED, "Nothing is left to do"
                )
            ]
        ) from error
    return _timestamp(stamp), claim_id(key.submission.key, hashlib.sha256(submission).hexdigest())


def _timestamp(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    problems = check_timestamp(value)
    if problems:
        raise InvalidInput(problems)
    return str(value)


def _check_claim(key: CancelKey, timestamp: str, claim: str | None, there: Claim | None) -> None:
    """A file beside a submission cancels that submission's job, not one of the same timestamp."""
    if there is None and claim is None:
        got = f"the timestamp {timestamp!r}, which no job of group {key.group!r} has"
        raise _NotYetError(
            timestamp, got, "the timestamp of a job", "Else correct it and upload the file again"
        )
    if there is not None and claim is not None and there.claim != claim:
        got = f"the timestamp {timestamp!r}, which another submission than {key.submission.name!r} has used"
        do = f'Name the job to cancel in the file: {{"timestamp": "{timestamp}"}}'
        raise InvalidInput([Problem("cancellation", got, "the submission of the job", do)])
