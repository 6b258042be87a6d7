"""What `neurocaas-contrib` remembers between its calls: the data, configuration, other files and result
folder of a job.

In a job all of them are known from run_main.sh's environment; what a script registers goes before it. Without
one they are registered by hand, below the folder of `initialize-job`. Standard library, Python 3.7.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Optional

HERE = Path(__file__).resolve().parent.parent
POINTER = ".neurocaas_contrib_storageloc.json"
"""In the home of a user without a job: where the folder of `initialize-job` is."""
_EMPTY: Dict[str, Any] = {"data": {}, "config": {}, "additional_files": {}, "resultpath": {}}


class Refused(Exception):
    """What was asked for cannot be done; the text is for the user."""


def say(text: str) -> None:
    """One line for the script, in UTF-8 whatever the machine's language is; names of files keep their
    bytes.
    """
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.buffer.flush()


def in_job() -> bool:
    """Whether run_main.sh has started the caller."""
    return bool(os.environ.get("bucketname"))  # noqa: SIM112  (run_main.sh's)


def reported() -> Optional[Path]:
    """The folder that run_main.sh and the agent share while a job is reported, None without one."""
    state = os.environ.get("NEUROCAAS_STATE")
    return Path(state) if state and Path(state).is_dir() else None


def whole(bucket: str, key: str) -> str:
    """The s3://bucket/key of a key, which can be whole already."""
    return key if key.startswith("s3://") else f"s3://{bucket}/{key.lstrip('/')}"


def split(uri: str) -> "tuple[str, str]":
    """Bucket and key."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


class Store:
    """The folder of a job, with registration.json in it: what is registered, where it is in S3 ("s3") or was
    here already ("localsource"), and where it was put ("local")."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "registration.json"

    @classmethod
    def open(cls) -> "Store":
        """Raises Refused when there is neither a job nor a folder that was initialized."""
        try:
            return cls(Path(json.loads(_pointer().read_text(encoding="utf-8"))["path"]))
        except (OSError, ValueError, LookupError, TypeError):
            if in_job():
                return cls(_home())
        raise Refused(
            "got no job, and no storage file. Allowed: calls from an analysis script that run_main.sh runs, "
            "or a folder of your own. "
            "Run neurocaas-contrib workflow initialize-job -p FOLDER first."
        )

    @classmethod
    def initialize(cls, folder: Optional[Path]) -> "Store":
        """Begins anew in `folder`, made if missing; nothing in it is deleted but the registration."""
        store = cls((folder or _home()).absolute())
        store.folder.mkdir(parents=True, exist_ok=True)
        store._write(_EMPTY)
        _pointer().write_text(json.dumps({"path": str(store.folder)}), encoding="utf-8")
        return store

    def entry(self, kind: str, name: Optional[str] = None) -> Dict[str, str]:
        """What is known of "data", "config", "file" (with its name) or "resultpath". Raises Refused for what
        nobody registered.
        """
        registered = self._read()
        found = registered["additional_files"].get(name) if kind == "file" else registered[kind]
        found = found or _of_the_job(kind)
        if found:
            return dict(found)
        what = f"file {name}" if kind == "file" else kind
        command = {"data": "dataset", "resultpath": "resultpath"}.get(kind, kind)
        known = (
            ", ".join(sorted(registered["additional_files"])) or "none so far"
            if kind == "file"
            else "what was registered"
        )
        raise Refused(
            f"the {what} is not here yet: {what} must be registered first. Allowed: {known}. "
            f"Call neurocaas-contrib workflow register-{command}."
        )

    def remember(self, kind: str, known: Dict[str, str], name: Optional[str] = None) -> None:
        registered = self._read()
        if kind == "file":
            registered["additional_files"][name] = known
        else:
            registered[kind] = known
        self._write(registered)

    def group(self) -> str:
        """The job's; else the first folder of the data's key."""
        if in_job():
            return os.environ.get("groupdir", "")  # noqa: SIM112
        return split(self._in_s3("data"))[1].partition("/")[0]

    def bucket(self) -> str:
        return split(self._in_s3("data"))[0]

    def results(self) -> str:
        """The folder of results, without process_results: s3://…, or a folder here."""
        known = self.entry("resultpath")
        return known.get("s3") or known["local"]

    def _in_s3(self, kind: str) -> str:
        known = self.entry(kind)
        if "s3" not in known:
            raise Refused(
                f"got {kind} of this machine, {known['localsource']}. Allowed: {kind} in a bucket, which "
                "has a group. "
                "Register it with -b and -k."
            )
        return known["s3"]

    def _read(self) -> Dict[str, Any]:
        try:
            return {**_EMPTY, **json.loads(self._file.read_text(encoding="utf-8"))}
        except FileNotFoundError:
            return json.loads(json.dumps(_EMPTY))  # type: ignore[no-any-return]
        except (ValueError, TypeError) as error:
            raise Refused(
                f"{self._file}: {error}. Allowed: what initialize-job makes. Call it again."
            ) from None

    def _write(self, registered: Dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        made.write_text(json.dumps(registered, indent=1), encoding="utf-8")
        made.replace(self._file)


def fetch(uri: str, folder: Path) -> int:
    """A file or folder of a bucket into `folder`; the exit code. The job's own paths are asked for as the job
    spells them.
    """
    bucket, key = split(uri)
    for name in ("inputpath", "configpath"):
        path = os.environ.get(name, "")
        if in_job() and path and whole(os.environ["bucketname"], path) == uri:  # noqa: SIM112
            bucket, key = os.environ["bucketname"], path  # noqa: SIM112
    return _transfer("download", key, bucket, str(folder))


def send(path: Path, target: str) -> int:
    """A file, or what is in a folder, to a folder: s3://…, or of this machine; the exit code."""
    if target.startswith("s3://"):
        return _transfer("upload", str(path), "", "", target)
    copy(path, Path(target), into=not path.is_dir())
    return 0


def copy(source: Path, folder: Path, into: bool = True) -> Path:
    """A file or folder into `folder`, or (not `into`) what is in it."""
    target = folder / source.name if into else folder
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        if not (target.exists() and target.samefile(source)):
            shutil.copy2(str(source), str(target))
        return target
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(path), str(place))
    return target


def _transfer(function: str, *arguments: str) -> int:
    return subprocess.call(
        ["bash", "-c", 'source "$0"; ' + function + ' "$@"', str(HERE / "transfer.sh"), *arguments]
    )


def _of_the_job(kind: str) -> Dict[str, str]:
    names = {"data": "inputpath", "config": "configpath", "resultpath": "resultdir"}
    path = os.environ.get(names.get(kind, ""), "")
    if not in_job() or not path:
        return {}
    if kind == "resultpath" and not path.startswith("s3://"):
        path = f"{os.environ.get('groupdir', '')}/{path}"  # noqa: SIM112
    return {"s3": whole(os.environ["bucketname"], path)}  # noqa: SIM112


def _home() -> Path:
    return Path(os.environ.get("userhome") or "~").expanduser() / "contribdata"  # noqa: SIM112


def _pointer() -> Path:
    state = reported()
    return state / "contrib.json" if state else Path("~").expanduser() / POINTER
