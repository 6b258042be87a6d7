"""`invoke check-policies`, `ci.preview-comment`, `ci.stacks`, `ci.bakes`, `ci.rebuilds`, `ci.rebuild`: the
steps of the workflows in .github/workflows.
"""

import json as json_format
import sys
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from console.names import TaskOfNames
from neurocaas.protocol.lines import to_stdout

_JSON = {"json": "One JSON object for a program."}
_STACKS = "Stacks (just write them); all of this project in the backend when left out."


def _engine() -> Any:
    from console.cloud import project_root
    from console.engine import Engine

    return Engine(project_root())


def _stacks(engine: Any, names: list[str]) -> list[str]:
    """Those named, else those of the backend, in the order of a deployment: `utils` first."""
    from console import stacks

    found = [stacks.check(name, engine.root) for name in names] or engine.stack_names()
    return sorted(found, key=lambda name: (name != "utils", name))


def _read(engine: Any, stack: str, bake: Any = None) -> Any:
    """The preview of a stack, with what does not change in it."""
    from ci.preview import StackPreview, read
    from console.engine import plain

    done = engine.capture("preview", "--stack", stack, "--json", "--show-sames", "--non-interactive")
    preview = read(stack, done.stdout, bake)
    if preview.failure is None and done.returncode != 0:
        return StackPreview(
            stack, failure=plain(done.stderr).strip() or f"pulumi preview ended with {done.returncode}"
        )
    return preview


@task(
    klass=TaskOfNames,
    positional=["names"],
    auto_shortflags=False,
    help={
        "names": _STACKS,
        "preview": "A file with the output of `invoke preview STACK --json`, in the place of a preview.",
        **_JSON,
    },
)
def check_policies(c: Context, names: list[str], preview: str = "", json: bool = False) -> None:
    """Check what a deploy would make against the rules of checks/: rights, encryption, ports, logs, tags.

    Nothing is changed. Exit code 1 when a rule is broken, or when there is no preview. Values that only a
    deployment makes known leave some rules open; they are counted, and judged by the preview after it.
    `pulumi preview --policy-pack policypack` has the same rules.
    """
    from ci.preview import SCHEMA_VERSION, read

    if preview:
        found = [read(names[0] if names else preview, _text(preview))]
    else:
        engine = _engine()
        found = [_read(engine, stack) for stack in _stacks(engine, names)]
    good = all(one.ok for one in found)
    if json:
        parts = [{key: one.to_dict()[key] for key in ("stack", "ok", "failure", "policies")} for one in found]
        to_stdout(
            json_format.dumps({"schema_version": SCHEMA_VERSION, "ok": good, "stacks": parts}, indent=2)
        )
    else:
        for one in found:
            to_stdout(_told(one))
    if not good:
        raise Exit(code=1)


def _text(file: str) -> str:
    from console.errors import UserError

    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "not text"
        raise UserError(
            f"{file}: {said}", "a file that `invoke preview STACK --json` wrote", "correct the path"
        ) from None


def _told(preview: Any) -> str:
    from console.layout import labelled

    if preview.failure is not None:
        return f"{preview.stack}: no preview\n{preview.failure}"
    report = preview.policies
    count = len(report.findings)
    broken = f"{count} rule{'' if count == 1 else 's'} broken" if count else "every rule kept"
    waiting = f", {len(report.open)} wait for values that a deployment makes known" if report.open else ""
    lines = [f"{preview.stack}: {broken} ({report.judged} judgements{waiting})"]
    for one in report.findings:
        lines += ["", f"{one.resource.name} ({one.resource.type})  [{one.rule.name}]"]
        lines += [
            labelled(word, text)
            for word, text in (("got", one.got), ("allowed", one.rule.allowed), ("do", one.rule.do))
        ]
    return "\n".join(lines)


@task(
    klass=TaskOfNames,
    positional=["names"],
    auto_shortflags=False,
    help={
        "names": _STACKS,
        "out": "The file for the comment; standard output when left out.",
        "summary": "A file for the same as JSON.",
    },
)
def preview_comment(c: Context, names: list[str], out: str = "", summary: str = "") -> None:
    """Write the comment on a pull request: changes of each stack, broken rules, images to be baked.

    Exit code 1 when a stack has no preview or breaks a rule; the comment is written all the same. Values
    never appear in it.
    """
    from ci.comment import render
    from ci.preview import SCHEMA_VERSION

    engine = _engine()
    bakes = _bakes(engine)
    found = [_read(engine, stack, bakes.get(stack)) for stack in _stacks(engine, names)]
    good = all(one.ok for one in found)
    if summary:
        document = {"schema_version": SCHEMA_VERSION, "ok": good, "stacks": [one.to_dict() for one in found]}
        Path(summary).write_text(json_format.dumps(document, indent=2) + "\n", encoding="utf-8")
    if out:
        Path(out).write_text(render(found), encoding="utf-8")
    else:
        sys.stdout.write(render(found))
    if not good:
        raise Exit(code=1)


def _bakes(engine: Any) -> dict[str, Any]:
    """The images that are missing, by stack; none is known to be while `utils` was never deployed. A
    blueprint that cannot be read has its own message in the preview."""
    from ci.bakes import needed
    from console.errors import UserError
    from neurocaas.protocol.problems import InvalidInput

    try:
        utils = engine.outputs("utils")
    except UserError:
        return {}
    found = {}
    for stack in engine.stack_names():
        try:
            bake = needed(stack, engine.root, str(utils["account"]), str(utils["region"]))
        except (InvalidInput, ValueError):
            continue
        if bake is not None:
            found[stack] = bake
    return found


@task(help=_JSON)
def stacks(c: Context, json: bool = False) -> None:
    """Print the stacks of this project in the backend, one a line, in the order of deployment."""
    names = _stacks(_engine(), [])
    to_stdout(json_format.dumps(names) if json else "\n".join(names))


@task(help=_JSON)
def bakes(c: Context, json: bool = False) -> None:
    """Print the stacks whose image is missing or of an older recording, one a line.

    Asks the backend, and nothing of AWS.
    """
    found = _bakes(_engine())
    if json:
        to_stdout(
            json_format.dumps(
                [
                    {"stack": stack, "why": bake.why, "command": bake.command}
                    for stack, bake in sorted(found.items())
                ]
            )
        )
    else:
        sys.stdout.write("".join(f"{stack}\n" for stack in sorted(found)))


@task(help={**_JSON, "older": "Days after which an image is due."})
def rebuilds(c: Context, json: bool = False, older: int = 25) -> None:
    """Print the stacks whose image was built so long ago that it is due to be built anew, one a line.

    Asks the backend, and nothing of AWS.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime, timedelta

    from ci.rebuilds import due

    engine = _engine()
    names, utils = _stacks(engine, []), engine.outputs("utils")
    place = str(utils["account"]), str(utils["region"])
    found = due(names, engine.root, *place, datetime.now(UTC), timedelta(days=older))
    if json:
        to_stdout(json_format.dumps([asdict(one) for one in found]))
    else:
        sys.stdout.write("".join(f"{one.stack}\n" for one in found))


@task(help={"stack": "The stack.", "out": "The file for the text; standard output when left out."})
def rebuild(c: Context, stack: str, out: str = "") -> None:
    """Bake the image of a stack anew from the same scripts, and tell what has changed.

    The text is that of a pull request: numbers of the golden test, known vulnerabilities, packages. Fails,
    and changes nothing, when the golden test refuses the new image.
    """
    from ci.rebuilds import folder_of, render
    from image_builder import provenance
    from image_builder.commands import bake_ami

    engine = _engine()
    (name,) = _stacks(engine, [stack])
    utils = engine.outputs("utils")
    folder, place = folder_of(name, engine.root), f"{utils['account']}/{utils['region']}"
    before = provenance.read(folder).get(place, {})
    bake_ami.body(c, stack=name, force=True, message="built anew")
    text = render(name, before, provenance.read(folder).get(place, {}))
    if out:
        Path(out).write_text(text, encoding="utf-8")
    else:
        to_stdout(text)


collection = Collection(check_policies)
named = Collection("ci", preview_comment, stacks, bakes, rebuilds, rebuild)
