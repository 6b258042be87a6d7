"""The inputs of an earlier job as they were then: what has changed since is found among the versions of its
object (the bucket keeps them) and put beside the group's inputs, where a new job can read it.

What has changed is said by content: by the ETag that the job has pinned, or the SHA-256 that its machine has
read. The same bytes that were uploaded again are the same input. Only where neither is known (jobs made
before), the times of the objects say it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from neurocaas.bucket import Bucket
from neurocaas.digests import sha256_of_stream
from neurocaas.errors import AnalysisError, client_error, code_of
from neurocaas.protocol.addresses import HTTPS
from neurocaas.protocol.keys import INPUTS
from neurocaas.protocol.outside import SCHEME

LARGEST = 256 << 20
"""Bytes up to which an object is read to see whether it is the same, and up to which outputs are compared by
their values.
"""


@dataclass(frozen=True)
class JobInput:
    """An object that a job has read, or was to. `sha256` of its content ("": not known), `version_id` and
    `etag` (without quotes) where the job's records have them."""

    key: str
    size: int
    sha256: str
    version_id: str | None = None
    etag: str | None = None

    def is_that_of(self, entry: Mapping[str, Any]) -> bool:
        """Whether an object, or a version of it, is the same by its size and ETag."""
        return (
            self.etag is not None
            and int(entry["Size"]) == self.size
            and str(entry.get("ETag", "")).strip('"') == self.etag
        )


@dataclass(frozen=True)
class Then:
    """The datasets of a job when it `started`, and the objects that were in them (as far as they were pinned)
    or that its machines have read."""

    datanames: Sequence[str]
    read: Sequence[JobInput]
    started: datetime

    def below(self, dataname: str) -> list[JobInput]:
        """What was read of one dataset, a file or a folder."""
        return [
            one
            for one in self.read
            if one.key == dataname or (dataname.endswith("/") and one.key.startswith(dataname))
        ]


@dataclass
class EarlierInputs:
    """`versions`: key -> id of the version of then, for what has changed since. `faults`: what cannot be had
    as it was.
    """

    versions: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    faults: list[AnalysisError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(objects: Bucket, then: Then) -> EarlierInputs:
    """Which datasets have changed since, and the versions that they had. Those of outside buckets are taken
    as they are.
    """
    found = EarlierInputs()
    for dataname in then.datanames:
        if dataname.startswith((SCHEME, HTTPS)):
            continue
        now = {
            str(entry["Key"]): entry
            for entry in objects.list(dataname)
            if dataname.endswith("/") or entry["Key"] == dataname
        }
        read = then.below(dataname)
        keys = [one.key for one in read] or [dataname]
        known = {one.key: one for one in read}
        later = [
            key
            for key in keys
            if key not in now or not _is_same(objects, known.get(key), now[key], then.started)
        ]
        added = sorted(now.keys() - set(keys)) if read else []
        if later or added:
            _versions(objects, then, dataname, read, later, added, found)
    return found


def _versions(
    objects: Bucket,
    then: Then,
    dataname: str,
    read: Sequence[JobInput],
    later: Sequence[str],
    added: Sequence[str],
    found: EarlierInputs,
) -> None:
    sizes = {one.key: one for one in read}
    versions, same = dict[str, str](), True
    for key in later:
        try:
            every = list(_history(objects, key))
        except client_error() as error:
            if code_of(error) not in ("AccessDenied", "403"):
                raise
            got = (
                f"the input {key} has changed since the job ran, and these credentials may not look at its "
                "earlier versions"
            )
            do = "let an administrator run it again, or rerun with the input of now: --anyway"
            found.faults.append(AnalysisError(got, "the inputs that the job has read", do))
            return
        known = sizes.get(key)
        old = _then(every, known, then.started)
        if old is None:
            got = f"the input {key} as the job has read it is gone"
            do = "upload it again, or rerun with the input of now: --anyway"
            found.faults.append(
                AnalysisError(got, "an object of which the bucket keeps the version of then", do)
            )
            return
        versions[key] = str(old["VersionId"])
        same = same and bool(
            old["IsLatest"] or (every[0]["IsLatest"] and every[0].get("ETag") == old["ETag"])
        )
        if not same:
            found.notes.append(
                f"the input {key} has changed since: its version of "
                f"{old['LastModified']:%Y-%m-%d %H:%M:%S} is used"
            )
    found.notes += [f"the input {key} has been added since: it is left out" for key in added]
    if added or not same:
        found.versions.update(versions)
        found.changed.add(dataname)


def _then(
    versions: Sequence[Mapping[str, Any]], known: JobInput | None, started: datetime
) -> Mapping[str, Any] | None:
    """The version that was read: the one that the job's records name, or one of the same content; where they
    know neither, the last one before the job began."""
    for one in versions if known is not None else ():
        if known is not None and (one["VersionId"] == known.version_id or known.is_that_of(one)):
            return one
    if known is not None and (known.version_id or known.etag):
        return None
    return next(
        (
            one
            for one in versions
            if one["LastModified"] <= started and (known is None or one["Size"] == known.size)
        ),
        None,
    )


def _is_same(objects: Bucket, known: JobInput | None, entry: Mapping[str, Any], started: datetime) -> bool:
    """Whether what lies there now is what lay there then."""
    if known is not None and known.is_that_of(entry):
        return True
    if (known is None or known.etag is None) and entry["LastModified"] <= started:
        return True
    if known is None or not known.sha256 or int(entry["Size"]) != known.size or known.size > LARGEST:
        return False
    # Members of a group may not read its inputs back; then the content is not known.
    with contextlib.suppress(AnalysisError), contextlib.closing(objects.open(known.key)) as body:
        return sha256_of_stream(body) == known.sha256
    return False


def _history(objects: Bucket, key: str) -> Iterator[dict[str, Any]]:
    """The versions of an object, the latest first."""
    for page in objects.s3.get_paginator("list_object_versions").paginate(Bucket=objects.name, Prefix=key):
        yield from (one for one in page.get("Versions", []) if one["Key"] == key)


def restore(objects: Bucket, group: str, then: Then, found: EarlierInputs, stamp: str) -> dict[str, str]:
    """Copy the changed datasets as they were to `inputs/rerun_{stamp}/`; from each old name to the new one,
    of all datasets.
    """
    names = {}
    for dataname in then.datanames:
        if dataname not in found.changed:
            names[dataname] = dataname
            continue
        names[dataname] = _moved(group, stamp, dataname)
        for one in then.below(dataname) or [JobInput(dataname, 0, "")]:
            source = {"Bucket": objects.name, "Key": one.key}
            if one.key in found.versions:
                source["VersionId"] = found.versions[one.key]
            objects.copy(source, _moved(group, stamp, one.key))
    return names


def _moved(group: str, stamp: str, key: str) -> str:
    return f"{group}/{INPUTS}/rerun_{stamp}/{key.removeprefix(f'{group}/').removeprefix(f'{INPUTS}/')}"
