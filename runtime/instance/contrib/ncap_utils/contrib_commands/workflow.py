"""The commands `neurocaas-contrib workflow …`: they take the store of a job and the arguments, and give a
line to print or an exit code.

Standard library, Python 3.7.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, Dict, List, Optional

from .store import Refused, Store, copy, fetch, reported, say, send, whole

FOLDERS = {"data": "inputs", "config": "configs", "file": "additional_files"}
FAILURE = "failure"
"""In the folder that is shared with the agent: a link to the exit code of the first failure, which is the
job's (workflow.sh).
"""


def initialize(given: argparse.Namespace) -> int:
    Store.initialize(given.path)
    return 0


def register(store: Store, given: argparse.Namespace) -> int:
    name = getattr(given, "name", None)
    place = _place(given)
    if place is None:
        if not given.local.exists():
            raise Refused(
                f"{given.local} does not exist. Allowed: a file or folder of this machine. Check the path."
            )
        store.remember(given.kind, {"localsource": str(given.local.absolute())}, name)
    else:
        store.remember(given.kind, {"s3": place}, name)
    return 0


def register_results(store: Store, given: argparse.Namespace) -> int:
    if _place(given) is None:
        store.remember("resultpath", {"local": str(given.local.absolute())})
        return 0
    key = given.key
    if not key.startswith("s3://"):
        group = store.group()
        key = key.strip("/") if key.strip("/").startswith(f"{group}/") else f"{group}/{key.strip('/')}"
    store.remember("resultpath", {"s3": whole(given.bucket or "", key).rstrip("/")})
    return 0


def _place(given: argparse.Namespace) -> Optional[str]:
    """The place in S3 that the options name; None for one of this machine. Raises Refused unless they name
    just one.
    """
    in_s3 = given.key is not None and bool(given.bucket or given.key.startswith("s3://"))
    if in_s3 == (given.local is not None) or (given.local and (given.key or given.bucket)):
        raise Refused(
            "got neither or both of two places. Allowed: you can pass either -b and -k (s3 file) or -l "
            "(local file). Give one of them."
        )
    return whole(given.bucket or "", given.key) if in_s3 else None


def get(store: Store, given: argparse.Namespace) -> int:
    name = getattr(given, "name", None)
    known = store.entry(given.kind, name)
    source = known.get("localsource") or known["s3"]
    folder = (given.folder or store.folder / FOLDERS[given.kind]).absolute()
    place = folder / Path(source.rstrip("/")).name
    if place.exists() and not given.force:
        sys.stderr.write(
            f"Data already exists at this location. Set force = true to overwrite: -f. It is {place}.\n"
        )
    elif "localsource" in known:
        copy(Path(source), folder)
    else:
        code = fetch(source, folder)
        if code:
            return code
    store.remember(given.kind, {**known, "local": str(place)}, name)
    return 0


def got(store: Store, given: argparse.Namespace) -> str:
    known = store.entry(given.kind, getattr(given, "name", None))
    if given.what == "name":
        return Path((known.get("local") or known.get("localsource") or known["s3"]).rstrip("/")).name
    path = known.get("local") or known.get("localsource")
    if path is None:
        raise Refused(
            f"the {given.kind} is not here yet. Allowed: what was fetched. Call neurocaas-contrib workflow "
            f"get-{given.kind} first."
        )
    return path


def whose(store: Store, given: argparse.Namespace) -> str:
    return store.group() if given.what == "group" else store.bucket()


def results_folder(store: Store, _: argparse.Namespace) -> str:
    folder = store.folder / "results"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def result_path(store: Store, given: argparse.Namespace) -> str:
    combination = os.environ.get("NEUROCAAS_COMBINATION")  # of a sweep
    place = f"{store.results()}/process_results" + (f"/{combination}" if combination else "")
    return f"{place}/{given.local.name}" if given.local else place


def put(store: Store, given: argparse.Namespace) -> int:
    """All that is there is sent; what is not makes the call fail in the end."""
    worst = 0
    for path in [path for several in given.results for path in several]:
        if not path.exists():
            sys.stderr.write(
                f"There is no file or folder {path} to upload. Allowed: what exists. Check the path.\n"
            )
            worst = 1
            continue
        below = f"/{path.resolve().name}" if path.is_dir() else ""
        worst = send(path, result_path(store, argparse.Namespace(local=None)) + below) or worst
    return worst


def cleanup(store: Store, _: argparse.Namespace) -> int:
    """Hands in the configuration and update.txt. Nothing is deleted, and a machine switches itself off when
    its job ends.
    """
    if reported():
        sys.stderr.write(
            "The configuration and update.txt are handed in when the job ends; no call is needed.\n"
        )
        return 0
    target = result_path(store, argparse.Namespace(local=None))
    known = store.entry("config")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        here = known.get("local") or known.get("localsource")
        if here:
            copy(Path(here), folder)
        else:
            code = fetch(known["s3"], folder)
            if code:
                return code
        (folder / "update.txt").write_text("", encoding="utf-8")
        return send(folder, target)


def log_command(store: Store, given: argparse.Namespace) -> int:
    """Runs a script, or a line of shell, shows what it prints, and ends with its exit code, which is recorded
    as the job's when it is a failure. In a job the agent reports; without one a status and the log are left
    in the folder of results."""
    state = reported()
    if state:
        code = _shell(subprocess.call(_program(given.line)))
        if code:
            with suppress(FileExistsError):
                (state / FAILURE).symlink_to(str(code))
        return code
    logs = _logs(store, given)
    began = _now()
    running = subprocess.Popen(_program(given.line), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert running.stdout is not None
    lines: List[str] = []
    reader = threading.Thread(target=_hear, args=(running.stdout, lines))
    reader.start()
    code = _shell(running.wait())
    reader.join()
    data = store.entry("data")
    status: Dict[str, Any] = {
        "instance": "NONE",
        "command": given.line,
        "input": data.get("s3") or data["localsource"],
        "status": "FAILED" if code else "SUCCESS",
        "reason": f"exit code {code}",
        "job_start": began,
        "job_finish": _now(),
        "std": {str(number): line for number, line in enumerate(lines)},
    }
    name = got(store, argparse.Namespace(kind="data", what="name"))
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / f"DATASET_NAME:{name}_STATUS.txt").write_text(json.dumps(status), encoding="utf-8")
        (Path(scratch) / "log.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sent = send(Path(scratch), logs)
    return code or sent


def _logs(store: Store, given: argparse.Namespace) -> str:
    if given.local:
        known = store.entry("resultpath")
        if "local" not in known:
            raise Refused(
                "got results in a bucket. Allowed: log-command-local with results of this machine. Call "
                "register-resultpath -l FOLDER."
            )
        return f"{known['local']}/logs"
    if given.bucket and given.folder:
        place = given.folder.strip("/")
        return (
            f"{whole(given.bucket, place if place.startswith('s3://') else store.group() + '/' + place)}/logs"
        )
    return f"{store.results()}/logs"


def _program(line: str) -> List[str]:
    """A script by its path, as it wants to be run; any other text is a line of bash."""
    script = Path(line)
    try:
        is_file = script.is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        return ["bash", "-o", "pipefail", "-c", line]
    return [str(script.absolute())] if os.access(str(script), os.X_OK) else ["bash", str(script)]


def _hear(stream: BinaryIO, lines: List[str]) -> None:
    for line in stream:
        text = line.decode("utf-8", "replace").rstrip("\n")
        lines.append(text)
        say(text)


def _shell(code: int) -> int:
    """An exit code as shells have it: a signal is 128 and its number."""
    return 128 - code if code < 0 else code


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
