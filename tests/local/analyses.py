"""The analyses that ship, on a machine that is a folder, with the packages of their images."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.local.environments import environment
from tests.shell.machines import ROOT, Machine

EXAMPLES = ("decoder", "dti", "fmri")
FMRI = {"head": 1065, "tsnr": 103.434, "variance": [0.102963, 0.0862083, 0.0709209]}
"""What the README of `fmri` says of its sample."""
LOCKS = [ROOT / "blueprints" / name / "provision" / "requirements.txt" for name in EXAMPLES]


def copy_analysis(machine: Machine, name: str) -> None:
    ignored = shutil.ignore_patterns("provision", "tests", "README.md", "blueprint.yaml", "__pycache__")
    shutil.copytree(ROOT / "blueprints" / name, machine.tree / name, ignore=ignored, dirs_exist_ok=True)


def example_python() -> Path:
    """A Python with the packages of all images: their locks pin the same versions."""
    return environment("examples", LOCKS) / "bin" / "python"


def run_example(
    machine: Machine, python: Path, analysis: str, dataset: Path, config: dict[str, Any]
) -> tuple[int, Path]:
    """Exit code and the folder of the results."""
    copy_analysis(machine, analysis)
    inputs = machine.buckets / "mock" / "lab" / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    shutil.copy(dataset, inputs)
    machine.put("lab/configs/config.json", json.dumps(config))
    extra = {"ANALYSIS_PYTHON": str(python), "MPLCONFIGDIR": str(machine.root / "tmp" / "mpl")}
    done = machine.run(f"{analysis}/run_{analysis}.sh", f"lab/inputs/{dataset.name}", **extra)
    return done.returncode, machine.job / "process_results" / dataset.stem


def directly(python: Path, code: str, *files: object) -> dict[str, Any]:
    """What a program in the packages' own words finds in the files."""
    command = [str(python), "-c", code, *map(str, files)]
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    return dict(
        json.loads(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        )
    )
