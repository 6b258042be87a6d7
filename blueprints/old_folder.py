"""A whole folder of files of the first implementation becomes blueprints in one go: each that can be read is
imported, whatever the others are, and what a person has to decide is one short list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprints import import_old, loader, old_names, old_people
from blueprints.import_old import Imported
from blueprints.old_groups import Proposal
from blueprints.reserved import RESERVED
from blueprints.starter import near_name
from blueprints.verdicts import FieldVerdict
from neurocaas.protocol.names import ANALYSIS_NAME
from neurocaas.protocol.problems import InvalidInput, Problem

GROUPS = "imported-groups.yaml"
"""Beside Pulumi.yaml: the proposal for groups.yaml of all files together."""
_TEMPLATE = re.compile(r"(stack|user)_config_template.*\.json", re.IGNORECASE)
_KEYS = {"PipelineName", "Lambda", "UXData"}


@dataclass(frozen=True)
class Done:
    """One file, and what became of it. `written`: the files made; none in a dry run, and of a user
    profile.
    """

    file: Path
    imported: Imported
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What a person has to decide, once for all the analyses that it is the same for."""

    verdict: FieldVerdict
    field: str
    analyses: tuple[str, ...]

    @property
    def do(self) -> str:
        """What to do now that it is imported."""
        return self.verdict.do.replace("or import --anyway", "or keep it as it was imported")

    def to_dict(self) -> dict[str, Any]:
        return {**self.verdict.to_dict(), "path": self.field, "do": self.do, "analyses": list(self.analyses)}


@dataclass
class ImportReport:
    """What became of a folder. `failed`: files that could not be imported. `passed_over`: JSON files that are
    something else.
    `renamed`: old name -> new name of groups. `groups_file`: where the proposal for groups.yaml was written,
    "" when it was not."""

    done: list[Done] = field(default_factory=list)
    failed: list[tuple[Path, tuple[Problem, ...]]] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    people: Proposal = field(default_factory=Proposal)
    renamed: dict[str, str] = field(default_factory=dict)
    groups_file: str = ""

    def decisions(self) -> list[Decision]:
        """The same question of several files is one; what is asked of most comes first."""
        asked: dict[tuple[str, ...], list[tuple[str, FieldVerdict]]] = {}
        for one in self.done:
            for verdict in one.imported.asks:
                what = re.sub(r"\[\d+\]", "", verdict.path)
                key = (what, verdict.got, verdict.to, verdict.do)
                asked.setdefault(key, []).append((one.imported.name or one.file.name, verdict))
        found = [
            Decision(of[0][1], key[0], tuple(sorted({name for name, _ in of}))) for key, of in asked.items()
        ]
        return sorted(found, key=lambda one: (-len(one.analyses), one.field, one.analyses))

    def to_dict(self) -> dict[str, Any]:
        """For a program."""
        files = [
            {"file": str(one.file), **_short(one.imported), "written": list(one.written)} for one in self.done
        ]
        failed = [
            {"file": str(file), "problems": [problem.to_dict() for problem in problems]}
            for file, problems in self.failed
        ]
        return {
            "schema_version": 1,
            "kind": "folder",
            "imported": files,
            "failed": failed,
            "passed_over": [str(path) for path in self.passed_over],
            "renamed_groups": self.renamed,
            "groups_file": self.groups_file,
            "groups": self.people.text(),
            "notes": self.people.notes,
            "decisions": [one.to_dict() for one in self.decisions()],
        }


def _short(imported: Imported) -> dict[str, Any]:
    known = imported.to_dict()
    return {
        **{key: known[key] for key in ("kind", "name", "stage", "counts")},
        "script": imported.command.script,
    }


def import_folder(
    folder: Path, root: Path, types: Collection[str], *, dry_run: bool = False, force: bool = False
) -> ImportReport:
    """Imports all files of `folder` and what is below it into blueprints/. A value that cannot mean anything
    gets its default, and is among the decisions. Nothing that is there already is overwritten without
    `force`; a blueprint that exists fails, and the others do not."""
    report = ImportReport()
    read: dict[Path, str] = {}
    groups: list[str] = []
    for path in _files(folder):
        try:
            text = _text(path)
            data = import_old.parse(text)[0]
        except InvalidInput as error:
            if _TEMPLATE.fullmatch(path.name) or path.parent == folder:
                report.failed.append((path, error.problems))
            continue
        if len(_KEYS & data.keys()) > 1 or _TEMPLATE.fullmatch(path.name):
            read[path] = text
            groups += old_people.names(data)
        elif path.parent == folder:
            report.passed_over.append(path)
    names = old_names.new_names(groups)
    report.renamed = {old: new for old, new in names.items() if old != new}
    taken = {*RESERVED}
    for path, text in read.items():
        otherwise = _name(path, folder, taken)
        imported = import_old.read(text, types, otherwise=otherwise, names=names, taken=taken)
        taken.add(imported.name or "")
        written: list[str] = []
        if imported.kind == "blueprint" and not dry_run:
            try:
                written = import_old.write(
                    imported, text, root, str(path), _script(imported, path, folder), force=force
                )
            except InvalidInput as error:
                report.failed.append((path, error.problems))
                continue
        report.done.append(Done(path, imported, tuple(written)))
    _together(report, root)
    proposal = report.people.text()
    if proposal and not dry_run:
        _write_groups(report, root, proposal, force)
    return report


def _files(folder: Path) -> Iterator[Path]:
    """The JSON files of a folder, those of hidden folders left out."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder).parts
        if (
            path.suffix.lower() == ".json"
            and path.is_file()
            and not any(part.startswith(".") for part in below)
        ):
            yield path


def _text(path: Path) -> str:
    do = "Save it as UTF-8, and import it by itself"
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            [Problem("the file", f"bytes that are not UTF-8 ({error.reason})", "a JSON file in UTF-8", do)]
        ) from None
    except OSError as error:
        got = f"a file that cannot be read ({error.strerror})"
        raise InvalidInput(
            [Problem("the file", got, "a file that may be read", "Correct its rights: ls -l")]
        ) from None


def _name(path: Path, folder: Path, taken: Collection[str]) -> str:
    """What an analysis is called when PipelineName cannot be used: after its own folder, else after its
    file.
    """
    own = path.parent.name if path.parent != folder and _TEMPLATE.fullmatch(path.name) else path.stem
    near = near_name(own) or near_name(f"analysis {own}") or "analysis-imported"
    name, number = near, 1
    while name in taken or not ANALYSIS_NAME.fullmatch(name):
        number += 1
        name = f"{near[:58].rstrip('-')}-{number}"
    return name


def _script(imported: Imported, path: Path, folder: Path) -> Path | None:
    """The script that COMMAND called, where the folder has it."""
    script = imported.command.script or ""
    for found in (path.parent / script, folder / script):
        if script and found.is_file() and found.resolve().is_relative_to(folder.resolve()):
            return found
    return None


def _together(report: ImportReport, root: Path) -> None:
    """The people of all files: groups of blueprints, and of user profiles for the analyses that there are
    now.
    """
    buckets = {
        str(one.imported.blueprint.get("bucket", one.imported.name)): one.imported.name
        for one in report.done
        if one.imported.name
    }
    known: Mapping[str, str | None] = {**{name: name for name in loader.names(root)}, **buckets}
    for one in report.done:
        for group, people in one.imported.people.groups.items():
            analyses = [known.get(bucket) for bucket in people["analyses"]]
            missing = [bucket for bucket in people["analyses"] if known.get(bucket) is None]
            report.people.add(
                group, people["title"], people["members"].values(), [name for name in analyses if name]
            )
            if missing:
                report.people.notes.append(
                    f"group {group} used {', '.join(missing)}, of which there is no blueprint"
                )


def _write_groups(report: ImportReport, root: Path, text: str, force: bool) -> None:
    place = root / GROUPS
    if place.exists() and not force and place.read_text(encoding="utf-8") != text:
        do = "Move it away, or import with --force"
        report.failed.append((place, (Problem(GROUPS, "a file that is there already", "a new file", do),)))
        return
    place.write_text(text, encoding="utf-8")
    report.groups_file = GROUPS
