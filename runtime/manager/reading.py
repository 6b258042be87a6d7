"""Reading the submission file that a message tells of."""

from __future__ import annotations

import hashlib

from neurocaas.protocol.keys import SubmissionKey
from neurocaas.protocol.limits import SUBMISSION_MAX_BYTES
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.submission import InvalidSubmission, too_large
from runtime.manager.delivery import Delivery
from runtime.manager.port import BucketRefusedError, ManagerCloud, ObjectTooLargeError


def read_submission(cloud: ManagerCloud, delivery: Delivery, key: SubmissionKey) -> bytes:
    """The submission file that was written then: another of the same name may have taken its place at once,
    and has an answer of its own.
    Raises InvalidSubmission when there is none that the manager may read."""
    event = delivery.event
    try:
        replaced = False
        try:
            raw = cloud.get(event.bucket, key.key, SUBMISSION_MAX_BYTES)
            replaced = raw is not None and hashlib.md5(raw, usedforsecurity=False).hexdigest() != event.etag
        except (ObjectTooLargeError, BucketRefusedError):
            if not event.version_id:
                raise
            replaced = True
        if replaced and event.version_id:
            delivery.notes.replaced = True
            raw = cloud.get(event.bucket, key.key, SUBMISSION_MAX_BYTES, event.version_id)
    except ObjectTooLargeError as error:
        raise InvalidSubmission([too_large(error.size)], None) from error
    except BucketRefusedError as error:
        got = f"a file that S3 does not let the manager read ({error})"
        do = "Upload it again, without a key of your own"
        raise InvalidSubmission(
            [Problem("submission file", got, "a file encrypted as the bucket does it", do)], None
        ) from error
    if raw is None:
        gone = "nothing: the file was deleted before it was read"
        raise InvalidSubmission(
            [
                Problem(
                    "submission file", gone, "a file that stays until its job has begun", "Upload it again"
                )
            ],
            None,
        )
    return raw
