"""The golden test without a bake: on a clean root of this computer, with the code as the blueprint's folder
has it now.

The root is the baked image, where the blueprint records one of the local cloud that is of these scripts; else
the parent, on which the provisioning scripts run first, each into a layer that is kept: the next run begins
after the last script that is as it was. What the test writes is thrown away.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints import Blueprint, parent_of
from blueprints.golden import FOLDER
from blueprints.provision import Provision, sha256_of
from image_builder import golden, golden_check, provenance
from image_builder.recording import replay
from image_builder.recording.errors import RecordingError
from image_builder.recording.root import Channel, CleanRoot, CleanRoots
from image_builder.versions import GENERATOR
from neurocaas.protocol.settings import Code, Image

INSIDE = "/run/neurocaas-golden-test"
_SAME = 1e-11
Say = Callable[[str], None]
Numbers = Mapping[str, Mapping[str, Any]]
"""Members of JSON results, by the paths of these below process_results/."""


@dataclass(frozen=True)
class Tried:
    """One run. `found`: all JSON results; `where`: what it ran on, for people."""

    found: Numbers
    where: str


def try_golden(
    roots: CleanRoots,
    blueprint: Blueprint,
    provision: Provision,
    code: bytes,
    sha256: str,
    say: Say,
    *,
    times: int,
) -> list[Tried]:
    """Run the analysis on its golden dataset, one or more `times`. Raises RecordingError when it does not
    come to its end.
    """
    with (
        _root(roots, blueprint, provision, say) as (root, where),
        tempfile.TemporaryDirectory(prefix="neurocaas-golden-") as name,
    ):
        folder = Path(name)
        (folder / "code.tar.gz").write_bytes(code)
        (folder / "settings.json").write_text(_settings(blueprint, sha256), encoding="utf-8")
        shutil.copytree(blueprint.folder / "provision" / FOLDER, folder / "golden")
        shutil.copy(golden.program(), folder / "check.py")
        say(f"the golden test of {blueprint.name}, on {where}")
        return [Tried(_run(root, folder, number), where) for number in range(times)]


@contextmanager
def _root(
    roots: CleanRoots, blueprint: Blueprint, provision: Provision, say: Say
) -> Iterator[tuple[CleanRoot, str]]:
    name, image = f"golden-{blueprint.name}", blueprint.image.baked(roots.account, roots.region)
    if image is not None and _is_of(image, f"{roots.account}/{roots.region}", blueprint, provision):
        root = roots.open(name, image)
        try:
            yield root, f"the image {image}"
        finally:
            root.close()
        return
    layers = _provisioned(roots, name, blueprint, provision, say)
    with replay.clean_root(roots, name, blueprint, over=layers) as root:
        yield (
            root,
            f"a clean root of {blueprint.image.parent}{', after the provisioning scripts' if layers else ''}",
        )


def _is_of(image: str, place: str, blueprint: Blueprint, provision: Provision) -> bool:
    """Whether an image was baked from the scripts as they are now, as far as `bake.json` tells."""
    known = provenance.read(blueprint.folder).get(place, {})
    if known.get("image_id") != image or not known.get("scripts"):
        return True
    then = {path: digest for path, digest in known["scripts"].items() if not path.startswith(f"{FOLDER}/")}
    return then == {path: sha256_of(file) for path, file in provision.material}


def _provisioned(
    roots: CleanRoots, name: str, blueprint: Blueprint, provision: Provision, say: Say
) -> list[str]:
    """The layers that the scripts of the build phase leave, nearest first. Only those run whose layer is not
    there, and what follows.
    """
    scripts = [script for script in provision.scripts if script.phase == "build"]
    parent = parent_of(blueprint, roots.account, roots.region).for_image_builder
    made = hashlib.sha256(f"{GENERATOR}\0{parent}\0".encode())
    files = dict(provision.files)
    for path in provision.extra_files:
        made.update(f"{path}\0{sha256_of(files[path])}\0".encode())
    layers: list[str] = []
    there = roots.kept(name)
    for script in scripts:
        made.update(f"{script.path}\0{script.text}\0".encode())
        layer = made.hexdigest()[:32]
        if layer not in there:
            there = []  # what comes after it stood on another
            say(
                f"{script.path} runs first, on "
                f"{'the layers of what came before it' if layers else 'a clean root'}"
            )
            root = roots.open(name, parent, over=layers)
            failure = replay.run(
                root, blueprint.name, Provision((script,), provision.files), say, phases=("build",)
            )
            if failure is not None:
                root.close()
                do = (
                    f"correct blueprints/{blueprint.name}/provision/; `invoke verify-recording --analysis "
                    f"{blueprint.name}` replays it"
                )
                raise RecordingError(
                    f"the provisioning scripts fail: {failure}", "scripts that run to their end", do
                )
            root.keep(layer)
        layers.insert(0, layer)
    roots.forget(name, layers)
    return layers


def _run(root: CleanRoot, folder: Path, number: int) -> Numbers:
    results = folder / f"found-{number}.json"
    program = [
        "python3",
        "-B",
        *(
            f"{INSIDE}/{name}"
            for name in ("check.py", "settings.json", "code.tar.gz", "golden", results.name)
        ),
    ]
    command = ["/bin/bash", "-c", 'umask 022; cd /tmp; exec "$@"', "golden", *program]
    process = root.start(
        command, {"HOME": "/root"}, Channel(folder, INSIDE), stdin=subprocess.DEVNULL, stdout=2, stderr=2
    )
    status = process.wait()
    if status or not results.is_file():
        got = f"a run that ended with exit status {status}; what it said is above"
        raise RecordingError(
            got, "an analysis that succeeds on its golden dataset", "correct it, and try again"
        )
    found: Numbers = json.loads(results.read_text(encoding="utf-8"))
    return found


def _settings(blueprint: Blueprint, sha256: str) -> str:
    """What a stack would tell about the analysis, as far as one run asks for it."""
    return blueprint.settings(
        bucket=blueprint.bucket or blueprint.name,
        region="us-east-1",
        account="0" * 12,
        groups={},
        prices=dict.fromkeys(blueprint.instance.types, 0.0),
        prices_date="",
        image=Image("ami-0", ready=False),
        code=Code("artifacts", f"code/{sha256}.tar.gz", sha256),
        ledger_table="none",
        queue_url="none",
    ).to_json()


def stored(folder: Path) -> dict[str, Any] | None:
    """What `expected.json` of a golden folder says; None when there is none."""
    file = folder / golden_check.EXPECTED
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{file}, which cannot be read ({error})", "JSON", "correct it, or remove it"
        ) from None
    if not isinstance(said, dict) or not isinstance(said.get("files"), dict):
        raise RecordingError(
            f"{file}, which has no numbers", 'an object with "files"', "correct it, or remove it"
        )
    return said


def wrong(expected: Mapping[str, Any], found: Numbers) -> list[str]:
    """What is not as expected, a line each, as the test phase of a bake would say it."""
    said: list[str] = []
    for path, values in expected["files"].items():
        if path not in found:
            said.append(f"{path} is not there, or no JSON object (there are: {', '.join(found) or 'none'})")
            continue
        tolerance = float(expected.get("tolerance", golden_check.TOLERANCE))
        said += [
            f"{path}: {difference}" for difference in golden_check.differences(values, found[path], tolerance)
        ]
    return said


def accepted(expected: Mapping[str, Any] | None, runs: list[Numbers]) -> dict[str, Any]:
    """The numbers to expect from now on: the members that are expected already, with what was found; without
    any, all that the runs have in common. Raises RecordingError when that is nothing."""
    first, tolerance = runs[0], float((expected or {}).get("tolerance", golden_check.TOLERANCE))
    if expected is None:
        kept = {
            path: alike
            for path, values in first.items()
            if (alike := _alike(values, [run.get(path) for run in runs[1:]]))
        }
        made: dict[str, Any] = {"files": kept, "tolerance": tolerance}
    else:
        picked = {
            path: golden_check.picked(values, first[path])
            for path, values in expected["files"].items()
            if path in first
        }
        made = {**expected, "files": {path: values for path, values in picked.items() if values}}
    if not made["files"]:
        allowed = "at least one result NAME.json that is an object, and the same at each run"
        do = "have the script write such a summary of its results"
        raise RecordingError("results without numbers that a golden test can look at", allowed, do)
    return made


def _alike(values: Mapping[str, Any], others: list[Any]) -> dict[str, Any]:
    """The members that are the same in all `others`, at any depth: to eleven digits, for sums of many threads
    differ in the last ones, and the seconds since 1970 must."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        same = [
            other.get(name, golden_check) if isinstance(other, Mapping) else golden_check for other in others
        ]
        if isinstance(value, Mapping):
            if inner := _alike(value, same):
                kept[name] = inner
        elif not any(list(golden_check.differences(value, other, _SAME)) for other in same):
            kept[name] = value
    return kept


def text_of(expected: Mapping[str, Any]) -> str:
    """`expected.json`."""
    return json.dumps(expected, indent=2, ensure_ascii=False) + "\n"


def diff(folder: Path, text: str) -> str:
    """How a new `expected.json` differs from the one that is there; "" when it does not."""
    file = folder / golden_check.EXPECTED
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = difflib.unified_diff(
        before.splitlines(), text.splitlines(), "expected.json", "expected.json, found now", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)
