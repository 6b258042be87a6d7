"""One dataset on this computer, without AWS: the same run_main.sh, with a folder in the place of the bucket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from runtime.protocol.keys import JobKeys
from runtime.protocol.status import DatasetStatus

GROUP = "local"
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class LocalRun:
    """What to run. `blueprint` is the analysis's folder and `script` a path in it; `data` a file or folder and `config` a file, both
    anywhere; `values` the configuration with its defaults. `target` gets a folder `{analysis}/` laid out like the bucket."""

    analysis: str
    blueprint: Path
    script: str
    data: Path
    config: Path
    values: Mapping[str, Any]
    target: Path
    duration_minutes: int = 60


@dataclass(frozen=True)
class LocalResult:
    """`folder` is the job's folder: logs/ and process_results/ are in it."""

    exit_code: int
    status: DatasetStatus
    folder: Path


def run_local(run: LocalRun, environment: Mapping[str, str] = os.environ) -> LocalResult:
    """Run it and wait. Output of the script goes to the job's logs. Raises FileNotFoundError for a missing blueprint, data or config."""
    for path in (run.blueprint / run.script, run.data, run.config):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Allowed: what is there. Check the path.")
    bucket = run.target.resolve() / run.analysis
    keys = JobKeys.of(GROUP, datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%f"))
    inputpath = f"{GROUP}/inputs/{run.data.resolve().name}"
    configpath = f"{GROUP}/configs/{run.config.name}"
    _link(bucket / inputpath, run.data)
    _link(bucket / configpath, run.config)
    name = Path(inputpath).name
    dataset = {"index": 0, "name": name, "inputpath": inputpath, "status_key": keys.status(name)}
    job = {"config": dict(run.values), "duration_minutes": run.duration_minutes, "datasets": [dataset]}
    with tempfile.TemporaryDirectory(prefix="neurocaas-run-") as scratch:
        folder = Path(scratch)
        tree = _tree(folder / "neurocaas_contrib", run.analysis, run.blueprint)
        (folder / "home").mkdir()
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        extra = {
            "NEUROCAAS_LOCAL_BUCKET_ROOT": str(run.target.resolve()),
            "NEUROCAAS_PYTHON": sys.executable,
            "NEUROCAAS_USERHOME": str(folder / "home"),
            "NEUROCAAS_JOB_FILE": str(folder / "job.json"),
            "NEUROCAAS_DATASET_INDEX": "0",
            "NEUROCAAS_DATASET": name,
            "NEUROCAAS_GROUP": GROUP,
        }
        script = f"{run.analysis}/{run.script}"
        command = ["bash", str(tree / "run_main.sh"), run.analysis, inputpath, keys.resultdir, configpath, script]
        code = subprocess.call(command, env={**environment, **extra}, cwd=folder / "home", stdout=subprocess.DEVNULL)
    status = DatasetStatus.from_json((bucket / keys.status(name)).read_bytes())
    return LocalResult(code, status, bucket / keys.prefix)


def _tree(target: Path, analysis: str, blueprint: Path) -> Path:
    """The code tree of a machine, out of links where nothing is written."""
    shutil.copytree(_HERE / "contrib", target)
    (target / "agent").symlink_to(_HERE / "agent")
    own = target / analysis
    own.mkdir()
    for path in blueprint.resolve().iterdir():
        (own / path.name).symlink_to(path)
    (own / "ncap_utils").symlink_to("../ncap_utils")
    return target


def _link(place: Path, source: Path) -> None:
    """`source` under the name of an object; data can be large, so nothing is copied."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    if not place.exists() or not place.samefile(source):
        place.symlink_to(source.resolve())
