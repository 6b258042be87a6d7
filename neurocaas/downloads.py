"""Copying one object to a file here, from where an earlier try stopped.

A small object is one request; what has come of it lies in `.NAME.VERSION.part`, and a later try asks for the
rest. A large one comes in ranges of `RANGE` bytes, several at a time; a journal beside the `.part` file has
the number of each range that is complete, so that a process that is killed asks for none of them again. Every
request names the object's ETag: halves of two versions are never put together.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from neurocaas.digests import sha256_of_stream
from neurocaas.errors import AnalysisError, UnreachableError, client_error, code_of, s3_errors
from neurocaas.patience import Patience
from neurocaas.protocol.names import bounded

CHUNK = 1 << 20
RANGE = 8 << 20
"""Bytes of a range. An object of two or more of them is fetched in ranges."""

AT_ONCE = 8
"""So many ranges of one object are fetched at a time."""

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class ChangedError(AnalysisError):
    """An object is another one than was listed."""


@dataclass(frozen=True)
class WantedObject:
    """An object to fetch, and where to. `sha256`: as the certificate (or the `record` of a machine) says,
    none when it says nothing; of an object that several datasets have written, one that it may have."""

    bucket: str
    key: str
    path: str
    size: int
    etag: str
    sha256: tuple[str, ...] = ()
    source: str = "certificate"
    renamed: bool = False

    @property
    def large(self) -> bool:
        return self.size >= 2 * RANGE


@dataclass(frozen=True)
class CheckedCopy:
    """What a file here was checked against, its SHA-256, and what is wrong with it ("" when nothing is)."""

    against: str
    sha256: str
    fault: str = ""


@dataclass(frozen=True)
class Download:
    """`told` gets the bytes that come."""

    s3: Any
    file: WantedObject
    told: Callable[[int], None]
    patience: Patience

    def into(self, path: Path) -> tuple[CheckedCopy, Path]:
        """The object beside `path`, complete and checked, and where it lies."""
        # The name has the object's version in it, so that half of an older object is never completed with
        # half of a newer one.
        version = hashlib.sha256(self.file.etag.encode()).hexdigest()[:12]
        partial = path.with_name(bounded(path.name, before=".", ending=f".{version}.part"))
        journal = path.with_name(bounded(path.name, before=".", ending=f".{version}.ranges"))
        copy = self._ranges if self.file.large else self._stream
        for half in (partial.exists(), False):
            checked = check(partial, self.file, copy(partial, journal))
            if not (checked.fault and half):
                break
            partial.unlink()  # what was here of it was spoilt
            journal.unlink(missing_ok=True)
        journal.unlink(missing_ok=True)
        return checked, partial

    def _stream(self, partial: Path, _: Path) -> Mapping[str, Any]:
        """Bring `partial` to the object's length; S3's answer, which says what is known of the content."""
        return self.patience(lambda: self._rest(partial))

    def _rest(self, partial: Path) -> Mapping[str, Any]:
        have = partial.stat().st_size if partial.exists() else 0
        if have > self.file.size:
            partial.unlink()
            have = 0
        if have and have == self.file.size:
            return self._head()
        with self._errors():
            answer = self._get(have, self.file.size - 1) if have else self._whole()
            with partial.open("ab") as out:
                self._write(answer, out)
        return dict(answer)

    def _ranges(self, partial: Path, journal: Path) -> Mapping[str, Any]:
        done = _Ranges(journal, partial, self.file.size)
        self.told(sum(done.length(number) for number in done.complete))

        def fetch(number: int) -> None:
            begin, end = number * RANGE, number * RANGE + done.length(number) - 1

            def once() -> None:
                with self._errors(), partial.open("r+b") as out:
                    out.seek(begin)
                    came = self._write(self._get(begin, end), out, end - begin + 1)
                if came != end - begin + 1:
                    raise UnreachableError(
                        f"{came} bytes of {end - begin + 1} have come", "a whole answer", "fetch again"
                    )

            self.patience(once)
            done.add(number)

        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                waiting = [pool.submit(fetch, number) for number in done.missing()]
                try:
                    wait(waiting, return_when=FIRST_EXCEPTION)
                    for one in (one for one in waiting if one.done()):
                        one.result()
                except BaseException:
                    self.patience.end()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            done.close()
        return self.patience(self._head)

    def _write(self, answer: Mapping[str, Any], out: Any, most: int | None = None) -> int:
        """The bytes of the body that were written, never more than `most`."""
        came = 0
        for chunk in answer["Body"].iter_chunks(CHUNK):
            if most is not None and came + len(chunk) > most:
                break
            out.write(chunk)
            came += len(chunk)
            self.told(len(chunk))
            self.patience.moved()
            if self.patience.over:
                break
        return came

    def _ask(self) -> dict[str, str]:
        return {"Bucket": self.file.bucket, "Key": self.file.key, "IfMatch": self.file.etag}

    def _whole(self) -> Mapping[str, Any]:
        return dict(self.s3.get_object(**self._ask(), ChecksumMode="ENABLED"))

    def _get(self, begin: int, end: int) -> Mapping[str, Any]:
        last = "" if end == self.file.size - 1 else str(end)
        return dict(self.s3.get_object(**self._ask(), Range=f"bytes={begin}-{last}"))

    def _head(self) -> Mapping[str, Any]:
        with self._errors():
            return dict(self.s3.head_object(**self._ask(), ChecksumMode="ENABLED"))

    @contextlib.contextmanager
    def _errors(self) -> Any:
        file = self.file
        try:
            with s3_errors(file.bucket, file.key):
                try:
                    yield
                except client_error() as error:
                    if code_of(error) not in ("PreconditionFailed", "412"):
                        raise
                    raise ChangedError(
                        f"{file.key} has changed while it was fetched",
                        "results of a job that has ended",
                        "wait for the job's end, then fetch again",
                    ) from error
        except (ConnectionError, TimeoutError) as error:
            raise UnreachableError(
                f"the connection broke while {file.path} was fetched", "a network that works", "fetch again"
            ) from error


class _Ranges:
    """The ranges of one object that are complete in `partial`, by number from 0, and their journal. What an
    earlier version has left of it without a journal is its beginning."""

    def __init__(self, journal: Path, partial: Path, size: int) -> None:
        self._size, self._lock = size, Lock()
        self.count = -(-size // RANGE)
        self.complete = self._read(journal, partial)
        partial.touch()
        fresh = journal.with_name(f"{journal.name}.new")
        fresh.write_text(
            "".join(f"{line}\n" for line in (f"of {RANGE}", *sorted(self.complete))), encoding="utf-8"
        )
        fresh.replace(journal)  # a half line of an earlier process would spoil the next
        self._out = journal.open("a", encoding="utf-8")

    def _read(self, journal: Path, partial: Path) -> set[int]:
        have = partial.stat().st_size if partial.exists() else 0
        if not journal.exists():
            return set(range(min(have, self._size) // RANGE))
        head, *lines = journal.read_text(encoding="utf-8").split("\n")[:-1] or [""]
        if head != f"of {RANGE}":
            return set()
        numbers = {int(line) for line in lines if line.isdigit()}
        return {n for n in numbers if n < self.count and n * RANGE + self.length(n) <= have}

    def length(self, number: int) -> int:
        return min(RANGE, self._size - number * RANGE)

    def missing(self) -> list[int]:
        return [number for number in range(self.count) if number not in self.complete]

    def add(self, number: int) -> None:
        with self._lock:
            self.complete.add(number)
            self._out.write(f"{number}\n")
            self._out.flush()

    def close(self) -> None:
        self._out.close()


def check(path: Path, file: WantedObject, answer: Mapping[str, Any]) -> CheckedCopy:
    """Compare a copy with what is known of the object; `answer` is S3's about it."""
    size = path.stat().st_size
    of_s3 = answer.get("ChecksumSHA256", "") if answer.get("ChecksumType") != "COMPOSITE" else ""
    md5 = _MD5.fullmatch(file.etag)
    # under a KMS key an ETag looks the same and is no MD5
    by_md5 = bool(md5) and answer.get("ServerSideEncryption", "AES256") == "AES256"
    other = hashlib.md5(usedforsecurity=False) if by_md5 and not (file.sha256 or of_s3) else None
    digest = sha256_of(path, *([other] if other else []))
    if size != file.size:
        return CheckedCopy("size", digest, f"has {size} bytes, not {file.size}")
    if file.sha256 or of_s3:
        known, source = (
            (file.sha256, file.source) if file.sha256 else ((base64.b64decode(of_s3).hex(),), "s3-sha256")
        )
        wrong = "" if digest in known else f"has SHA-256 {digest}, not {' or '.join(known)}"
        return CheckedCopy(source, digest, wrong)
    if md5 and other is not None:
        found = other.hexdigest()
        return CheckedCopy("md5", digest, "" if found == md5[1] else f"has MD5 {found}, not {md5[1]}")
    return CheckedCopy("size", digest)


def is_same(path: Path, file: WantedObject) -> CheckedCopy | None:
    """Whether a file here has an object's content by what a listing tells; None where that cannot be said."""
    if path.stat().st_size != file.size or not (file.sha256 or _MD5.fullmatch(file.etag)):
        return None
    checked = check(path, file, {})
    return None if checked.fault else checked


def sha256_of(path: Path, *others: Any) -> str:
    """The SHA-256 of a file, in hex; `others` are digests that read along."""
    with path.open("rb") as content:
        return sha256_of_stream(content, *others)
