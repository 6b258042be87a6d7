"""The sweep's part of watched folders (`neurocaas.protocol.watches`): it looks for datasets that have come
and are complete, and submits each as a job of its own, in the name of whoever turned the watch on.

S3 lists by key and not by time, and an object that was uploaded in parts has the time at which its upload
began (S3 user guide, "Uploading and copying objects using multipart upload"), so it may appear behind what
was listed. A folder with up to 5,000 objects is looked through in each sweep. Of a larger one the end is,
where names with a date come, and all of it in rounds: about a minute for each thousand objects passes between
two, so what a watch costs in requests does not grow with the folder. Where each folder is a dataset, folders
are listed without what is in them, and only those that were not submitted yet are looked into.

What was submitted is remembered for as long as an upload may last. That is a convenience: a dataset's job has
a timestamp that follows from its key and ETag, and a timestamp is used once. So it does no harm to be killed
anywhere, or that two sweeps run at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from neurocaas.protocol.chain import AskedByService
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.ignored import LEFT_BEHIND, is_ignored
from neurocaas.protocol.keys import JobId, SubmissionKey
from neurocaas.protocol.names import key_fault
from neurocaas.protocol.notice import BUDGET, SERVICE, about
from neurocaas.protocol.required import fits
from neurocaas.protocol.typed_json import data_of
from neurocaas.protocol.units import money
from neurocaas.protocol.watches import FOLDERS, ON, Watch, WatchProgress
from runtime.monitor.chain import ask
from runtime.monitor.port import Deployed, MonitorCloud, Written
from runtime.monitor.unheard import PAGE

SMALL = 5
"""Pages of a folder that is looked through in each sweep."""

ROUND = 20
"""Pages of a larger one, or of one folder in it, that one sweep lists at most."""

UPLOAD = 7 * 86400.0
"""Seconds that an upload in parts may last: the bucket's lifecycle then aborts it (`components.bucket`)."""

JOBS = 20
"""Jobs that one sweep submits for a watch."""

FOLDERS_MAX = 20_000
"""Folders that one watch can tell apart."""

OPEN_FOLDERS = 50
"""Folders that one sweep looks into."""

SOON = 900.0
"""Seconds in which a manager has counted what was submitted in the cap."""


def watch_folders(
    cloud: MonitorCloud, clock: Callable[[], datetime], log: Callable[[str, JobId | None], None]
) -> list[str]:
    """Look after every watch; faults in words."""
    living = [(one, ended) for one, ended in cloud.watches() if one.state == ON and not ended]
    if not living:
        return []
    deployed, faults = {one.bucket: one for one in cloud.analyses()}, []
    for one, _ in living:
        try:
            scan = _Scan(cloud.acting_for(one.bucket, one.group), one, deployed.get(one.bucket), clock())
            for text in scan.run():
                log(f"watch {one.name} of {one.group}: {text}", None)
        except Exception as error:  # noqa: BLE001 (one that cannot be looked at must not keep the others)
            faults.append(f"watch {one.bucket}/{one.group}/{one.name}: {type(error).__name__}: {error}")
    return faults


class _EnoughError(Exception):
    """No more may be submitted now, as the text says."""


@dataclass
class _Scan:
    """One watch in one sweep. `cloud` acts for its group."""

    cloud: MonitorCloud
    watch: Watch
    analysis: Deployed | None
    now: datetime
    pages: int = 0
    sent: int = 0
    waiting: int = 0
    progress: WatchProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = self._read()

    def run(self) -> Iterator[str]:
        """What was done, in words."""
        why = self._over()
        if why:
            self.cloud.end_watch(self.watch.bucket, self.watch.group, self.watch.name, why)
            self._save(f"ended: {why}")
            self._tell("was ended", why, SERVICE)
            yield f"ended: {why}"
            return
        state = ""
        try:
            if self.watch.datasets == FOLDERS:
                self._folders()
            else:
                self._files()
        except _EnoughError as error:
            state = str(error)
        if self.sent:
            yield f"submitted {self.sent}"
        self._save(state or self._state())

    def _over(self) -> str:
        """Why the watch ends, "" where it goes on."""
        if self.analysis is None:
            return "its analysis is not deployed any more"
        if self.watch.group not in self.analysis.groups:
            return f"group {self.watch.group} may not use the analysis any more"
        if self.now >= moment(self.watch.until):
            return f"its time was over on {self.watch.until[:10]}"
        if len(self.progress.seen) > FOLDERS_MAX and self.watch.datasets == FOLDERS:
            return f"it has more than {FOLDERS_MAX:,} folders: watch another prefix"
        return ""

    def _state(self) -> str:
        return f"waiting for {self.waiting} that are not quiet yet" if self.waiting else "waiting for data"

    # Files
    # --------------------------------------------------------------------------------------------------------
    def _files(self) -> None:
        began = self.now.timestamp()
        if self.progress.after or began >= self.progress.next_round:
            self._round(began)
        if self.progress.after or began < self.progress.next_round:
            self._tail()

    def _round(self, began: float) -> None:
        """Go on with the round through the whole folder."""
        if not self.progress.after:
            self._note(begun=began, pages=0, edge="", settled=True)
        after = self.progress.after or self.watch.prefix
        for _ in range(ROUND):
            page = self._page(after)
            for one in page:
                settled, after = self._consider(one) and self.progress.settled, one.key
                edge = after if settled else self.progress.edge
                self._note(after=after, edge=edge, settled=settled)
            self._note(pages=self.progress.pages + 1)
            if len(page) < PAGE:
                count = self.progress.pages
                pause = 60.0 * count if count > SMALL else 0.0
                self._note(after="", through=self.progress.begun, next_round=self.progress.begun + pause)
                self._note(tail=max(self.progress.edge, self.progress.tail))
                self._forget()
                return

    def _tail(self) -> None:
        """Look behind the last key, up to which everything was dealt with in order."""
        after, settled = self.progress.tail or self.watch.prefix, True
        for _ in range(SMALL):
            page = self._page(after)
            for one in page:
                settled = self._consider(one) and settled
                after = one.key
                if settled:
                    self._note(tail=after)
            if len(page) < PAGE:
                return

    def _page(self, after: str) -> list[Written]:
        self.pages += 1
        return self.cloud.submissions(self.watch.bucket, self.watch.prefix, after, PAGE)

    def _consider(self, one: Written) -> bool:
        """Submit an object where it is a dataset that has come and is complete; False while it is not."""
        name, written = one.key[len(self.watch.prefix) :], one.modified.timestamp()
        if (
            not name
            or name.endswith("/")
            or written < self._horizon
            or is_ignored(name, LEFT_BEHIND)
            or not fits(self.watch.pattern, name)
            or key_fault(one.key) is not None
        ):
            return True
        digest = _digest(one.key, one.etag)
        if digest in self.progress.seen:
            return True
        if written > self.now.timestamp() - self.watch.quiet:
            self.waiting += 1
            return False
        self._submit(one.key, one.etag, digest, written)
        return True

    @property
    def _horizon(self) -> float:
        """What was written before has been dealt with, or is not meant. Of what came in parts, the time is
        that at which its upload began: an upload that had begun before the watch is not seen as new."""
        made = 0.0 if self.watch.existing else moment(self.watch.made).timestamp()
        return max(made, self.progress.through - UPLOAD) if self.progress.through else made

    def _forget(self) -> None:
        oldest = self.progress.through - UPLOAD - 86400
        seen = {digest: time for digest, time in self.progress.seen.items() if time > oldest}
        self._note(seen=seen)

    # Folders
    # --------------------------------------------------------------------------------------------------------
    def _folders(self) -> None:
        first = self.progress.through == 0.0
        after, looked, seen = "", 0, dict(self.progress.seen)
        for _ in range(ROUND):
            page = self.cloud.folders(self.watch.bucket, self.watch.prefix, after, PAGE)
            self.pages += 1
            for folder in page:
                name = folder[len(self.watch.prefix) : -1]
                digest = _digest(folder, "")
                if digest in self.progress.seen or is_ignored(name, LEFT_BEHIND) or key_fault(folder):
                    continue
                if first and not self.watch.existing:
                    seen[digest] = 0.0
                    continue
                if looked >= OPEN_FOLDERS:
                    self.waiting += 1
                    continue
                looked += 1
                self._consider_folder(folder, digest)
            if len(page) < PAGE:
                break
            after = page[-1]
        if first and not self.watch.existing:
            self._note(seen=seen)
        self._note(through=self.now.timestamp())

    def _consider_folder(self, folder: str, digest: str) -> None:
        newest, some, after, version = 0.0, False, folder, hashlib.sha256()
        for _ in range(ROUND):
            page = self.cloud.submissions(self.watch.bucket, folder, after, PAGE)
            self.pages += 1
            for one in page:
                newest, after = max(newest, one.modified.timestamp()), one.key
                some = some or not is_ignored(one.key[len(folder) :], LEFT_BEHIND)
                version.update(f"{one.key}\0{one.etag}\0".encode("utf-8", "surrogatepass"))
            if len(page) < PAGE:
                break
        if not some or newest > self.now.timestamp() - self.watch.quiet:
            self.waiting += 1
        else:
            self._submit(folder, version.hexdigest(), digest, newest)

    # Submitting
    # --------------------------------------------------------------------------------------------------------
    def _submit(self, dataset: str, version: str, digest: str, written: float) -> None:
        """Raises _EnoughError where that has to wait."""
        watch, analysis = self.watch, self.analysis
        assert analysis is not None
        if self.sent >= JOBS:
            raise _EnoughError("more than one sweep submits: it goes on in the next")
        self._check_cap()
        timestamp = watch.timestamp(dataset, version)
        asked = AskedByService(watch.submitter, f"watch {watch.name}", 1, watch.name, watch.cap)
        body = {
            "dataname": [dataset],
            "configname": watch.config,
            "timestamp": timestamp,
            "asked": data_of(asked),
            **({"instance_type": watch.instance_type} if watch.instance_type else {}),
        }
        key = SubmissionKey(watch.group, f"{timestamp}_submit.json", by_service=True)
        refused = ask(self.cloud, analysis, key, body)
        if refused is not None:
            raise _EnoughError(f"AWS refuses its submissions ({refused})")
        self.sent += 1
        lasts = watch.datasets == FOLDERS or written > self.now.timestamp() - UPLOAD - 86400
        self._note(
            seen={**self.progress.seen, digest: written} if lasts else self.progress.seen,
            submitted=self.progress.submitted + 1,
            last_submitted=self.sent,
            last_time=self.now.timestamp(),
        )

    def _check_cap(self) -> None:
        """What was submitted in the last sweep may not have been counted by a manager yet: it is counted here
        in any case, so the cap is reached a little early rather than a job refused."""
        if self.sent == 0:
            self._committed = self.cloud.committed_of_cap(self.watch.cap_name(self.now))
            if self.now.timestamp() - self.progress.last_time < SOON:
                self._committed += self.progress.last_submitted * self.watch.worst
        if self._committed + (self.sent + 1) * self.watch.worst > self.watch.cap:
            month = f"{self.now:%Y-%m}"
            text = f"its cap of {money(self.watch.cap / 1e6)} in {month} is reached"
            if self.progress.capped != month:
                more = "It goes on next month, or with a larger cap_usd"
                self._tell("has reached its cap", f"{text}. {more}", BUDGET)
                self._note(capped=month)
            raise _EnoughError(text)

    _committed: int = 0

    # Its own record
    # --------------------------------------------------------------------------------------------------------
    def _read(self) -> WatchProgress:
        content = self.cloud.get(self.watch.bucket, self.watch.keys.progress)
        with suppress(DocumentError):
            found = WatchProgress.from_json(content.body) if content else None
            if found is not None and found.made == self.watch.made:
                return found
        return WatchProgress(self.watch.made)

    def _note(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]

    def _save(self, state: str) -> None:
        committed = self.cloud.committed_of_cap(self.watch.cap_name(self.now))
        self._note(state=state, looked=iso(self.now), committed=committed)
        self.cloud.put(self.watch.bucket, self.watch.keys.progress, self.progress.to_json())

    def _tell(self, what: str, why: str, event: str) -> None:
        watch = self.watch
        analysis = self.analysis.stack.rpartition("-")[0] if self.analysis else ""
        subject = f"NeuroCAAS {analysis}: watch {watch.name} of {watch.group} {what}"
        whose = f"Turned on by {watch.submitter}. " if watch.submitter else ""
        text = f"The watch {watch.name} on s3://{watch.bucket}/{watch.prefix} {what}: {why}. {whose}"
        self.cloud.publish(subject, text, about(event, watch.group, analysis))


def _digest(key: str, version: str) -> str:
    return hashlib.sha256(f"{key}\0{version}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
