"""Fetching the files of a job: interrupted copies go on where they stopped, and every file is checked against a digest.

What a file is checked against, best first: the SHA-256 that the job's certificate.json names for it; a SHA-256 that S3 holds;
the ETag where it is an MD5 (objects that were sent in one piece). A copy of several parts that S3 holds without a SHA-256 has
nothing to be checked against but its size; `FetchedFile.checked` says which it was.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from client.errors import AnalysisError, code_of, s3_errors

MANIFEST = "manifest.json"
"""The list of what was fetched, in the folder that it was fetched to."""

CHUNK = 1 << 20
WORKERS = 8
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


@dataclass(frozen=True)
class FetchedFile:
    """A result on this computer; `path` is relative to the folder that was asked for. `checked` says against what:
    `certificate`, `s3-sha256`, `md5` or `size`. `kept`: it was there already, complete."""

    path: str
    key: str
    size: int
    sha256: str
    checked: str = "size"
    kept: bool = False


@dataclass(frozen=True)
class Wanted:
    """An object to fetch, and where to. `sha256` as the certificate says, "" when it says nothing."""

    bucket: str
    key: str
    path: str
    size: int
    etag: str
    sha256: str = ""


def wanted(bucket: str, entries: Sequence[Mapping[str, Any]], prefix: str, known: Mapping[str, str]) -> list[Wanted]:
    """What a listing of `bucket` below the job's `prefix` means as files; `known` are SHA-256 by key.

    Raises AnalysisError for a key that would be written outside the folder.
    """
    files = []
    for entry in entries:
        key = str(entry["Key"])
        if key.endswith("/"):
            continue
        relative = key.removeprefix(prefix)
        if ".." in PurePosixPath(relative).parts or relative.startswith("/"):
            raise AnalysisError(f"the result {key!r} would be written outside its folder", "keys without '..'", "fetch it by hand")
        files.append(Wanted(bucket, key, relative, int(entry["Size"]), str(entry["ETag"]), known.get(key, "")))
    return files


def fetch(s3: Any, files: Sequence[Wanted], folder: Path) -> list[FetchedFile]:
    """Copy `files` below `folder`, eight at a time. Files that are there, unchanged, are kept; half a file is completed.

    Raises AnalysisError when a file does not have the digest that it should have, after all others were fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _manifest(folder)
    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(_one, s3, file, folder, before.get(file.path)) for file in files]
    fetched, faults = [], []
    for future in done:
        try:
            fetched.append(future.result())
        except _WrongDigestError as error:
            faults.append(str(error))
    _remember(folder, before, fetched, files)
    if faults:
        raise AnalysisError(
            f"wrong content: {'; '.join(faults)}",
            "files as the certificate or S3 describe them",
            "fetch again; if it stays so, tell the administrator",
        )
    return fetched


class ChangedError(AnalysisError):
    """An object is another one than was listed."""


class _WrongDigestError(Exception):
    """A file has come, but not with the content that it should have."""


def _one(s3: Any, file: Wanted, folder: Path, before: Mapping[str, Any] | None) -> FetchedFile:
    path = folder.joinpath(*PurePosixPath(file.path).parts)
    if before is not None and before.get("etag") == file.etag and path.is_file() and path.stat().st_size == file.size:
        digest = sha256_of(path)
        if digest == before.get("sha256") and file.sha256 in ("", digest):
            return FetchedFile(file.path, file.key, file.size, digest, str(before.get("checked", "size")), kept=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name has the object's version in it, so that half of an older object is never completed with half of a newer one.
    partial = path.with_name(f".{path.name}.{hashlib.sha256(file.etag.encode()).hexdigest()[:12]}.part")
    checked, fault = _check(partial, file, _copy(s3, file, partial))
    if fault:
        partial.unlink()
        raise _WrongDigestError(f"{file.path} {fault}")
    partial.replace(path)
    return FetchedFile(file.path, file.key, file.size, sha256_of(path), checked)


def _copy(s3: Any, file: Wanted, partial: Path) -> Mapping[str, Any]:
    """Bring `partial` to the object's length; S3's answer, which says what is known of the content."""
    have = partial.stat().st_size if partial.exists() else 0
    if have > file.size:
        partial.unlink()
        have = 0
    ask = {"Bucket": file.bucket, "Key": file.key, "IfMatch": file.etag}
    with s3_errors(file.bucket, file.key):
        try:
            if have and have == file.size:
                return dict(s3.head_object(**ask, ChecksumMode="ENABLED"))
            answer = s3.get_object(**ask, **({"Range": f"bytes={have}-"} if have else {"ChecksumMode": "ENABLED"}))
        except ClientError as error:
            if code_of(error) not in ("PreconditionFailed", "412"):
                raise
            raise ChangedError(
                f"{file.key} has changed while it was fetched",
                "results of a job that has ended",
                "wait for the job's end, then fetch again",
            ) from error
        with partial.open("ab") as out:
            for chunk in answer["Body"].iter_chunks(CHUNK):
                out.write(chunk)
    return dict(answer)


def _check(path: Path, file: Wanted, answer: Mapping[str, Any]) -> tuple[str, str]:
    """Against what the file was checked, and what is wrong with it ("" when nothing is)."""
    size = path.stat().st_size
    if size != file.size:
        return "size", f"has {size} bytes, not {file.size}"
    of_s3 = answer.get("ChecksumSHA256", "") if answer.get("ChecksumType") != "COMPOSITE" else ""
    if file.sha256 or of_s3:
        known, source = (file.sha256, "certificate") if file.sha256 else (base64.b64decode(of_s3).hex(), "s3-sha256")
        digest = sha256_of(path)
        return source, "" if digest == known else f"has SHA-256 {digest}, not {known}"
    md5 = _MD5.fullmatch(file.etag)
    if md5 and answer.get("ServerSideEncryption", "AES256") == "AES256":  # under a KMS key an ETag looks the same and is no MD5
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return "md5", "" if digest == md5[1] else f"has MD5 {digest}, not {md5[1]}"
    return "size", ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _manifest(folder: Path) -> dict[str, Mapping[str, Any]]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        files = json.loads((folder / MANIFEST).read_text())["files"]
        return {str(file["path"]): file for file in files}
    return {}


def _remember(folder: Path, before: Mapping[str, Mapping[str, Any]], fetched: Sequence[FetchedFile], files: Sequence[Wanted]) -> None:
    etags = {file.path: file.etag for file in files}
    now = {**before}
    for file in fetched:
        entry = {name: value for name, value in asdict(file).items() if name != "kept"}
        now[file.path] = {**entry, "etag": etags[file.path]}
    text = json.dumps({"schema_version": 1, "files": [now[path] for path in sorted(now)]}, indent=1) + "\n"
    partial = folder / f".{MANIFEST}.{os.getpid()}"
    partial.write_text(text)
    partial.replace(folder / MANIFEST)
