"""What an installed package must do, on any system: run by the Python that it is installed for, from any
folder.

`python installed.py` needs nothing but that Python, and no network. With AWS_ENDPOINT_URL in its environment
(where bucket `dti` has a job of group `debuggers` that has succeeded) it uses that service too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PROGRAM = Path(sysconfig.get_path("scripts")) / ("neurocaas.exe" if os.name == "nt" else "neurocaas")
KEPT = (
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


def run(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The program in `folder`, whose sub-folder `home` is the person's. It knows nothing of the shell's."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    clean = {name: os.environ[name] for name in KEPT if name in os.environ}
    places = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    own = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.run(
        [str(PROGRAM), *words],
        cwd=folder,
        env={**clean, **places, **own, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


def said(done: subprocess.CompletedProcess[bytes], code: int) -> str:
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == code, f"{done.args} ended with {done.returncode}, not {code}:\n{text}"
    assert "Traceback" not in text, text
    return text


def files() -> None:
    """Only `neurocaas` and what describes it, and the program."""
    found = importlib.metadata.distribution("neurocaas")
    assert found.files
    tops = {file.parts[0] for file in found.files if file.parts[0] != ".."}
    assert tops == {"neurocaas", f"neurocaas-{found.version}.dist-info"}, tops
    assert {file.name for file in found.files if file.parts[0] == ".."} <= {PROGRAM.name}
    assert (Path(str(found.locate_file("neurocaas"))) / "py.typed").is_file()


def modules() -> None:
    """Each can be imported here: what a system has not is not asked for."""
    import neurocaas

    assert Path(neurocaas.__file__).parent == Path(
        str(importlib.metadata.distribution("neurocaas").locate_file("neurocaas"))
    ), neurocaas.__file__
    names = [one.name for one in pkgutil.walk_packages(neurocaas.__path__, "neurocaas.")]
    assert len(names) > 50
    for name in names:
        importlib.import_module(name)
    from neurocaas import Analysis, AnalysisError

    assert callable(Analysis)
    assert issubclass(AnalysisError, Exception)


def program(folder: Path) -> None:
    """Help, version, mistakes; and what it says to somebody without credentials."""
    assert said(run(folder, "--version"), 0).split() == ["neurocaas", importlib.metadata.version("neurocaas")]
    assert "Results:" in said(run(folder, "--help"), 0)
    assert "did you mean `neurocaas jobs`?" in said(run(folder, "jbs"), 2)
    without = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    text = said(run(folder, "jobs", "--analysis", "dti", "--group", "debuggers", **without), 2)
    assert "credentials" in text
    assert "  do: " in text
    for encoding in ("cp1252", "utf-8"):
        said(run(folder, "submit", "--help", PYTHONIOENCODING=encoding), 0)
    assert "_NEUROCAAS_COMPLETE" in said(run(folder, "completion", "zsh"), 0)


def service(folder: Path) -> None:
    """A job is found, told and fetched."""
    where = ("--analysis", "dti", "--group", "debuggers")
    listed = run(folder, "jobs", *where, "--json")
    said(listed, 0)
    assert json.loads(listed.stdout)
    assert "done" in said(run(folder, "jobs", *where), 0)
    said(run(folder, "status", "last", *where), 0)
    said(run(folder, "results", "last", *where, "--to", "here"), 0)
    assert (folder / "here" / "manifest.json").is_file()
    from neurocaas import Analysis

    names = [one.job for one in Analysis("dti", "debuggers").jobs()]
    assert names == ["done"], names


def main() -> None:
    files()
    modules()
    with tempfile.TemporaryDirectory() as place:
        program(Path(place))
        if os.environ.get("AWS_ENDPOINT_URL"):
            service(Path(place))
    sys.stdout.write(
        f"neurocaas {importlib.metadata.version('neurocaas')} works on Python {sys.version.split()[0]}\n"
    )


if __name__ == "__main__":
    main()
