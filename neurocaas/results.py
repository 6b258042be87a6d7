"""Fetching the files of a job: interrupted copies go on where they stopped, and every file is checked against
a digest.

What a file is checked against, best first: the SHA-256 that the job's certificate.json names for it, or,
before the job's end, what its machines have noted; a SHA-256 that S3 holds; the ETag where it is an MD5
(objects that were sent in one piece). A copy of several parts that S3 holds without a SHA-256 has nothing to
be checked against but its size; `FetchedFile.checked` says which it was. What does not have the digest that
it should have is kept all the same, as `NAME.unverified`: the call fails, and no file is lost by it.

Keys in a bucket may be any text; what cannot be a file here, or not beside the others, is fetched under
another name (`placed`).
"""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from neurocaas.digests import md5_of_stream, sha256_of_stream
from neurocaas.errors import AnalysisError, UnreachableError, code_of, raise_all, s3_errors
from neurocaas.protocol.names import bounded
from neurocaas.protocol.printable import printable

MANIFEST = "manifest.json"
"""The list of what was fetched, in the folder that it was fetched to."""

CHUNK = 1 << 20
WORKERS = 8
UNVERIFIED = ".unverified"
"""How the name of a file ends that does not have the digest that it should have."""

_TOLD = 10
"""So many files are named in a message."""

_WINDOWS = re.compile(r'[<>:"|?*\\]|[ .]+\Z|\A(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|\Z)', re.IGNORECASE)
"""What a name cannot have on Windows (Win32, "Naming Files, Paths, and Namespaces")."""

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


@dataclass(frozen=True)
class FetchedFile:
    """A result on this computer; `path` is relative to the folder that was asked for. `checked` says against
    what:
    `certificate`, `record`, `s3-sha256`, `md5` or `size`. `kept`: it was there already, complete. `renamed`:
    the path is not that of its key, which cannot be had here."""

    path: str
    key: str
    size: int
    sha256: str
    checked: str = "size"
    kept: bool = False
    renamed: bool = False


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


def wanted(
    bucket: str,
    entries: Sequence[Mapping[str, Any]],
    prefix: str,
    known: Mapping[str, tuple[str, ...]],
    source: str = "certificate",
) -> list[WantedObject]:
    """What a listing of `bucket` below the job's `prefix` means as files; `known` are SHA-256 by key, as
    `source` says them.
    """
    entries = [entry for entry in entries if not str(entry["Key"]).endswith("/")]
    return [
        WantedObject(
            bucket,
            key,
            key.removeprefix(prefix),
            int(entry["Size"]),
            str(entry["ETag"]),
            known.get(key, ()),
            source,
        )
        for entry in entries
        for key in [str(entry["Key"])]
    ]


@dataclass(frozen=True)
class NameRules:
    """What the file system of a folder makes of names. `folding`: names that differ in case only, or in how
    an accent is written, are one file (macOS, Windows). `windows`: some characters and names are none."""

    folding: bool = False
    windows: bool = os.name == "nt"

    @classmethod
    def of(cls, folder: Path) -> "NameRules":
        """Found out by a file that is made there for a moment. Raises AnalysisError where none can be
        made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".names-", dir=folder) as place:
                (Path(place) / "a\u00e9").touch()
                return cls(any((Path(place) / name).exists() for name in ("A\u00c9", "ae\u0301")))
        except OSError as error:
            got = f"{folder}, which is no folder that files can be written to ({error.strerror})"
            raise AnalysisError(
                got, "a folder with room for them", "fetch into another folder: --to"
            ) from error

    def fold(self, path: str) -> str:
        """The same for paths that are one file."""
        return (
            unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            if self.folding
            else path
        )


def placed(files: Sequence[WantedObject], rules: NameRules | None = None) -> list[WantedObject]:
    """`files` with paths that can lie beside each other in one folder, and nowhere else, sorted by them: of
    `a` and `a/b` the first gets another name, as does what has segments such as `..`, characters that a
    terminal obeys, or more bytes than a name may have."""
    rules = rules or NameRules()
    safe = [(file, "/".join(_segment(part, rules) for part in file.path.split("/"))) for file in files]
    taken = {
        rules.fold(path[:place])
        for _, path in safe
        for place, character in enumerate(path)
        if character == "/"
    }
    done = []
    # names that stay come first
    for file, path in sorted(safe, key=lambda pair: (pair[1] != pair[0].path, pair[0].path)):
        folder, slash, name = path.rpartition("/")
        others = (
            folder + slash + bounded(name, ending=f"~{_digest(f'{file.path} {number}')}")
            for number in itertools.count()
        )
        chosen = path
        while rules.fold(chosen) in taken:
            chosen = next(others)
        taken.add(rules.fold(chosen))
        done.append(replace(file, path=chosen, renamed=chosen != file.path))
    return sorted(done, key=lambda file: file.path)


def _segment(name: str, rules: NameRules) -> str:
    """A part of a key as the name of a file or a folder."""
    if name in ("", ".", ".."):
        return quote(name or "/", safe="").replace(".", "%2E")
    written = "".join(
        character if printable(character, keep="") == character else quote(character, errors="replace")
        for character in name
    )
    if rules.windows:
        written = _WINDOWS.sub(
            lambda found: "".join(f"%{ord(character):02X}" for character in found[0]), written
        )
    return bounded(written)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def fetch(s3: Any, files: Sequence[WantedObject], folder: Path) -> list[FetchedFile]:
    """Copy `files` below `folder`, eight at a time. Files that are there, unchanged, are kept; half a file is
    completed.

    Raises AnalysisError for what could not be fetched, or does not have the digest that it should have, after
    all others were fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = _manifest(folder)
    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(_one, s3, file, folder, before) for file in files]
    fetched, faults, stuck, errors = [], [], [], list[AnalysisError]()
    for future in done:
        try:
            fetched.append(future.result())
        except _WrongDigestError as error:
            faults.append(str(error))
        except _NoPlaceError as error:
            stuck.append(str(error))
        except AnalysisError as error:
            errors.append(error)
    _remember(folder, before, fetched, files)
    passing = [error for error in errors if isinstance(error, (ChangedError, UnreachableError))]
    raise_all(passing[:1])  # for whoever asks again
    if stuck:
        got = f"files that cannot be written: {_few(stuck)}"
        errors.append(AnalysisError(got, "a folder with room for them", "fetch into another folder: --to"))
    if faults:
        allowed = "files as the certificate or S3 describe them"
        do = (
            "fetch again; if it stays so, they were replaced after the job had recorded them: look at what "
            f"was kept ({UNVERIFIED}), and"
        )
        errors.append(
            AnalysisError(f"wrong content: {_few(faults)}", allowed, f"{do} tell the administrator")
        )
    raise_all(errors[:_TOLD])
    return fetched


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _TOLD
    return "; ".join([*texts[:_TOLD], *([f"{more} more"] if more > 0 else [])])


class ChangedError(AnalysisError):
    """An object is another one than was listed."""


class _NoPlaceError(Exception):
    """Something else is here where a file, or the folder that it lies in, should be."""


class _WrongDigestError(Exception):
    """A file has come, but not with the content that it should have."""


def _one(s3: Any, file: WantedObject, folder: Path, earlier: Mapping[str, Mapping[str, Any]]) -> FetchedFile:
    path, before = folder.joinpath(*PurePosixPath(file.path).parts), earlier.get(file.path)
    try:
        if (
            before is not None
            and before.get("etag") == file.etag
            and path.is_file()
            and path.stat().st_size == file.size
        ):
            digest = sha256_of(path)
            if digest == before.get("sha256") and (not file.sha256 or digest in file.sha256):
                checked = str(before.get("checked", "size"))
                return FetchedFile(
                    file.path, file.key, file.size, digest, checked, kept=True, renamed=file.renamed
                )
        # fetched as a file while nothing lay below it: its name is another now
        for above in PurePosixPath(file.path).parents:
            if str(above) in earlier and folder.joinpath(above).is_file():
                folder.joinpath(above).unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise _NoPlaceError(f"{file.path} (Is a directory)")
        return _fetched(s3, file, path)
    except (ConnectionError, TimeoutError) as error:
        raise UnreachableError(
            f"the connection broke while {file.path} was fetched", "a network that works", "fetch again"
        ) from error
    except OSError as error:
        raise _NoPlaceError(f"{file.path} ({error.strerror or error})") from error


def _fetched(s3: Any, file: WantedObject, path: Path) -> FetchedFile:
    # The name has the object's version in it, so that half of an older object is never completed with half of
    # a newer one.
    partial = path.with_name(
        bounded(path.name, before=".", ending=f".{hashlib.sha256(file.etag.encode()).hexdigest()[:12]}.part")
    )
    checked, fault = "size", "half"
    for half in (partial.exists(), False):
        checked, fault = _check(partial, file, _copy(s3, file, partial))
        if not (fault and half):
            break
        partial.unlink()  # what was here of it was spoilt
    unverified = path.with_name(bounded(path.name, ending=UNVERIFIED))
    if fault:
        partial.replace(unverified)
        raise _WrongDigestError(f"{file.path} {fault}, kept as {unverified.name}")
    partial.replace(path)
    unverified.unlink(missing_ok=True)
    return FetchedFile(file.path, file.key, file.size, sha256_of(path), checked, renamed=file.renamed)


def _copy(s3: Any, file: WantedObject, partial: Path) -> Mapping[str, Any]:
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
            answer = s3.get_object(
                **ask, **({"Range": f"bytes={have}-"} if have else {"ChecksumMode": "ENABLED"})
            )
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


def _check(path: Path, file: WantedObject, answer: Mapping[str, Any]) -> tuple[str, str]:
    """Against what the file was checked, and what is wrong with it ("" when nothing is)."""
    size = path.stat().st_size
    if size != file.size:
        return "size", f"has {size} bytes, not {file.size}"
    of_s3 = answer.get("ChecksumSHA256", "") if answer.get("ChecksumType") != "COMPOSITE" else ""
    if file.sha256 or of_s3:
        known, source = (
            (file.sha256, file.source) if file.sha256 else ((base64.b64decode(of_s3).hex(),), "s3-sha256")
        )
        digest = sha256_of(path)
        return source, "" if digest in known else f"has SHA-256 {digest}, not {' or '.join(known)}"
    md5 = _MD5.fullmatch(file.etag)
    # under a KMS key an ETag looks the same and is no MD5
    if md5 and answer.get("ServerSideEncryption", "AES256") == "AES256":
        with path.open("rb") as content:
            digest = md5_of_stream(content)
        return "md5", "" if digest == md5[1] else f"has MD5 {digest}, not {md5[1]}"
    return "size", ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return sha256_of_stream(content)


def _manifest(folder: Path) -> dict[str, Mapping[str, Any]]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        files = json.loads((folder / MANIFEST).read_text())["files"]
        return {str(file["path"]): file for file in files}
    return {}


def _remember(
    folder: Path,
    before: Mapping[str, Mapping[str, Any]],
    fetched: Sequence[FetchedFile],
    files: Sequence[WantedObject],
) -> None:
    etags = {file.path: file.etag for file in files}
    now = {**before}
    for file in fetched:
        entry = {name: value for name, value in asdict(file).items() if name != "kept"}
        now[file.path] = {**entry, "etag": etags[file.path]}
    text = json.dumps({"schema_version": 1, "files": [now[path] for path in sorted(now)]}, indent=1) + "\n"
    partial = folder / f".{MANIFEST}.{os.getpid()}"
    partial.write_text(text)
    partial.replace(folder / MANIFEST)
