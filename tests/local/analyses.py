"""The analyses that ship, on a machine that is a folder, with the packages of their images."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from localcloud.cache import cache_home
from tests.shell.machines import ROOT, Machine

EXAMPLES = ("decoder", "dti", "fmri")
LOCKS = [ROOT / "blueprints" / name / "provision" / "requirements.txt" for name in EXAMPLES]


def copy_analysis(machine: Machine, name: str) -> None:
    ignored = shutil.ignore_patterns("provision", "tests", "README.md", "blueprint.yaml", "__pycache__")
    shutil.copytree(ROOT / "blueprints" / name, machine.tree / name, ignore=ignored, dirs_exist_ok=True)


def example_python() -> Path:
    """A Python with the packages of all images, made once in the user's cache: their locks pin the same versions."""
    name = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS) + sys.version.encode()).hexdigest()[:16]
    environment = cache_home() / f"examples-test-{name}"
    if not (environment / ".complete").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        command = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--only-binary", ":all:", "--require-hashes"]
        for lock in LOCKS:
            command += ["--requirement", str(lock)]
        subprocess.run(command, check=True)
        (environment / ".complete").touch()
    return environment / "bin" / "python"


def run_example(machine: Machine, python: Path, analysis: str, dataset: Path, config: dict[str, Any]) -> tuple[int, Path]:
    """Exit code and the folder of the results."""
    copy_analysis(machine, analysis)
    inputs = machine.buckets / "mock" / "lab" / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    shutil.copy(dataset, inputs)
    machine.put("lab/configs/config.json", json.dumps(config))
    extra = {"ANALYSIS_PYTHON": str(python), "MPLCONFIGDIR": str(machine.root / "tmp" / "mpl")}
    done = machine.run(f"{analysis}/run_{analysis}.sh", f"lab/inputs/{dataset.name}", **extra)
    return done.returncode, machine.job / "process_results" / dataset.stem
