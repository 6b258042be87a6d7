"""`invoke lint-provision`: mistakes in provisioning scripts and component documents, with file, line and
fix.
"""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(
    name="lint-provision",
    help={
        "files": (
            "Scripts, component documents or folders, separated by commas. All blueprints when nothing is "
            "named."
        ),
        "analysis": "Read the provision/ folder of this analysis, or of base.",
        "strict": "Count warnings as errors.",
        "json": "One JSON object on standard output.",
    },
)
def lint_provision(
    c: Context, files: str = "", analysis: str = "", strict: bool = False, json: bool = False
) -> None:
    """Read provisioning scripts and AWSTOE documents for mistakes: file:line, rule, fix.

    Exit code 1 on errors.

    Finds what a bake would find after half an hour, or never: what asks, what is not pinned, secrets,
    unresolved references, unknown actions, phases without steps, values that YAML changes. The rules are
    listed in docs/images.md.
    """
    import blueprints
    from image_builder.lint import files as lint
    from image_builder.recording.errors import RecordingError

    root = Path(__file__).resolve().parents[2]
    found = []
    try:
        if files:
            found += lint.lint_paths([Path(name) for name in files.split(",")], Path.cwd())
    except FileNotFoundError as error:
        raise RecordingError(
            f"no file {error}", "scripts, documents and folders", "correct the name of --files"
        ) from error
    known = (*([blueprints.BASE] if blueprints.base.exists(root) else []), *blueprints.names(root))
    if analysis and analysis not in known:
        raise RecordingError(
            f"no blueprint {analysis!r}",
            f"{', '.join(known) or 'none yet'}",
            "correct the name of --analysis",
        )
    for name in [analysis] if analysis else ([] if files else known):
        found += lint.lint_provision(root / "blueprints" / name / "provision", root)
    errors = sum(strict or finding.severity == "error" for finding in found)
    if json:
        from json import dumps

        sys.stdout.write(
            dumps({"errors": errors, "findings": [finding.as_json() for finding in found]}, indent=2) + "\n"
        )
    else:
        sys.stdout.write("".join(finding.text() + "\n" for finding in found))
        sys.stdout.write(f"{errors} errors, {len(found) - errors} warnings\n" if found else "nothing found\n")
    if errors:
        raise Exit(code=1)


collection = Collection(lint_provision)
