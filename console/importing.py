"""What `invoke import-blueprint` tells: verdicts on files of the first implementation, and what a person has
to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from blueprints.import_old import Imported
from blueprints.old_folder import ImportReport
from console.layout import labelled


def told_of_folder(report: ImportReport, dry_run: bool) -> str:
    """What became of a folder: what was imported, what was not, and each decision once."""
    made = [one for one in report.done if one.imported.kind == "blueprint"]
    lines = [
        f"{len(made)} {'analysis' if len(made) == 1 else 'analyses'} "
        f"{'could be ' if dry_run else ''}imported:"
    ]
    lines += [
        f"  {one.imported.name}-{one.imported.stage}  {one.imported.blueprint['instance']['type']}  "
        f"from {one.file}"
        for one in made
    ]
    profiles = [str(one.file) for one in report.done if one.imported.kind == "profile"]
    lines += (
        ["", "User profiles, in the proposal for groups.yaml:", *(f"  {file}" for file in profiles)]
        if profiles
        else []
    )
    lines += (
        ["", "No files of the first implementation:", *(f"  {file}" for file in report.passed_over)]
        if report.passed_over
        else []
    )
    lines += _renamed(report.renamed)
    scripts = [
        (one.imported.name, one.imported.command.script) for one in made if one.imported.command.script
    ]
    if scripts:
        lines += [
            "",
            "Run scripts call these, from the image or from the blueprint's folder:",
            *(f"  {name}: {script}" for name, script in scripts),
        ]
    for decision in (asked := report.decisions()):
        verdict = decision.verdict
        lines += ["", f"{verdict.status:<10} {decision.field}{f' -> {verdict.to}' if verdict.to else ''}"]
        parts = [
            ("of", ", ".join(decision.analyses)),
            ("got", verdict.got),
            ("why", verdict.why),
            ("do", decision.do),
        ]
        lines += [labelled(word, text) for word, text in parts if text]
    lines += [f"\nnote: {note}" for note in report.people.notes]
    for file, problems in report.failed:
        lines += ["", f"NOT imported: {file}"]
        for problem in problems:
            lines += [
                labelled(word, text)
                for word, text in (("got", problem.got), ("allowed", problem.allowed), ("do", problem.do))
            ]
    lines += ["", f"{len(asked)} to decide, {len(report.failed)} not imported"]
    if made and not dry_run:
        lines += [
            "",
            "Next:",
            "  decide on what is above, and look into "
            f"{report.groups_file or 'imported/'} for who may use what",
        ]
        lines += ["  invoke validate", f"  invoke deploy {made[0].imported.name}-{made[0].imported.stage}"]
    return "\n".join(lines)


def _renamed(groups: Mapping[str, str]) -> list[str]:
    if not groups:
        return []
    return [
        "",
        "Groups that have another name here:",
        *(f"  {old!a} -> {new}" for old, new in sorted(groups.items())),
    ]


def told(imported: Imported, file: str) -> str:
    """The verdicts on one file; those that ask something are last, where people look."""
    lines = [
        f"{file}: a {imported.kind} of the first "
        f"implementation{f', {imported.name}' if imported.name else ''}"
    ]
    for verdict in sorted(imported.verdicts, key=lambda one: (one.status.asks, one.status.stops)):
        to = f" -> {verdict.to}" if verdict.to else ""
        lines += ["", f"{verdict.status:<10} {verdict.path}{to}", labelled("got", verdict.got)]
        parts = [("why", verdict.why), ("allowed", verdict.allowed), ("do", verdict.do)]
        lines += [labelled(word, text) for word, text in parts if text]
    lines += _renamed(imported.renamed)
    counts = imported.to_dict()["counts"]
    return "\n".join([*lines, "", ", ".join(f"{number} {word}" for word, number in counts.items())])


def end(imported: Imported, made: list[str], stopped: bool) -> str:
    """What was written, and what comes next."""
    if stopped:
        return "Nothing was written: decide on what is unknown or impossible, or use --anyway."
    if imported.kind == "profile":
        return (
            f"\n{imported.groups}"
            if imported.groups
            else "It names no group with an analysis: there is nothing to propose."
        )
    if not made:
        return "Nothing was written."
    name = imported.name
    script = imported.command.script
    written = [f"made {file}" for file in made]
    place = f"blueprints/{name}/{Path(script or '').name}"
    todo = (
        [f"  put the analysis script into {place}, unless the image has {script}"]
        if script and place not in made
        else []
    )
    if not script and not imported.command.runs:
        todo = [f"  write what it runs into blueprints/{name}/{imported.blueprint['script']}"]
    return "\n".join(
        [
            *written,
            "",
            "Next:",
            *todo,
            f"  invoke validate {name}",
            f"  invoke deploy {name}-{imported.stage}",
        ]
    )
