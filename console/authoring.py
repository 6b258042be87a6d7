"""`invoke configure`, `validate`, `import-blueprint`: what is done before anything is in a cloud, without
credentials.
"""

import json as json_format
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from console.names import TaskOfNames
from neurocaas.protocol.lines import to_stdout

OLD_FORMAT = ".json"
GROUPS = "groups.yaml"


def _types() -> dict[str, float]:
    """The instance types on offer, those that have a price, and the price."""
    from blueprints.prices import table

    return table().usd_per_hour


@task(
    help={
        "name": "Name of the new analysis: 3 to 63 lowercase letters, digits and '-'.",
        "language": "shell (default), python, r or matlab-runtime: what its script calls.",
    }
)
def configure(c: Context, name: str, language: str = "shell") -> None:
    """Make a new analysis in blueprints/NAME from the starter; it can be deployed at once.

    Nothing is overwritten.
    """
    from blueprints.starter import configure as make
    from console.cloud import project_root

    for file in make(name, project_root(), language):
        to_stdout(f"made {file}")
    tests = f"blueprints/{name}/tests"
    to_stdout()
    to_stdout(
        f"Next: write blueprints/{name}/run_{name}.sh (docs/scripts.md) and describe it in "
        f"blueprints/{name}/blueprint.yaml, then"
    )
    to_stdout(f"  invoke validate {name}")
    to_stdout(f"  invoke run-local --analysis {name} --data {tests}/data.txt --config {tests}/config.json")
    to_stdout(f"  invoke ship {name}")


@task(
    klass=TaskOfNames,
    positional=["names"],
    auto_shortflags=False,
    help={
        "names": (
            "Blueprints, base, groups.yaml, or files of the first implementation (just write them); all "
            "that is here when left out."
        ),
        "json": "One JSON object for a program.",
    },
)
def validate(c: Context, names: list[str], json: bool = False) -> None:
    """Check blueprints and groups.yaml, all rules at once: file, line, rule, what is allowed, what to do.

    Exit code 1 for a problem.
    """
    from blueprints import BASE, base
    from blueprints.loader import misnamed
    from blueprints.loader import names as all_names
    from blueprints.model import FILE
    from console.cloud import project_root

    root = project_root()
    folders = (folder.name for folder in sorted((root / "blueprints").iterdir()) if misnamed(folder, FILE))
    groups = [GROUPS] if (root / GROUPS).is_file() or misnamed(root, GROUPS) else []
    here = [*([BASE] if base.exists(root) else []), *all_names(root), *folders, *groups]
    verdicts = [_verdict(name, root) for name in names or here]
    good = all(verdict["ok"] for verdict in verdicts)
    if json:
        to_stdout(json_format.dumps({"schema_version": 1, "ok": good, "blueprints": verdicts}, indent=2))
    else:
        for verdict in verdicts:
            to_stdout(_told(verdict))
    if not good:
        raise Exit(code=1)


def _verdict(name: str, root: Path) -> dict[str, Any]:
    if name.endswith(OLD_FORMAT):
        return _old(Path(name))
    return _groups(root) if name == GROUPS else _ours(name, root)


def _groups(root: Path) -> dict[str, Any]:
    from blueprints import groups, ways
    from neurocaas.protocol.problems import InvalidInput

    problems: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    try:
        warnings = [one.to_dict() for one in ways.shut_out(groups.load(root))]
    except InvalidInput as error:
        place = {"rule": "groups", "file": GROUPS, "line": None, "path": ""}
        problems = [{**place, **problem.to_dict()} for problem in error.problems]
    return {
        "name": None,
        "file": GROUPS,
        "ok": not problems,
        "problems": problems,
        "warnings": warnings,
        "notes": _notes(root / GROUPS),
    }


def _ours(name: str, root: Path) -> dict[str, Any]:
    from blueprints import BASE, base
    from blueprints.loader import load_problems
    from blueprints.model import FILE

    name = name.removesuffix(f"/{FILE}").removesuffix(f"/{base.FILE}").rstrip("/").removeprefix("blueprints/")
    file = base.SOURCE if name == BASE else f"blueprints/{name}/{FILE}"
    found = base.load_problems(root) if name == BASE else load_problems(name, root, _types())
    problems = [problem.to_dict() for problem in found]
    if (root / file).is_file():
        problems += _provision(root / "blueprints" / name / "provision")
    return {
        "name": name,
        "file": file,
        "ok": not problems,
        "problems": problems,
        "notes": _notes(root / file) + ([] if found or name == BASE else _machines(name, root)),
    }


def _machines(name: str, root: Path) -> list[str]:
    """What type a blueprint comes to that says what its machine needs, in each of its stages."""
    from blueprints import load, needs
    from blueprints.model import Stage

    told = (needs.told(load(name, stage, root)) for stage in Stage)
    return list(dict.fromkeys(text for text in told if text is not None))


def _notes(file: Path) -> list[str]:
    """What YAML 1.1, which other tools and earlier versions of this one read, makes of a file otherwise."""
    from neurocaas.protocol import yaml12

    try:
        return yaml12.notes(yaml12.differences(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return []  # a problem, and told as one


def _provision(folder: Path) -> list[dict[str, Any]]:
    """What keeps the scripts of an image from being read at all; `invoke lint-provision` looks into them."""
    from blueprints import provision
    from neurocaas.protocol.problems import InvalidInput

    try:
        if folder.is_dir():
            provision.read(folder)
    except InvalidInput as error:
        place = {"rule": "provision", "line": None, "path": ""}
        return [{**place, "file": problem.field, **problem.to_dict()} for problem in error.problems]
    return []


def _old(path: Path) -> dict[str, Any]:
    imported = _read_old(path, None)[0]
    place = {"file": str(path), "line": None}
    problems = [
        {
            "rule": f"import.{one.status}",
            **place,
            "path": one.path,
            "got": one.got,
            "allowed": one.allowed,
            "do": one.do,
        }
        for one in imported.asks
    ]
    return {"name": imported.name, "file": str(path), "ok": not problems, "problems": problems, "notes": []}


def _read_old(path: Path, name: str | None) -> tuple[Any, str]:
    from blueprints.import_old import read
    from console.errors import UserError

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        allowed = "stack_config_template.json or user_config_template.json of the first implementation"
        raise UserError(f"{path}: {error.strerror}", allowed, "correct the path") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: bytes that are not UTF-8", "a JSON file in UTF-8", "save it as UTF-8"
        ) from None
    return read(text, _types(), name), text


def _told(verdict: dict[str, Any]) -> str:
    from console.layout import labelled

    problems, notes = verdict["problems"], [f"{verdict['file']}: note: {note}" for note in verdict["notes"]]
    for one in verdict.get("warnings", ()):
        notes += ["", f"{one['field']}: warning"]
        notes += [labelled(word, one[word]) for word in ("got", "allowed", "do")]
    if not problems:
        return "\n".join([f"{verdict['file']}: right", *notes])
    count = len(problems)
    lines = [f"{verdict['file']}: {count} problem{'' if count == 1 else 's'}"]
    for one in problems:
        place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
        lines += ["", f"{place}: {one['path']}".rstrip(": ") + f"  [{one['rule']}]"]
        lines += [labelled(word, one[word]) for word in ("got", "allowed", "do")]
    return "\n".join([*lines, "", *notes])


@task(
    help={
        "file": (
            "stack_config_template.json, or user_config_template.json, of the first implementation, or a "
            "folder with many of them."
        ),
        "name": "Name of the new analysis, in place of PipelineName.",
        "script": "The script that its COMMAND called; copied into the new folder.",
        "anyway": (
            "Import although something is impossible: the default takes its place, and the report says so. "
            "A folder always is."
        ),
        "dry-run": "Only the report; write nothing.",
        "force": "Write over what an earlier import has made.",
        "json": "The report as one JSON object.",
    }
)
def import_blueprint(
    c: Context,
    file: str,
    name: str = "",
    script: str = "",
    anyway: bool = False,
    dry_run: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Make a blueprint from one of the first implementation, with a verdict for each field.

    Nothing is lost: imported/ keeps the file.

    Of a user profile, it prints a proposal for groups.yaml. Exit code 1, and nothing written, when a field
    needs a decision first. All files of a folder are imported at once, with one list of what to decide; exit
    code 1 when one of them could not be.
    """
    from blueprints.import_old import write
    from console.cloud import project_root
    from console.importing import end, told

    if Path(file).is_dir():
        _import_folder(Path(file), name or script, dry_run, force, json)
        return
    imported, text = _read_old(Path(file), name or None)
    stopped = bool(imported.stops) and not anyway
    made: list[str] = []
    if imported.kind == "blueprint" and not stopped and not dry_run:
        made = write(imported, text, project_root(), file, Path(script) if script else None, force=force)
    if json:
        report = {
            **imported.to_dict(),
            "written": made,
            "blueprint": imported.blueprint,
            "groups": imported.groups,
        }
        to_stdout(json_format.dumps(report, indent=2))
    else:
        to_stdout(told(imported, file))
        to_stdout(end(imported, made, stopped))
    if stopped:
        raise Exit(code=1)


def _import_folder(folder: Path, one: str, dry_run: bool, force: bool, json: bool) -> None:
    from blueprints.old_folder import import_folder
    from console.cloud import project_root
    from console.errors import UserError
    from console.importing import told_of_folder

    if one:
        allowed = "a single file with --name or --script"
        raise UserError(
            f"{folder}, a folder, with the name or script of one analysis",
            allowed,
            "leave it out, or give the file",
        )
    report = import_folder(folder, project_root(), _types(), dry_run=dry_run, force=force)
    if not report.done and not report.failed:
        allowed = "a folder with stack_config_template.json files of the first implementation, at any depth"
        raise UserError(f"{folder}, with no such file in it", allowed, "correct the path")
    if json:
        to_stdout(json_format.dumps(report.to_dict(), indent=2))
    else:
        to_stdout(told_of_folder(report, dry_run))
    if report.failed:
        raise Exit(code=1)


collection = Collection(configure, validate, import_blueprint)
