"""One dataset on this computer, without AWS: the same run_main.sh, with a folder in the place of the bucket,
in a place that looks like a machine (`sandbox`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from neurocaas.protocol.certificate import SetupLog, end_line, final_line
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.normal import normal_text
from neurocaas.protocol.status import NONE, SUCCESS, DatasetStatus
from runtime.local import sandbox

GROUP = "local"
_RUNTIME = Path(__file__).resolve().parents[1]
_PACKAGE = _RUNTIME.parent / "neurocaas"
_LOGS = ("joboutput.txt", "joberror.txt")
_EVERY = 0.2
"""Seconds between two looks at the script's output."""

Hear = Callable[[bytes], object]
"""Is given the script's output while it runs."""


@dataclass(frozen=True)
class LocalRun:
    """What to run. `blueprint` is the analysis's folder and `script` a path in it; `data` a file or folder
    and `config` a file, both anywhere; `values` the configuration with its defaults. `target` gets a folder
    `{analysis}/` laid out like the bucket. `python` is the one that has the analysis's packages; `make_room`
    makes the place of the run (None: on this computer, without a sandbox). `secrets`: their values, which the
    script finds in its environment."""

    analysis: str
    blueprint: Path
    script: str
    data: Path
    config: Path
    values: Mapping[str, Any]
    target: Path
    duration_minutes: int = 60
    python: Path | None = None
    make_room: sandbox.MakeRoom | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LocalResult:
    """`folder` is the job's folder: logs/ and process_results/ are in it. `exit_code` is the script's."""

    exit_code: int
    status: DatasetStatus
    folder: Path

    def files(self) -> list[tuple[str, int]]:
        """What appeared: path below `folder` and bytes, sorted."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted((path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in found)


def run_local(
    run: LocalRun, hear: Hear | None = None, tell: Callable[[str], object] | None = None
) -> LocalResult:
    """Run it and wait. Output of the script goes to the job's logs, and to `hear`; `tell` hears before what
    is not as on a machine. Raises FileNotFoundError for a missing blueprint, data or config."""
    for path in (run.blueprint / run.script, run.data, run.config):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Allowed: what is there. Check the path.")
    bucket = run.target.resolve() / run.analysis
    data = run.data.resolve()
    started = datetime.now(timezone.utc)
    keys = JobKeys.of(GROUP, started.strftime("%Y-%m-%dT%H-%M-%S.%f"))
    inputpath = f"{GROUP}/inputs/{data.name}"
    configpath = f"{GROUP}/configs/{run.config.name}"
    _link(bucket / inputpath, data)
    # as the service hands it on: checked, with its defaults
    _write(bucket / configpath, normal_text(run.values))
    name = data.name
    inputpath += "/" if data.is_dir() else ""
    dataset = {"index": 0, "name": name, "inputpath": inputpath, "status_key": keys.status(name)}
    job = {"config": dict(run.values), "duration_minutes": run.duration_minutes, "datasets": [dataset]}
    job["secrets"] = sorted(run.secrets)
    with tempfile.TemporaryDirectory(prefix="neurocaas-run-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch).resolve()
        needs = [
            run.blueprint.resolve(),
            data,
            *sandbox.prefixes(Path(sys.executable)),
            Path(sys.base_prefix),
        ]
        needs += sandbox.prefixes(run.python) if run.python else []
        room = (run.make_room or sandbox.rooms(os.environ))(folder, needs, bucket)
        tree = _tree(folder / "own/home/ubuntu/neurocaas_contrib", run.analysis, run.blueprint)
        (tree / "job.json").write_text(json.dumps(job), encoding="utf-8")
        extra = {
            "NEUROCAAS_LOCAL_BUCKET_ROOT": str(bucket.parent),
            "NEUROCAAS_PYTHON": room.python,
            "NEUROCAAS_JOB_FILE": str(room.code / "job.json"),
            "NEUROCAAS_DATASET_INDEX": "0",
            "NEUROCAAS_DATASET": name,
            "NEUROCAAS_GROUP": GROUP,
            **run.secrets,
            **({"ANALYSIS_PYTHON": str(run.python.absolute())} if run.python else {}),
        }
        script = f"{run.analysis}/{run.script}"
        main = str(room.code / "run_main.sh")
        start = room.start(["bash", main, run.analysis, inputpath, keys.resultdir, configpath, script], extra)
        if tell:
            tell(room.differs)
        with _heard([tree / log for log in _LOGS], hear):
            code = subprocess.call(
                start.command, env=start.environment, cwd=start.folder, stdout=subprocess.DEVNULL
            )
    status = DatasetStatus.from_json((bucket / keys.status(name)).read_bytes())
    _close(bucket, keys, run, inputpath, status, started)
    return LocalResult(code, status, bucket / keys.prefix)


def _close(
    bucket: Path, keys: JobKeys, run: LocalRun, inputpath: str, status: DatasetStatus, started: datetime
) -> None:
    """The certificate and end.txt, which the manager and the monitor write in AWS."""
    now = datetime.now(timezone.utc)
    log = SetupLog(started, run.analysis, keys.timestamp)
    log.manager("Run on this computer (invoke run-local): no machine was started.", started)
    reason = None if status.reason == NONE else status.reason
    (bucket / keys.certificate).write_text(
        log.render([final_line(inputpath, status.status, iso(now), reason)]), encoding="utf-8"
    )
    (bucket / keys.end).write_text(end_line(int(status.status == SUCCESS), 1), encoding="utf-8")


@contextmanager
def _heard(logs: list[Path], hear: Hear | None) -> Iterator[None]:
    """Passes on what is added to `logs` while the body runs, and what is left at its end."""
    if hear is None:
        yield
        return
    positions, over = dict.fromkeys(logs, 0), threading.Event()

    def follow() -> None:
        last = False
        while not last:
            last = over.wait(_EVERY)
            for log in logs:
                if log.is_file():
                    with log.open("rb") as file:
                        file.seek(positions[log])
                        if text := file.read():
                            positions[log] += len(text)
                            hear(text)

    follower = threading.Thread(target=follow, name="output")
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _tree(target: Path, analysis: str, blueprint: Path) -> Path:
    """The code tree of a machine; the analysis's own files are links."""
    shutil.copytree(_RUNTIME / "instance" / "contrib", target)
    pycache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_RUNTIME / "instance" / "agent", target / "agent", ignore=pycache)
    shutil.copytree(_PACKAGE / "protocol", target / "neurocaas" / "protocol", ignore=pycache)
    shutil.copy(_PACKAGE / "__init__.py", target / "neurocaas")
    sandbox.mask_programs(target)
    own = target / analysis
    own.mkdir()
    for path in blueprint.resolve().iterdir():
        (own / path.name).symlink_to(path)
    if not (own / "ncap_utils").exists():  # scripts of the first implementation bring their own
        (own / "ncap_utils").symlink_to("../ncap_utils")
    return target


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_text(text, encoding="utf-8")


def _link(place: Path, source: Path) -> None:
    """`source` under the name of an object; data can be large, so nothing is copied."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    if not place.exists() or not place.samefile(source):
        place.symlink_to(source.resolve())
