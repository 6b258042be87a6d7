"""Folders that the service watches for a group (`neurocaas.protocol.watches`): turned on and off by a file,
listed from the service's own records. (`neurocaas watch`, of `neurocaas.watching`, looks at jobs.)"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from neurocaas.analysis import Analysis
from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import INPUTS, SUBMISSIONS, WATCH_SUFFIX, rejected_keys
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.watches import NAME, ON, Watch, WatchKeys, WatchProgress, parse_wish, records_prefix
from neurocaas.submission_checks import told

ANSWER_SECONDS = 60.0
"""So long is the service's answer waited for."""

_CAP = re.compile(r"\$?([0-9]+(?:\.[0-9]+)?)(?:/month)?")


@dataclass(frozen=True)
class Seen:
    """A watch, and how far it has come (None: no sweep has looked yet)."""

    watch: Watch
    progress: WatchProgress | None = None

    @property
    def says(self) -> str:
        """In words: its state, and what it does."""
        if self.watch.state != ON:
            return self.watch.state
        if self.progress is None or self.progress.made != self.watch.made:
            return "on, the service has not looked yet"
        return (
            self.progress.state if self.progress.state.startswith("ended") else f"on, {self.progress.state}"
        )


def cap_of(text: str) -> float:
    """Dollars of `20`, `$20` or `$20/month`. Raises AnalysisError."""
    found = _CAP.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        do = "say what the jobs of the folder may cost in a month at most"
        raise AnalysisError(
            f"--cap {text!r}" if text else "no --cap", "dollars a month, such as $20/month", do
        )
    return float(found[1])


def wanted(group: str, prefix: str, configname: str, **more: Any) -> dict[str, Any]:
    """The wish for a folder, checked. `prefix` may be written without the group. Raises AnalysisError with
    all that is wrong."""
    if prefix.startswith(f"{INPUTS}/"):
        prefix = f"{group}/{prefix}"
    wish = {"prefix": prefix if prefix.endswith("/") else f"{prefix}/", "configname": configname}
    wish |= {name: value for name, value in more.items() if value not in (None, "")}
    try:
        parse_wish(json.dumps(wish).encode(), group)
    except InvalidInput as error:
        raise_all([told(problem) for problem in error.problems])
    return wish


def name_of(prefix: str) -> str:
    """The name of a watch that was given none: that of its folder."""
    return (
        re.sub(r"[^A-Za-z0-9._-]", "-", prefix.rstrip("/").rpartition("/")[2]).lstrip("._-")[:40] or "watch"
    )


def listed(objects: Bucket, group: str) -> list[Seen]:
    """The watches of a group in an analysis, by name."""
    return list(_listed(objects, group))


def _listed(objects: Bucket, group: str) -> Iterator[Seen]:
    for one in list(objects.list(records_prefix(group))):
        with suppress(DocumentError):
            watch = Watch.from_json(objects.get(one["Key"]) or b"")
            raw = objects.get(watch.keys.progress)
            yield Seen(watch, WatchProgress.from_json(raw) if raw is not None else None)


def found(objects: Bucket, group: str, name: str) -> Watch:
    """One of them. Raises AnalysisError."""
    every = {one.watch.name: one.watch for one in _listed(objects, group)}
    if name not in every:
        known = ", ".join(every) or "the group has none in this analysis"
        do = did_you_mean(name, list(every), "`neurocaas watches` lists them")
        raise AnalysisError(f"no watch {name!r}", known, do)
    return every[name]


def wish_again(watch: Watch) -> dict[str, Any]:
    """The wish that turns a watch on as it is."""
    wish = {
        "prefix": watch.prefix,
        "configname": watch.configname,
        "quiet": f"{watch.quiet}s",
        "cap_usd": watch.cap / 1e6,
        "datasets": watch.datasets,
        "existing": watch.existing,
    }
    if watch.datasets == "files":
        wish["pattern"] = watch.pattern
    return {**wish, "instance_type": watch.instance_type} if watch.instance_type else wish


def ask(analysis: Analysis, name: str, wish: Mapping[str, Any], clock: Any = time) -> Watch | None:
    """Put the wish into the bucket, and wait for the service's answer: the watch as it is now, None when no
    answer has come. Raises AnalysisError when it was refused."""
    if not NAME.fullmatch(name):
        allowed = "up to 40 letters, digits and . _ -"
        raise AnalysisError(f"a watch named {name!r}", allowed, "name it with --name")
    objects, group = analysis.objects, analysis.group
    keys, refusal = WatchKeys(group, name), rejected_keys(group, name).records.end
    before = {key: _version(objects, key) for key in (keys.record, refusal)}
    body = json.dumps({**wish, "request": uuid.uuid4().hex}, indent=2).encode()
    objects.put(f"{group}/{SUBMISSIONS}/{name}_{WATCH_SUFFIX}", body)
    begun = clock.monotonic()
    while clock.monotonic() - begun < ANSWER_SECONDS:
        if _version(objects, refusal) != before[refusal]:
            why = objects.text(refusal).strip().removeprefix("FAILED 0/0 ")
            raise AnalysisError(
                f"the service refuses the watch: {why}", "a watch that it takes", "correct it"
            )
        if _version(objects, keys.record) != before[keys.record]:
            return found(objects, group, name)
        clock.sleep(0.5)
    return None


def _version(objects: Bucket, key: str) -> tuple[Any, Any] | None:
    """What an object is just now: written again, it is another."""
    entry = objects.entry(key)
    return None if entry is None else (entry["LastModified"], entry["ETag"])
