"""A machine that is a folder: buckets, a home and the code tree of the repository, and run_main.sh on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("MACHINE_PYTHON") or sys.executable
"""Of the machines. CI names one of the oldest version that the machine's code supports; it needs botocore."""


def build_tree(target: Path) -> Path:
    """The code tree of a machine, as the deployment packs it, without vendor/ (the tests' Python has
    botocore).
    """
    instance = ROOT / "runtime" / "instance"
    shutil.copytree(
        instance / "contrib", target, ignore=shutil.ignore_patterns("job*.txt", "statusdict.json")
    )
    shutil.copytree(instance / "agent", target / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    (target / "neurocaas").mkdir()
    shutil.copy(ROOT / "neurocaas" / "__init__.py", target / "neurocaas")
    shutil.copytree(
        ROOT / "neurocaas" / "protocol",
        target / "neurocaas" / "protocol",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return target


@dataclass
class Machine:
    """`buckets` stands for S3; the bucket is `mock`, the group `lab`, the job `results/job_1`."""

    root: Path
    tree: Path
    home: Path
    buckets: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "NEUROCAAS_PYTHON": PYTHON,
            "NEUROCAAS_USERHOME": str(self.home),
            "NEUROCAAS_LOCAL_BUCKET_ROOT": str(self.buckets),
        }

    @property
    def job(self) -> Path:
        return self.buckets / "mock" / "lab" / "results" / "job_1"

    def put(self, key: str, text: str) -> Path:
        path = self.buckets / "mock" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def script(self, text: str, name: str = "mock/run.sh", *, head: bool = True) -> str:
        """Write an analysis script; `head` gives it the guide's first lines."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        start = (
            '#!/bin/bash\nscriptpath="$(dirname "$0")/ncap_utils"\nsource "$scriptpath/workflow.sh"\nsource '
            '"$scriptpath/transfer.sh"\n'
        )
        path.write_text((start if head else "") + text, encoding="utf-8")
        return name

    def arguments(
        self, script: str, inputpath: str = "lab/inputs/data.zip", configpath: str = "lab/configs/config.json"
    ) -> list[str]:
        return [
            "bash",
            str(self.tree / "run_main.sh"),
            "mock",
            inputpath,
            "results/job_1",
            configpath,
            script,
        ]

    def run(
        self, script: str, inputpath: str = "lab/inputs/data.zip", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(script, inputpath),
            env={**self.environment, **extra},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def bash(self, text: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run `text` with the functions sourced."""
        utils = self.tree / "ncap_utils"
        head = f"source {utils}/paths.sh; source {utils}/workflow.sh; source {utils}/transfer.sh\n"
        return subprocess.run(
            ["bash", "-c", head + text],
            env={**self.environment, "neurocaasrootdir": str(self.tree), **extra},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def status(self, name: str = "data.zip") -> dict[str, Any]:
        return dict(
            json.loads((self.job / "logs" / f"DATASET_NAME:{name}_STATUS.txt").read_text(encoding="utf-8"))
        )

    def log(self, stream: str, name: str = "data.zip") -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self.job / "logs" / name).glob(f"{stream}.*")))


def new_machine(root: Path) -> Machine:
    """A machine below `root`, with an empty bucket."""
    for name in ("home", "buckets/mock", "tmp"):
        (root / name).mkdir(parents=True)
    return Machine(root, build_tree(root / "neurocaas_contrib"), root / "home", root / "buckets")


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for `condition` to be true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
