"""`invoke record`, `record-finish`, `verify-recording`: provisioning scripts from what is typed in a clean
shell, and their proof.

`run-document` tries a component document on such a root.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from neurocaas.protocol.lines import to_stderr

if TYPE_CHECKING:
    from blueprints import Imaged
    from image_builder.recording.recording import Recording
    from image_builder.recording.replay import Verdict
    from image_builder.recording.root import CleanRoots

_ANALYSIS = "The analysis's name; base for the project's base image."


@task(
    help={
        "analysis": _ANALYSIS,
        "script": "A file with the lines to record, in place of the terminal.",
        "add": "Record a further script after those that are there, in place of replacing the recorded one.",
        "resume": "Go on with a recording that was interrupted.",
        "discard": "Throw away a recording that was interrupted.",
        "force": "Replace a recorded script even if it was edited by hand.",
    }
)
def record(
    c: Context,
    analysis: str,
    script: str = "",
    add: bool = False,
    resume: bool = False,
    discard: bool = False,
    force: bool = False,
) -> None:
    """Record provisioning in a clean root shell: what you type becomes provision/NN-recorded.sh.

    The shell runs in a sandbox over the blueprint's parent image, on this computer. Lines that fail or
    change nothing are left out, packages are pinned, downloads get their digest. Provisioning scripts
    that are there already run first.
    """
    from image_builder.recording.errors import RecordingError

    recording = _recording(_roots(c), analysis, add=add)
    if discard:
        gone = (
            "The interrupted recording is gone"
            if recording.interrupted
            else "There is no interrupted recording"
        )
        recording.drop()
        to_stderr(f"{gone}; the blueprint is as it was.")
        return
    if resume and not recording.interrupted:
        raise RecordingError(
            "there is no interrupted recording",
            "one that was begun on this computer",
            "leave --resume out",
        )
    if not resume:
        recording.check(force=force)
    lines = _read(script) if script else None
    if lines is None and not sys.stdin.isatty():
        raise RecordingError(
            "no terminal to record from",
            "a terminal, or a file",
            "name the file with the lines: --script FILE",
        )
    if recording.replaced():
        to_stderr(
            f"{', '.join(recording.replaced())} will be replaced when this recording ends; --add keeps it."
        )
    if lines is None:
        to_stderr(
            "Every line is recorded with what it does. `rec` shows the helpers; `rec finish` or `exit` "
            "ends it and writes the script."
        )
    if not recording.session(to_stderr, script=lines, resume=resume):
        raise Exit("The shell ended in the middle. To go on: --resume; to throw it away: --discard.", code=1)
    _finish(recording, analysis)


@task(
    name="record-finish",
    help={"analysis": _ANALYSIS, "add": "Keep the recorded script that is there, and add this one."},
)
def record_finish(c: Context, analysis: str, add: bool = False) -> None:
    """Write the script of a recording that was interrupted, as far as it went."""
    _finish(_recording(_roots(c), analysis, add=add), analysis)


@task(
    name="verify-recording",
    help={
        "analysis": _ANALYSIS,
        "accept": (
            "Replay nothing: the differences that the last replay found do not matter, now and from now on."
        ),
        "json": "One JSON object on standard output; progress on standard error.",
    },
)
def verify_recording(c: Context, analysis: str, accept: bool = False, json: bool = False) -> None:
    """Replay the provisioning scripts on a clean root and compare every file, owner, mode, link and package.

    A recording is compared with the root it was recorded on; scripts that were written by hand, with a
    second replay. Ends with exit code 1 unless they reproduce. The result is kept in
    provision/recording/verified.json; baking asks for it. Differences that do not matter are accepted
    with --accept, by their paths (provision/recording/accepted.json).
    """
    from blueprints.provision import Provision, read
    from image_builder.recording import replay
    from image_builder.recording.errors import RecordingError
    from image_builder.recording.verification import digest_of, store, way_out

    imaged = _imaged(analysis)
    folder = imaged.folder / "provision"
    provision = read(folder, whole=False) if folder.is_dir() else Provision((), ())
    if not provision.scripts:
        do = f"write one, or record it: `invoke record --analysis {analysis}`"
        raise RecordingError(f"{analysis} has no provisioning scripts", "scripts in provision/", do)
    digest = digest_of(imaged, provision)
    if accept:
        _accept(analysis, folder, digest, json=json)
        return
    verdict = replay.verify(_roots(c), imaged, provision, to_stderr)
    store(folder, digest, verdict.as_json())
    if json:
        from json import dumps

        sys.stdout.write(
            dumps({"analysis": analysis, "recipe_sha256": digest, **verdict.as_json()}, indent=2) + "\n"
        )
    else:
        sys.stdout.write(_verdict_text(analysis, verdict))
    if not verdict.reproduces:
        to_stderr(f"do: {way_out(imaged)}")
        raise Exit(code=1)
    from blueprints.parents import BASE

    stack = "utils" if analysis == BASE else f"{analysis}-webdev"
    to_stderr(f"Next: invoke deploy {stack}, then invoke bake-ami --stack {stack}")


@task(
    name="run-document",
    help={
        "document": "The component document (YAML).",
        "phases": "Phases to run, separated by commas. Default: build,validate,test, as far as it has them.",
        "parameters": "Values of its parameters: Name=value, separated by commas; values may have commas.",
        "parent": (
            "The parent image: ubuntu24 (default), ubuntu22, dlami24, dlami22, base, or an image that "
            "was baked here."
        ),
        "s3": "A folder in the place of S3: s3://BUCKET/KEY is its file BUCKET/KEY.",
        "logs": "A folder that gets the log folder of the run, with the files that AWSTOE writes.",
    },
)
def run_document(
    c: Context,
    document: str,
    phases: str = "",
    parameters: str = "",
    parent: str = "ubuntu24",
    s3: str = "",
    logs: str = "",
) -> None:
    """Run an AWSTOE component document on a clean root of this computer, which is thrown away.

    Output goes to standard error, the result to standard output, as AWSTOE's own command does it. Exit
    code 1 when it fails. What such a run cannot prove: kernel modules, GPUs, services of systemd,
    cloud-init, a restart, the rights of the real role.
    """
    from json import dumps

    from image_builder.recording.trial import Trial, pairs

    folders = (Path(s3) if s3 else None, Path(logs) if logs else None)
    wanted = tuple(name for name in phases.split(",") if name)
    result = Trial(Path(document), wanted, pairs(parameters), parent, *folders).run(_roots(c), to_stderr)
    sys.stdout.write(dumps(result, indent=2) + "\n")
    if result["status"] == "failed":
        raise Exit(f"failed: {result['failureMessage']}", code=1)


collection = Collection(record, record_finish, verify_recording, run_document)
"""Whoever offers them configures `clean_roots`: a function that gives the maker of clean roots."""


def _roots(c: Context) -> CleanRoots:
    """The maker of clean roots, asked for when one is needed."""
    roots: CleanRoots = c.config.clean_roots()
    return roots


def _accept(analysis: str, folder: Path, digest: str, *, json: bool) -> None:
    from image_builder.recording.errors import RecordingError
    from image_builder.recording.verification import accept, load

    paths = accept(folder, digest)
    if not paths:
        raise RecordingError(
            "no differences to accept: these scripts were not replayed as they are, the replay failed, or "
            "it found none",
            "a replay that came to its end with differences",
            f"`invoke verify-recording --analysis {analysis}`",
        )
    if json:
        from json import dumps

        sys.stdout.write(
            dumps({"analysis": analysis, **(load(folder) or {}), "accepted": paths}, indent=2) + "\n"
        )
    else:
        sys.stdout.write("".join(f"accepted: {path}\n" for path in paths))


def _verdict_text(analysis: str, verdict: Verdict) -> str:
    lines = [f"{analysis}: {verdict.words} (against {verdict.against}, {verdict.seconds:.0f} s)"]
    lines += [f"  {difference.text()}" for difference in verdict.real]
    caches = verdict.as_json()["known_caches"]
    lines += (
        [f"  known caches, ignored: {', '.join(f'{count} {kind}' for kind, count in caches.items())}"]
        if caches
        else []
    )
    lines.append(f"  on {verdict.root}")
    return "\n".join(lines) + "\n"


def _finish(recording: Recording, analysis: str) -> None:
    from neurocaas.protocol.problems import InvalidInput

    try:
        done = recording.finish(to_stderr)
    except InvalidInput:
        to_stderr(
            f"The recording is kept; nothing was written. `invoke record --analysis {analysis} --resume` "
            "opens its shell again."
        )
        raise
    for warning in done.warnings:
        to_stderr(f"warning: {warning}")
    for file in done.files:
        to_stderr(f"blueprints/{analysis}/provision/{file}")
    to_stderr(
        f"{done.kept} lines kept, {done.left_out} left out as comments. Next: `invoke verify-recording "
        f"--analysis {analysis}`"
    )


def _recording(roots: CleanRoots, analysis: str, *, add: bool) -> Recording:
    from image_builder.recording.recording import Recording

    return Recording(roots, _imaged(analysis), add=add)


def _imaged(analysis: str) -> Imaged:
    import blueprints

    # an image may be required of an analysis that is only now recorded
    before_scripts = {"image": {"required": False}}
    return blueprints.imaged(analysis, Path(__file__).resolve().parents[2], overrides=before_scripts)


def _read(script: str) -> str:
    from image_builder.recording.errors import RecordingError

    try:
        return Path(script).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(
            f"{script}: {error}", "a text file with lines of bash", "correct the name of --script"
        ) from error
