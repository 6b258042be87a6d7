"""Cancellations that come before what they cancel: kept among the service's records, and obeyed by the
submission when it comes.

Once: by the first submission of that name or timestamp within `limits.EARLY_CANCEL` seconds. What is kept
says which submission has obeyed, so that a redelivery of it finds the order again, and a later submission of
the same name does not.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from neurocaas.protocol.certificate import claim_id
from neurocaas.protocol.documents import DocumentError, dumps, loads, moment
from neurocaas.protocol.keys import JobKeys, early_cancel_key
from neurocaas.protocol.limits import EARLY_CANCEL, SUBMISSION_MAX_BYTES
from neurocaas.protocol.stop import StopOrder
from neurocaas.protocol.typed_json import data_of, read
from runtime.manager.port import ManagerCloud

_WHAT = "early cancellation"


@dataclass(frozen=True)
class Early:
    """An order that waits. `obeyed`: the claim of the submission that has obeyed it ("" for none)."""

    order: StopOrder
    obeyed: str = ""

    @classmethod
    def from_json(cls, text: bytes) -> Early:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)


def keep(cloud: ManagerCloud, bucket: str, group: str, name: str, early: Early) -> None:
    """Keep an order for the submission `name` (its key, or its timestamp)."""
    cloud.put(bucket, early_cancel_key(group, name), dumps(data_of(early)))


def early_order(
    cloud: ManagerCloud, bucket: str, keys: JobKeys, submission_key: str, sha256: str, now: datetime
) -> StopOrder | None:
    """The order that has waited for this submission, None when there is none."""
    claim = claim_id(submission_key, sha256)
    for name in (submission_key, keys.timestamp):
        raw = cloud.get(bucket, early_cancel_key(keys.group, name), SUBMISSION_MAX_BYTES)
        if raw is None:
            continue
        with suppress(DocumentError):
            early = Early.from_json(raw)
            waited = (now - moment(early.order.time)).total_seconds()
            if early.obeyed == claim or (not early.obeyed and waited <= EARLY_CANCEL):
                keep(cloud, bucket, keys.group, name, replace(early, obeyed=claim))
                return early.order
    return None
