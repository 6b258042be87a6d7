"""`invoke release VERSION`: the changelog's heading, the version in the files that name it, a commit, a
tag.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from console.errors import UserError

VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
CHANGELOG, PROJECT, CITATION = "CHANGELOG.md", "pyproject.toml", "CITATION.cff"
UNRELEASED = "## [Unreleased]\n"
_NAMES = {
    PROJECT: re.compile(r'^version = "(?P<version>[^"]+)"$', re.MULTILINE),
    CITATION: re.compile(r"^version: (?P<version>\S+)$", re.MULTILINE),
}


def released(texts: Mapping[str, str], version: str, day: str) -> dict[str, str]:
    """The three files as they are in the release `version` of the day `day` (YYYY-MM-DD). Raises UserError
    for a version that does not come after the present one, and when the changelog has nothing to release.
    """
    before = _NAMES[PROJECT].search(texts[PROJECT])
    assert before is not None, "pyproject.toml names no version"
    present = before["version"]
    if VERSION.fullmatch(version) is None or _order(version) <= _order(present):
        raise UserError(
            f"version {version!r}; the present one is {present}",
            "MAJOR.MINOR.PATCH without a v, after the present one",
            "choose by CHANGELOG.md: what must be changed by hand makes a MAJOR, what is new a MINOR, the "
            "rest a PATCH",
        )
    _, heading, rest = texts[CHANGELOG].partition(UNRELEASED)
    if not heading or not re.search(r"^- ", rest.partition("\n## ")[0], re.MULTILINE):
        raise UserError(
            f"nothing under {UNRELEASED.strip()} in {CHANGELOG}",
            "at least one line that says what changes for whom",
            f"write it: `git log v{present}..HEAD` shows what came",
        )
    made = {name: _named(name, texts[name], version) for name in _NAMES}
    made[CITATION] = re.sub(r"(?m)^date-released: .*\n", "", made[CITATION])
    made[CITATION] = re.sub(r"(?m)^version: .*$", rf"\g<0>\ndate-released: {day}", made[CITATION])
    made[CHANGELOG] = texts[CHANGELOG].replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {day}\n", 1)
    return made


def _named(name: str, text: str, version: str) -> str:
    return _NAMES[name].sub(lambda match: match[0].replace(match["version"], version), text, count=1)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(
            f"git {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}",
            "a clone in which you may commit and tag",
            "put that right, then run the same command again",
        )
    return done.stdout


@task(
    positional=["version"],
    help={
        "version": "MAJOR.MINOR.PATCH of the release, for instance 1.1.0.",
        "dry-run": "Change nothing: print what the files would say.",
    },
)
def release(c: Context, version: str, dry_run: bool = False) -> None:
    """Make a release: version and changelog in one commit, and the tag vVERSION. Pushes nothing."""
    from console.cloud import project_root

    root = project_root()
    texts = {name: (root / name).read_text(encoding="utf-8") for name in (CHANGELOG, PROJECT, CITATION)}
    made = released(texts, version, datetime.now(UTC).date().isoformat())
    if dry_run:
        for name, text in made.items():
            changed = [line for line in text.splitlines() if line not in texts[name].splitlines()]
            sys.stdout.write("".join(f"{name}: {line}\n" for line in changed))
        return
    if _git(root, "status", "--porcelain", "--untracked-files=no").strip():
        raise UserError(
            "files that differ from the last commit",
            "a clean working tree, so that the release is what was tested",
            "commit or stash them (`git status`)",
        )
    if _git(root, "tag", "--list", f"v{version}").strip():
        raise UserError(
            f"a tag v{version} that is there", "a version without a tag", "choose the next version"
        )
    for name, text in made.items():
        (root / name).write_text(text, encoding="utf-8")
    _git(root, "commit", "--quiet", "-m", f"Release {version}", "--", *made)
    _git(root, "tag", "--annotate", f"v{version}", "-m", f"Release {version}")
    sys.stdout.write(f"v{version} is tagged here. Publish it: git push --follow-tags\n")


collection = Collection(release)
