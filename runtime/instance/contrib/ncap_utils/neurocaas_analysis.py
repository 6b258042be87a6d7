"""For analysis programs in Python: configuration, datasets, progress, and mistakes in data told to the user.

Standard library only, Python 3.8 or later: it is imported by the analysis's own Python. A script that has
sourced ncap_utils/workflow.sh puts it on the path: `PYTHONPATH="$scriptpath" python program.py`.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

UNUSABLE = 65
"""Exit code for data or a configuration that cannot be used (EX_DATAERR of sysexits.h)."""


class Unusable(Exception):
    """The data or the configuration is not what the analysis takes; the text is for the user."""


def say(fraction: float, text: str) -> None:
    """A progress line (0 to 1), which shows up in the status of the dataset."""
    sys.stdout.write(f"::progress {fraction} {text}\n")
    sys.stdout.flush()


def parameters(config: Path, defaults: Mapping[str, Any]) -> Dict[str, Any]:
    """The values of the names in `defaults`: of the configuration file, of the job's configuration (which is
    checked and filled), else the default. Without a job the file must be JSON."""
    given = _of_the_job()
    try:
        own = json.loads(config.read_text(encoding="utf-8-sig"))
        given = {**(given or {}), **own}
    except (ValueError, TypeError) as error:
        if given is None:
            raise Unusable(
                f"{config.name} is not a JSON object: {error}. Allowed: a JSON object. Correct "
                "the configuration."
            ) from error
    return {name: given.get(name, default) for name, default in defaults.items()}


def _of_the_job() -> Optional[Dict[str, Any]]:
    config, job = os.environ.get("NEUROCAAS_CONFIG"), os.environ.get("NEUROCAAS_JOB_FILE")
    if config and Path(config).is_file():
        return dict(json.loads(Path(config).read_text(encoding="utf-8")))
    return dict(json.loads(Path(job).read_text(encoding="utf-8"))["config"]) if job else None


def dataset_files(data: Path, folder: Path) -> List[Path]:
    """The files of a dataset that is a folder or a zip file (unpacked into `folder`), without what operating
    systems add.
    """
    if data.is_file():
        try:
            with zipfile.ZipFile(data) as archive:
                archive.extractall(folder)
        except zipfile.BadZipFile as error:
            raise Unusable(
                f"{data.name} is not a zip file. Allowed: a zip file or a folder. Pack the files together."
            ) from error
        except (RuntimeError, OSError, EOFError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            # It has a password, an uncommon method, names that cannot be files, or is not whole.
            raise Unusable(
                f"{data.name} cannot be unpacked: {error}. Allowed: an ordinary zip file. Pack it anew."
            ) from error
        data = folder
    return [path for path in sorted(data.rglob("*")) if path.is_file() and not _added_by_a_system(path)]


def _added_by_a_system(path: Path) -> bool:
    return (
        "__MACOSX" in path.parts or path.name[0] == "." or path.name.lower() in ("thumbs.db", "desktop.ini")
    )


def exactly_one(what: str, found: Sequence[Path], allowed: str) -> Path:
    """The only path in `found`; `allowed` says of which there must be exactly one."""
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise Unusable(f"{what}: got {names}. Allowed: exactly one {allowed}. Correct the dataset.")
    return found[0]


def number(value: Any) -> float:
    """Six significant digits: what does not depend on the processor."""
    return float(f"{float(value):.6g}")


def program(main: Callable[..., None], *arguments: str) -> None:
    """Call `main` with the command line's paths and exit: 0, or 65 with one message for data that cannot be
    used.
    """
    try:
        main(*(Path(argument) for argument in arguments or sys.argv[1:]))
    except Unusable as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")  # what libraries say can have several lines
        sys.exit(UNUSABLE)
