"""`invoke golden`: an analysis's golden test without a bake, and new numbers for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from image_builder.recording.errors import RecordingError
from neurocaas.protocol.lines import to_stderr

if TYPE_CHECKING:
    from blueprints import Blueprint
    from blueprints.provision import Provision

Pack = Callable[[Path, str], tuple[bytes, str]]
"""The code of an analysis as machines get it, and its SHA-256: from the project's folder and the analysis's
name.
"""


@task(
    positional=["analysis"],
    help={
        "analysis": "The analysis's name: a folder of blueprints/.",
        "accept": "Write the numbers that were found into expected.json, after showing what changes.",
        "yes": "Do not ask before that.",
        "json": "One JSON object on standard output; progress goes to standard error.",
    },
)
def golden(c: Context, analysis: str, accept: bool = False, yes: bool = False, json: bool = False) -> None:
    """Run an analysis's golden test here, without a bake, and compare the numbers.

    Its code runs on provision/test/golden/.

    It runs in the image that was baked on the local cloud, where the blueprint names one; else on a clean
    root, after the provisioning scripts. With --accept the numbers that were found become the expected
    ones; without an expected.json, everything in JSON results that two runs have in common. Exit code 1
    when the numbers are others.
    """
    from image_builder import golden_trial

    blueprint, provision, folder = _read(analysis)
    pack: Pack = c.config.pack
    expected = golden_trial.stored(folder)
    if expected is None and not accept:
        raise RecordingError(
            f"{folder / 'expected.json'}, which is not there",
            "numbers to compare with",
            "make them with --accept",
        )
    times = 2 if expected is None else 1
    tried = golden_trial.try_golden(
        c.config.clean_roots(), blueprint, provision, *pack(blueprint.root, analysis), to_stderr, times=times
    )
    wrong = golden_trial.wrong(expected, tried[0].found) if expected else []
    passed = expected is not None and not wrong
    result: dict[str, Any] = {
        "analysis": analysis,
        "on": tried[0].where,
        "passed": passed,
        "differences": wrong,
    }
    for line in wrong:
        to_stderr(f"golden test: {line}")
    if passed:
        to_stderr(f"the golden test of {analysis} passes")
    if accept:
        result["accepted"] = _accept(
            folder, golden_trial.accepted(expected, [run.found for run in tried]), yes=yes
        )
    elif wrong:
        to_stderr(f"if they are right: `invoke golden {analysis} --accept` writes them into expected.json")
    if json:
        from json import dumps

        sys.stdout.write(dumps({**result, "found": tried[0].found}, indent=2) + "\n")
    if not passed and not result.get("accepted"):
        raise Exit(code=1)
    to_stderr(
        f"Next: invoke ship {analysis}, which bakes an image with this test where there is none of "
        "these scripts"
    )


collection = Collection(golden)
"""Whoever offers it configures `clean_roots`, a function that gives the maker of clean roots, and `pack`."""


def _read(analysis: str) -> tuple[Blueprint, Provision, Path]:
    """The blueprint, its provisioning scripts, and the golden folder."""
    import blueprints
    from blueprints.golden import FOLDER
    from blueprints.provision import Provision, read

    root = Path(__file__).resolve().parent.parent
    known = blueprints.names(root)
    if analysis not in known:
        raise RecordingError(f"no analysis {analysis!r}", ", ".join(known) or "none yet", "correct the name")
    blueprint = blueprints.load(analysis, blueprints.Stage.WEBDEV, root, {"image": {"required": False}})
    provision = blueprint.folder / "provision"
    folder = provision / FOLDER
    if not folder.is_dir():
        do = (
            f"put a small dataset into {folder.relative_to(root)}/dataset/, then `invoke golden {analysis} "
            "--accept`"
        )
        raise RecordingError(f"{analysis} has no golden test", "a folder provision/test/golden/", do)
    return blueprint, read(provision, whole=False) if provision.is_dir() else Provision((), ()), folder


def _accept(folder: Path, expected: Mapping[str, Any], *, yes: bool) -> bool:
    """Show what would change, ask, and write it. Whether `expected.json` is so now."""
    from image_builder import golden_trial

    text = golden_trial.text_of(expected)
    changes = golden_trial.diff(folder, text)
    if not changes:
        to_stderr("expected.json has these numbers already")
        return True
    sys.stderr.write(changes)
    if not yes:
        if not sys.stdin.isatty():
            got = "nobody to ask whether these numbers are right"
            raise RecordingError(got, "a person at a terminal, or --yes", "look at them, then add --yes")
        sys.stderr.write("Are these numbers right? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            to_stderr("expected.json is as it was")
            return False
    (folder / "expected.json").write_text(text, encoding="utf-8")
    to_stderr(
        f"written: {folder / 'expected.json'}. No image is built anew for it; the next deploy gives it to "
        "the next bake"
    )
    return True
