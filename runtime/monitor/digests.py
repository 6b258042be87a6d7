"""The sweep tells the digests of the days that are over, once each, to the groups that want them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from neurocaas.protocol.digest import notice_of, over_before
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.limits import ENDING_GRACE
from runtime.monitor.port import MonitorCloud

AT_A_TIME = 50
"""Digests of one sweep: the next one goes on."""


def tell_digests(
    cloud: MonitorCloud, clock: Callable[[], datetime], log: Callable[[str, JobId | None], None]
) -> None:
    """Tell what nobody has told. Who dies between telling it and noting that tells it once more, after
    ENDING_GRACE, rather than never."""
    now = clock()
    found = cloud.digests(over_before(now), AT_A_TIME)
    if not found:
        return
    wanted = cloud.digest_groups()
    for digest in found:
        if not cloud.take_digest(digest, now.timestamp(), now.timestamp() - ENDING_GRACE):
            continue
        if digest.group in wanted:
            cloud.publish(*notice_of(digest))
            log(f"told the digest of {digest.group} of {digest.day}", None)
        cloud.drop_digest(digest)
