"""Storage bypass: buckets besides the analysis's own that its submissions may name. The blueprint registers
them; the roles of the stack reach no others.

Names in such a bucket are written whole, `s3://{bucket}/{key}`, in submissions and in job.json alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neurocaas.protocol.addresses import HTTPS, is_address
from neurocaas.protocol.keys import INPUTS, RESULTS

SCHEME = "s3://"
USES = (INPUTS, RESULTS)
"""What a bucket may be registered for: to read data and configurations, to write results."""


@dataclass(frozen=True)
class OutsideBucket:
    """`prefix` is "" or ends in '/': names must begin with it. `use`: of USES. `groups`: whose submissions
    may name it, none for all."""

    bucket: str
    prefix: str
    use: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def path(self) -> str:
        return whole(self.bucket, self.prefix)


def whole(bucket: str, key: str) -> str:
    return f"{SCHEME}{bucket}/{key}"


def place_of(path: str, own: str) -> tuple[str, str]:
    """Bucket and key of a path: one in the bucket `own` is written without it. Of an address in the world
    (`neurocaas.protocol.addresses`) scheme and host stand for the bucket."""
    if is_address(path):
        host, _, rest = path[len(HTTPS) :].partition("/")
        return f"{HTTPS}{host}", rest
    if not path.startswith(SCHEME):
        return own, path
    bucket, _, key = path[len(SCHEME) :].partition("/")
    return bucket, key


def registered(buckets: Iterable[OutsideBucket], group: str, use: str) -> list[OutsideBucket]:
    """Those that `group` may name for `use`."""
    return [one for one in buckets if use in one.use and (not one.groups or group in one.groups)]


def admits(buckets: Iterable[OutsideBucket], group: str, use: str, path: str) -> bool:
    """Whether `group` may use this whole path (for results: the folder of a job, hence ending in '/')."""
    return any(path.startswith(one.path) and path != one.path for one in registered(buckets, group, use))
