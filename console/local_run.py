"""`invoke run-local`: an analysis on this computer, without AWS."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from blueprints.model import Blueprint
    from neurocaas.protocol.config import JobConfig
    from runtime.local.sandbox import MakeRoom

ROOT = Path(__file__).resolve().parents[1]
_BAKED_HERE = "an image that was baked on this computer"


@task(
    name="run-local",
    help={
        "analysis": "The analysis: a folder of blueprints/.",
        "data": "The dataset: a file or a folder, anywhere.",
        "config": "The configuration: a JSON or YAML file, anywhere. The analysis's defaults when left out.",
        "to": "Gets the folder ANALYSIS/, laid out like the analysis's bucket.",
        "python": (
            "The Python that has the analysis's packages ($ANALYSIS_PYTHON for its script); where the image "
            "has it when left out."
        ),
        "image": "Run in the root of the analysis's image that was baked on this computer.",
        "json": "One JSON object on standard output; the script's output goes to standard error in any case.",
    },
)
def run_local(
    c: Context,
    analysis: str = "",
    data: str = "",
    config: str = "",
    to: str = "results/local",
    python: str = "",
    image: bool = False,
    json: bool = False,
) -> None:
    """Run an analysis on this computer: the same run_main.sh, with a folder in the place of the bucket.

    What the analysis needs has to be installed here, or is in its image (--image). Where bubblewrap works the
    script has a home, folders and processes of its own, as on a machine; in any case nothing else of this
    computer is written, removed or switched off by what we give it. The exit code is the script's; 1 also
    when something is missing.
    """
    from neurocaas.protocol.problems import InvalidInput, Problem
    from runtime.local import run as local

    blueprint = _blueprint(analysis)
    baked = _baked(blueprint) if image else None
    source = _existing("--data", data, "a file, or a folder with files", "Name the dataset", _has_content)
    target = Path(to)
    file = (
        _existing("--config", config, "a JSON or YAML file", "Name one, or leave --config out", Path.is_file)
        if config
        else None
    )
    if target.exists() and not target.is_dir():
        raise InvalidInput(
            [
                Problem(
                    "--to",
                    f"{to}, which is a file",
                    "a folder",
                    "Name a folder; it is made if it is not there",
                )
            ]
        )
    file = file or _empty(target, analysis)
    checked = _checked(blueprint, file)
    for text in checked.notes:
        _hear(f"run-local: {text}\n".encode())
    run = local.LocalRun(
        analysis,
        blueprint.folder,
        blueprint.script,
        source,
        file,
        checked.values,
        target,
        checked.duration_minutes,
        Path(python) if python else None,
        secrets=_secrets(blueprint),
    )
    with _rooms(baked) as make_room:
        result = local.run_local(
            replace(run, make_room=make_room), _hear, lambda text: _hear(f"run-local: {text}\n".encode())
        )
    _show(result, as_json=json)
    if result.exit_code:
        raise Exit(code=result.exit_code)


def _secrets(blueprint: "Blueprint") -> dict[str, str]:
    """The values of the blueprint's secrets, from the environment. Raises InvalidInput for those that it does
    not have."""
    from neurocaas.protocol.problems import InvalidInput, Problem

    missing = [name for name in blueprint.secrets if not os.environ.get(name)]
    if missing:
        allowed = "a variable of the environment for each secret of the blueprint"
        do = f"export {missing[0]}=…; the values that `invoke secret` stores are for machines alone"
        raise InvalidInput([Problem("secrets", f"no value of {', '.join(missing)}", allowed, do)])
    return {name: os.environ[name] for name in blueprint.secrets}


def _blueprint(analysis: str) -> "Blueprint":
    import blueprints
    from neurocaas.protocol.problems import InvalidInput, Problem

    if not analysis:
        known = ", ".join(blueprints.names(ROOT))
        raise InvalidInput([Problem("--analysis", "nothing", known, "Name the analysis")])
    return blueprints.load(analysis, blueprints.Stage.WEBDEV, ROOT)


@contextmanager
def _rooms(image: str | None) -> Iterator["MakeRoom"]:
    """Where runs take place: on this computer, or in the root of an image that was baked here."""
    from localcloud.bubblewrap import find_bubblewrap
    from runtime.local import sandbox

    if image is None:
        yield sandbox.rooms(os.environ, find_bubblewrap())
        return
    from localcloud.images.rootrun import image_root
    from localcloud.images.store import ImageError
    from neurocaas.protocol.problems import InvalidInput, Problem
    from runtime.local.image import in_image

    try:
        with image_root(image, os.environ) as root:
            yield in_image(root)
    except ImageError as error:
        got = " ".join(str(error).split())
        raise InvalidInput(
            [Problem("--image", got, _BAKED_HERE, "Bake it in the local cloud, or leave --image out")]
        ) from error


def _baked(blueprint: "Blueprint") -> str:
    from localcloud.cloud import ACCOUNT, DEFAULT_REGION
    from neurocaas.protocol.problems import InvalidInput, Problem

    found = blueprint.image.baked(ACCOUNT, DEFAULT_REGION)
    if found is None:
        do = f"Bake it (`invoke --local bake-ami --analysis {blueprint.name}`), or leave --image out"
        raise InvalidInput([Problem("--image", f"no image of {blueprint.name}", _BAKED_HERE, do)])
    return found


def _existing(flag: str, path: str, allowed: str, do: str, good: Callable[[Path], bool]) -> Path:
    from neurocaas.protocol.problems import InvalidInput, Problem, shown

    place = Path(path)
    if not path:
        got = "nothing"
    elif not place.exists():
        got = f"{shown(path)}, which does not exist"
    elif path != path.encode(errors="replace").decode():
        got = f"{shown(path)}, a name that is not UTF-8"
    elif not good(place):
        got = f"{shown(path)}, which is not that"
    else:
        return place
    raise InvalidInput([Problem(flag, got, allowed, do)])


def _has_content(place: Path) -> bool:
    return place.is_file() or any(path.is_file() for path in place.rglob("*"))


def _empty(target: Path, analysis: str) -> Path:
    """A configuration that leaves everything to the defaults."""
    path = target / analysis / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n", encoding="utf-8")
    return path


def _checked(blueprint: "Blueprint", file: Path) -> "JobConfig":
    """The configuration as the manager would check it. Raises InvalidInput with every problem."""
    from neurocaas.protocol.config import parse_single

    return parse_single(file.read_bytes(), file.name, blueprint.config_rules)


def _hear(text: bytes) -> None:
    sys.stderr.buffer.write(text)
    sys.stderr.flush()


def _show(result: Any, *, as_json: bool) -> None:
    files = result.files()
    if as_json:
        document = {
            "exit_code": result.exit_code,
            "status": result.status.status,
            "reason": result.status.reason,
            "folder": str(result.folder),
            "files": [{"path": path, "bytes": size} for path, size in files],
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write(f"{result.folder}\n" + "".join(f"  {path}  {size} bytes\n" for path, size in files))
    code, reason = f"exit code {result.exit_code}", result.status.reason
    end = code if result.exit_code == 0 else reason if code in reason else f"{code}: {reason}"
    sys.stdout.write(f"{result.status.status}, {end}\n")


collection = Collection(run_local)
