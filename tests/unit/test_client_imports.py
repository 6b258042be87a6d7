"""What the package loads before it is asked for something that needs it: a notebook and a shell that
completes wait for it each time. `benchmarks/imports.py` measures; here is what must not be among it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AWS = {"boto3", "botocore", "s3transfer", "awscrt"}
HEAVY = AWS | {
    *("rich", "yaml", "jsonschema", "PIL", "numpy", "pandas", "IPython", "ipywidgets", "pygments"),
    *("ssl", "http.client", "http.server", "urllib.request", "webbrowser", "asyncio", "sqlite3"),
}
AFTER = "\nimport json, sys\nsys.stderr.write('@' + json.dumps(sorted(sys.modules)))"


def loaded(program: str, **environ: str) -> set[str]:
    """The modules that a program has loaded in the end."""
    done = subprocess.run(
        [sys.executable, "-c", program + AFTER],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.rpartition("@")[2]))


def by_command_line(*words: str) -> str:
    return f"from neurocaas.cli import main\nmain({list(words)!r})"


def test_the_name_alone_loads_nothing() -> None:
    assert {name for name in loaded("import neurocaas") if name.startswith("neurocaas.")} == set()


def test_the_class_loads_nothing_of_aws() -> None:
    found = loaded("from neurocaas import Analysis, AnalysisError, JobHandle")
    assert "neurocaas.analysis" in found
    assert found & (HEAVY | {"click"}) == set()


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["jobs", "--help"], ["jbs"], ["submit", "--zzz"], ["completion", "bash"]],
)
def test_help_and_mistakes_load_no_more_than_the_command_line(words: list[str]) -> None:
    found = loaded(by_command_line(*words))
    assert "click" in found
    assert found & HEAVY == set()
    assert not found & {"neurocaas.analysis", "neurocaas.job", "neurocaas.view", "neurocaas.openid"}


def test_completion_of_a_command_asks_nobody() -> None:
    program = "from neurocaas.__main__ import program\ntry:\n    program()\nexcept SystemExit:\n    pass"
    environ = {"_NEUROCAAS_COMPLETE": "bash_complete", "COMP_WORDS": "neurocaas res", "COMP_CWORD": "1"}
    found = loaded(f"import sys\nsys.argv[0] = 'neurocaas'\n{program}", **environ)
    assert "click.shell_completion" in found
    assert found & HEAVY == set()


def test_what_is_needed_is_loaded_when_it_is() -> None:
    """So the others do not pass because nothing is seen."""
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    assert loaded("import neurocaas\nneurocaas.Analysis('dti', 'lab')", **keys) >= {"boto3", "botocore"}
