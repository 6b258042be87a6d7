"""The golden test on a machine that started from an image: runs the analysis on its small dataset and
compares the numbers.

`python3 golden_check.py SETTINGS CODE.tar.gz GOLDEN` is a step of the test phase (`image_builder.golden`);
the file travels with the folder. With a fourth argument, a file, nothing is compared: that file gets the JSON
results, by their paths (`invoke golden`). It needs Python 3.10 and what it finds in the archive of the
analysis's code.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MARK = "neurocaas-golden"
"""Before the numbers that were found, in the build's log."""

EXPECTED, CONFIG, DATASET, SCRIPT = "expected.json", "config.json", "dataset", "dataset.sh"
TOLERANCE = 1e-6
"""Relative, where the file names no other: results have six significant digits, or more."""


class GoldenError(Exception):
    """The test could not be made, or the numbers differ. The text says where."""


def differences(expected: Any, found: Any, tolerance: float, where: str = "") -> Iterator[str]:
    """What is not as expected. Of objects only the expected members count; numbers may differ by `tolerance`
    of the expected one.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name, value in expected.items():
            yield from differences(
                value, found.get(name, "nothing"), tolerance, f"{where}.{name}" if where else name
            )
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found)):  # noqa: B905 (equal lengths)
            yield from differences(one, other, tolerance, f"{where}[{number}]")
    elif _number(expected) and _number(found):
        if not math.isclose(found, expected, rel_tol=tolerance):
            yield f"{where} is {found!r}, expected {expected!r} (give or take {tolerance:g} of it)"
    elif type(expected) is not type(found) or expected != found:
        yield f"{where} is {found!r}, expected {expected!r}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def picked(expected: Any, found: Any) -> Any:
    """The part of `found` that `expected` names."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return {name: picked(value, found[name]) for name, value in expected.items() if name in found}
    return found


def run(settings_file: Path, code: Path, golden: Path, scratch: Path) -> Path:
    """Run the analysis in `scratch`; returns the folder of its results. Raises GoldenError."""
    wanted = json.loads(settings_file.read_text(encoding="utf-8"))["code"]["sha256"]
    if hashlib.sha256(code.read_bytes()).hexdigest() != wanted:
        raise GoldenError(f"{code.name} is not the code that the stack names ({wanted})")
    tree = scratch / "neurocaas_contrib"
    with tarfile.open(code) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(tree)  # noqa: S202 (our own, checked above)
    return _run(
        settings_file.read_bytes(), tree, _dataset(golden, scratch / "dataset"), golden / CONFIG, scratch
    )


def collected(results: Path) -> dict[str, Any]:
    """All results that a golden test can look at: JSON objects, by their paths below the folder."""
    found = {}
    for file in sorted(results.rglob("*.json")):
        try:
            value = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(value, dict) and value:
            found[file.relative_to(results).as_posix()] = value
    return found


def check(settings_file: Path, code: Path, golden: Path, scratch: Path) -> dict[str, Any]:
    """Run the analysis in `scratch`; returns the numbers that were found. Raises GoldenError."""
    results = run(settings_file, code, golden, scratch)
    expected = json.loads((golden / EXPECTED).read_text(encoding="utf-8"))
    tolerance, found, wrong = float(expected.get("tolerance", TOLERANCE)), {}, []
    for path, values in expected["files"].items():
        file = results / path
        if not file.is_file():
            there = ", ".join(
                sorted(str(one.relative_to(results)) for one in results.rglob("*") if one.is_file())
            )
            wrong.append(f"{path} is not there (there are: {there or 'no results'})")
            continue
        try:
            result = json.loads(file.read_bytes())
        except ValueError as error:
            wrong.append(f"{path} is no JSON ({error})")
            continue
        found[path] = picked(values, result)
        wrong += [f"{path}: {difference}" for difference in differences(values, result, tolerance)]
    sys.stdout.write(f"{MARK} {json.dumps(found, sort_keys=True)}\n")
    if wrong:
        raise GoldenError("\n".join(wrong))
    return found


def _dataset(golden: Path, folder: Path) -> Path:
    if (golden / SCRIPT).is_file():
        folder.mkdir()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", str(golden / SCRIPT), str(folder)], cwd=golden, check=False
        )
        if done.returncode:
            raise GoldenError(f"{SCRIPT} ended with exit status {done.returncode}")
    else:
        folder = golden / DATASET
    made = sorted(folder.iterdir())
    if len(made) != 1:
        raise GoldenError(
            f"the dataset is {len(made)} files or folders "
            f"({', '.join(one.name for one in made)}); allowed: exactly one"
        )
    return made[0]


def _run(settings_json: bytes, tree: Path, dataset: Path, config: Path, scratch: Path) -> Path:
    """Run the analysis as a machine of a job does, with a folder in the place of the bucket; returns the
    folder of its results.
    """
    sys.path.insert(0, str(tree))
    from neurocaas.protocol.config import parse_single
    from neurocaas.protocol.keys import JobKeys
    from neurocaas.protocol.problems import InvalidInput
    from neurocaas.protocol.settings import AnalysisSettings

    settings = AnalysisSettings.from_json(settings_json)
    keys, group = JobKeys.of("golden", "golden"), "golden"
    bucket = scratch / "buckets" / settings.bucket
    inputpath, configpath = f"{group}/inputs/{dataset.name}", f"{group}/configs/{CONFIG}"
    text = config.read_bytes() if config.is_file() else b"{}\n"
    for path in (inputpath, configpath):
        (bucket / path).parent.mkdir(parents=True)
    (bucket / inputpath).symlink_to(dataset)
    (bucket / configpath).write_bytes(text)
    try:
        checked = parse_single(text, CONFIG, settings)
    except InvalidInput as error:
        raise GoldenError(f"{CONFIG}: {error}") from None
    row = {"index": 0, "name": dataset.name, "inputpath": inputpath, "status_key": keys.status(dataset.name)}
    job = {"config": dict(checked.values), "duration_minutes": checked.duration_minutes, "datasets": [row]}
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    (scratch / "home").mkdir()
    environment = {
        "NEUROCAAS_LOCAL_BUCKET_ROOT": str(scratch / "buckets"),
        "NEUROCAAS_PYTHON": sys.executable,
        "NEUROCAAS_USERHOME": str(scratch / "home"),
        "NEUROCAAS_JOB_FILE": str(scratch / "job.json"),
        "NEUROCAAS_DATASET_INDEX": "0",
        "NEUROCAAS_DATASET": dataset.name,
        "NEUROCAAS_GROUP": group,
    }
    command = [
        "bash",
        str(tree / "run_main.sh"),
        settings.bucket,
        inputpath,
        keys.resultdir,
        configpath,
        settings.script,
    ]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=scratch / "home",
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        errors = tree / "joberror.txt"
        said = (
            errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-10:]
            if errors.is_file()
            else []
        )
        raise GoldenError(
            "\n".join([*said, f"the analysis ended with exit status {done.returncode} on {dataset.name}"])
        )
    return bucket / keys.prefix / "process_results"


def main(arguments: list[str]) -> int:
    settings, code, golden, *results = (Path(argument).resolve() for argument in arguments)
    with tempfile.TemporaryDirectory(prefix="neurocaas-golden-") as scratch:
        try:
            if results:
                results[0].write_text(
                    json.dumps(collected(run(settings, code, golden, Path(scratch)))), encoding="utf-8"
                )
            else:
                check(settings, code, golden, Path(scratch))
        except GoldenError as error:
            for line in str(error).splitlines():
                sys.stderr.write(f"golden test: {line}\n")
            last = str(error).splitlines()[-1]
            sys.stderr.write(f"::error file=test/golden/{EXPECTED},line=1::{last}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
