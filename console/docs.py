"""`invoke docs`: the reference pages, made anew from their sources; and the site."""

import sys

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


@task(
    help={
        "check": "Change nothing; exit code 1 when a page is out of date.",
        "site": "Build the site into this folder, too.",
    }
)
def docs(c: Context, check: bool = False, site: str = "") -> None:
    """Make the reference pages from schemas and prices; with --site, the whole site (mkdocs, strict)."""
    from console import reference
    from console.cloud import project_root

    root = project_root()
    if check:
        stale = reference.outdated(root)
        if stale:
            raise Exit(f"Not what their sources say: {', '.join(stale)}. Make them anew: invoke docs", code=1)
    else:
        for name in reference.write(root):
            sys.stdout.write(f"made {reference.FOLDER / name}\n")
    if site:
        import subprocess
        from pathlib import Path

        command = [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(Path(site).absolute()),
        ]
        raise Exit(code=subprocess.run(command, cwd=root, check=False).returncode)


collection = Collection(docs)
