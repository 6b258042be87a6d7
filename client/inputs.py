"""The inputs of an earlier job as they were then: what has changed since is found among the versions of its object (the bucket
keeps them) and put beside the group's inputs, where a new job can read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from client.bucket import Bucket
from client.errors import AnalysisError, code_of
from runtime.protocol.keys import INPUTS
from runtime.protocol.outside import SCHEME


@dataclass(frozen=True)
class Input:
    """An object that a job has read. `sha256` of its content, `version_id` where the certificate has it."""

    key: str
    size: int
    sha256: str
    version_id: str | None = None


@dataclass(frozen=True)
class Then:
    """The datasets of a job when it `started`, and the objects that its machines have read."""

    datanames: Sequence[str]
    read: Sequence[Input]
    started: datetime

    def below(self, dataname: str) -> list[Input]:
        """What was read of one dataset, a file or a folder."""
        return [one for one in self.read if one.key == dataname or (dataname.endswith("/") and one.key.startswith(dataname))]


@dataclass
class Found:
    """`versions`: key -> id of the version of then, for what has changed since. `faults`: what cannot be had as it was."""

    versions: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    faults: list[AnalysisError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find(objects: Bucket, then: Then) -> Found:
    """Which datasets have changed since, and the versions that they had. Those of outside buckets are taken as they are."""
    found = Found()
    for dataname in then.datanames:
        if dataname.startswith(SCHEME):
            continue
        now = {str(entry["Key"]): entry for entry in objects.list(dataname) if dataname.endswith("/") or entry["Key"] == dataname}
        read = then.below(dataname)
        keys = [one.key for one in read] or [dataname]
        later = [key for key in keys if key not in now or now[key]["LastModified"] > then.started]
        added = sorted(now.keys() - set(keys)) if read else []
        if later or added:
            _versions(objects, then, dataname, read, later, added, found)
    return found


def _versions(
    objects: Bucket, then: Then, dataname: str, read: Sequence[Input], later: Sequence[str], added: Sequence[str], found: Found
) -> None:
    sizes = {one.key: one for one in read}
    versions, same = dict[str, str](), True
    for key in later:
        try:
            every = list(_history(objects, key))
        except ClientError as error:
            if code_of(error) not in ("AccessDenied", "403"):
                raise
            got = f"the input {key} has changed since the job ran, and these credentials may not look at its earlier versions"
            do = "let an administrator run it again, or rerun with the input of now: --anyway"
            found.faults.append(AnalysisError(got, "the inputs that the job has read", do))
            return
        known = sizes.get(key)
        old = next((one for one in every if _is(one, known, then.started)), None)
        if old is None:
            got = f"the input {key} as the job has read it is gone"
            do = "upload it again, or rerun with the input of now: --anyway"
            found.faults.append(AnalysisError(got, "an object of which the bucket keeps the version of then", do))
            return
        versions[key] = str(old["VersionId"])
        same = same and bool(old["IsLatest"] or (every[0]["IsLatest"] and every[0].get("ETag") == old["ETag"]))
        if not same:
            found.notes.append(f"the input {key} has changed since: its version of {old['LastModified']:%Y-%m-%d %H:%M:%S} is used")
    found.notes += [f"the input {key} has been added since: it is left out" for key in added]
    if added or not same:
        found.versions.update(versions)
        found.changed.add(dataname)


def _is(version: Mapping[str, Any], known: Input | None, started: datetime) -> bool:
    """Whether it is the version that was read: the one that the certificate names, else the last one before the job began."""
    if known is not None and known.version_id:
        return bool(version["VersionId"] == known.version_id)
    return version["LastModified"] <= started and (known is None or version["Size"] == known.size)


def _history(objects: Bucket, key: str) -> Iterator[dict[str, Any]]:
    """The versions of an object, the latest first."""
    for page in objects.s3.get_paginator("list_object_versions").paginate(Bucket=objects.name, Prefix=key):
        yield from (one for one in page.get("Versions", []) if one["Key"] == key)


def restore(objects: Bucket, group: str, then: Then, found: Found, stamp: str) -> dict[str, str]:
    """Copy the changed datasets as they were to `inputs/rerun_{stamp}/`; from each old name to the new one, of all datasets."""
    names = {}
    for dataname in then.datanames:
        if dataname not in found.changed:
            names[dataname] = dataname
            continue
        names[dataname] = _moved(group, stamp, dataname)
        for one in then.below(dataname) or [Input(dataname, 0, "")]:
            source = {"Bucket": objects.name, "Key": one.key}
            if one.key in found.versions:
                source["VersionId"] = found.versions[one.key]
            objects.copy(source, _moved(group, stamp, one.key))
    return names


def _moved(group: str, stamp: str, key: str) -> str:
    return f"{group}/{INPUTS}/rerun_{stamp}/{key.removeprefix(f'{group}/').removeprefix(f'{INPUTS}/')}"
