"""The values of a configuration file, as the job has them. Standard library, Python 3.7: the content of the
job's own is known from its description; only where there is no job is the file itself read.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def content(path: Path) -> Any:
    """Of a configuration file; the job's own is known already. Raises ValueError for one that is neither JSON
    nor YAML.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)  # the job's configuration is JSON under every name
    except ValueError:
        if path.suffix.lower() == ".json":
            raise
    known = _of_the_job(path)
    return _yaml(text, path.name) if known is None else known


def _of_the_job(path: Path) -> Any:
    if path.name != os.environ.get("configname"):  # noqa: SIM112  (run_main.sh's)
        return None
    whole, job = os.environ.get("NEUROCAAS_CONFIG"), os.environ.get("NEUROCAAS_JOB_FILE")
    if whole and Path(whole).is_file():
        return json.loads(Path(whole).read_text(encoding="utf-8"))
    return json.loads(Path(job).read_text(encoding="utf-8"))["config"] if job else None


def _yaml(text: str, name: str) -> Any:
    """As the service reads it, where this Python can; else as PyYAML does."""
    here = Path(__file__).resolve().parents[2]
    root = here if (here / "neurocaas").is_dir() else here.parents[2]
    sys.path += [str(path) for path in (root, here / "vendor") if path.is_dir() and str(path) not in sys.path]
    try:
        from neurocaas.protocol import problems, yaml12  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, SyntaxError, TypeError):
        return _yaml_of_this_python(text)
    try:
        return yaml12.load(text, name)
    except problems.InvalidInput as error:
        raise ValueError("; ".join(problem.got for problem in error.problems)) from None


def _yaml_of_this_python(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
